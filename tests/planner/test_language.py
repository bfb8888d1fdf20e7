"""Sentences in the person's language, and a catalogue that is whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polib
import pytest

from planner import language
from planner.errors import BadInput
from planner.language import current, join, of_locale, say, speaking, use
from runtime.run.failures import table
from tests.messages import faults, messages, placeholders, templates


@pytest.fixture
def own_catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    file = polib.POFile()
    file.metadata = {"Language": "zh", "Content-Type": "text/plain; charset=UTF-8"}
    file.append(polib.POEntry(msgid="{rows:,} rows are {many}.", msgstr="{many}的 {rows:,} 行。"))
    file.save(str(tmp_path / "zh.po"))
    monkeypatch.setattr(language, "LOCALE", tmp_path)
    language.catalogue.cache_clear()
    yield
    language.catalogue.cache_clear()


def test_english_is_the_template_itself() -> None:
    assert say("{rows:,} rows are {many}.", rows=50_000, many="enough") == "50,000 rows are enough."


def test_a_template_without_parameters_may_hold_braces() -> None:
    assert say("{not filled}") == "{not filled}"


def test_another_language_fills_its_own_words_in_its_own_order(own_catalogue: None) -> None:
    with speaking("zh"):
        assert say("{rows:,} rows are {many}.", rows=50_000, many="够用") == "够用的 50,000 行。"
        assert say("Nobody translated {this}.", this="me") == "Nobody translated me."
    assert current() == "en"


def test_speaking_ends_even_what_was_asked_for_inside() -> None:
    with speaking("zh"):
        use("en")
        assert current() == "en"
        use("zh")
    assert current() == "en"


@pytest.mark.parametrize(
    ("environment", "code"),
    [
        ({}, "en"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh-Hans"}, "zh"),
        ({"LANG": "zh"}, "zh"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LC_ALL": "C", "LANG": "zh_CN.UTF-8"}, "en"),
        ({"LC_ALL": "", "LC_MESSAGES": "zh_TW", "LANG": "en_US"}, "zh"),
        ({"LC_CTYPE": "zh_CN.UTF-8", "LANG": "en_US.UTF-8"}, "en"),
    ],
)
def test_the_locale_names_the_language(environment: dict[str, str], code: str) -> None:
    assert of_locale(environment) == code


def test_chinese_sentences_are_joined_without_blanks() -> None:
    assert join(("One.", "", "Two.")) == "One. Two."
    assert join(("一句。", "二句。")) == "一句。二句。"


def test_a_remedy_of_several_lines_stays_a_list() -> None:
    error = BadInput("It does not fit.", why="You fixed it.", remedy="- less\n- more")
    assert error.sentence() == "It does not fit. You fixed it.\n  - less\n  - more"
    assert BadInput("No.", remedy="Yes.").sentence() == "No. Yes."


def test_templates_are_found_in_code() -> None:
    code = """
say("one {x}", x=1)
say("two" if x else "three")
TABLE = {"a": template("four")}
plural(n, "row")
say(TABLE[key])
conversation.say("not ours")
"""
    assert set(templates(code, "x.py")) == {"one {x}", "two", "three", "four", "row"}


def test_sentences_of_the_table_of_failures_are_collected() -> None:
    collected = messages()
    for row in table():
        assert "recipes/failures.yaml" in collected[row.what], row.id
        assert "recipes/failures.yaml" in collected[row.remedy], row.id


@pytest.mark.parametrize("code", ['say(f"{x} rows", x=1)', 'say("a" + b)'])
def test_a_template_that_no_catalogue_could_hold_is_refused(code: str) -> None:
    with pytest.raises(ValueError, match=r"x\.py, line 1"):
        list(templates(code, "x.py"))


def test_every_template_can_be_filled_in() -> None:
    """Braces in every template are pairs around names."""
    for text in messages():
        assert all(name.isidentifier() for name in placeholders(text)), text


def test_translations_take_the_same_parameters() -> None:
    assert [fault for fault in faults("zh") if fault.startswith("other parameters")] == []


def test_every_sentence_is_translated() -> None:
    """Last to become green after a change of sentences: `make messages`, then translate what is empty."""
    assert [fault for fault in faults("zh") if fault.startswith("no translation")] == []
