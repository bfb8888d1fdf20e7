"""Counting and cutting: what the model sees of a row, which part of it is learnt, and what happens to long
rows.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.errors import BadInput
from runtime.data.chat_template import ChatTemplate, load_chat_template, splits_upstream
from runtime.data.conversation import Conversation
from runtime.data.fitting import fit
from runtime.data.scan import Scan, scan
from runtime.data.tokens import TokenCounter, estimate, load_counter
from tests.runtime.data_files import row_in, write_rows
from tests.tiny_model import CHAT_TEMPLATE, write_tokenizer

HEADER = "<|im_start|>assistant\n"
DEFAULT_SYSTEM = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "<|im_start|>system\nBe kind.<|im_end|>\n{% endif %}"
    "<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    write_tokenizer(folder)
    return folder


@pytest.fixture(scope="module")
def counter(model: Path) -> TokenCounter:
    return load_counter(model)


def with_template(model: Path, folder: Path, template: Any) -> Path:
    """Return a copy of the tokenizer with another chat template; None: without one."""
    shutil.copytree(model, folder)
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text())
    config.pop("chat_template")
    path.write_text(json.dumps(config if template is None else {**config, "chat_template": template}))
    return folder


def scan_pairs(
    folder: Path, model: Path, *pairs: tuple[str, str], system: str = "", **options: Any
) -> tuple[Scan, list[Conversation]]:
    found: list[Conversation] = []
    path = write_rows(folder / "data.jsonl", [row_in("messages", pairs, system)])
    scanned = scan(str(path), model, sink=lambda role, value, row: found.append(row), **options)
    return scanned, found


def test_answers_with_their_end_token_are_learnt_and_nothing_else(counter: TokenCounter) -> None:
    ids, labels = counter.ids_and_labels(Conversation("Sys", (("Hi", "Yo"), ("So?", "Yes"))))
    assert counter.tokenizer is not None
    learnt = counter.tokenizer.decode([label for label in labels if label != -100], skip_special_tokens=False)
    assert learnt == "Yo<|im_end|>\nYes<|im_end|>\n"
    assert all(label in (-100, token) for token, label in zip(ids, labels, strict=True))
    assert counter.tokenizer.decode(ids, skip_special_tokens=False) == (
        "<|im_start|>system\nSys<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nYo<|im_end|>\n"
        "<|im_start|>user\nSo?<|im_end|>\n<|im_start|>assistant\nYes<|im_end|>\n"
    )


@settings(deadline=None)
@given(
    system=st.sampled_from(["", "Sys"]),
    pairs=st.lists(st.tuples(st.text(min_size=1), st.text(min_size=1)), min_size=1, max_size=4).map(tuple),
)
def test_parts_are_the_rendered_conversation(system: str, pairs: tuple[tuple[str, str], ...]) -> None:
    template = ChatTemplate(DEFAULT_SYSTEM, {})
    conversation = Conversation(system, pairs)
    parts = template.parts(conversation)
    assert "".join(prompt + answer for prompt, answer in parts) == template.render(
        conversation.messages(), prompt=False
    )
    assert all(prompt.endswith(HEADER) for prompt, _ in parts)
    assert [answer for _, answer in parts] == [f"{answer}<|im_end|>\n" for _, answer in pairs]


def test_the_templates_own_system_prompt_is_counted(model: Path, tmp_path: Path) -> None:
    plain, _ = scan_pairs(tmp_path, model, ("Hi", "Yo"))
    kind, _ = scan_pairs(tmp_path, with_template(model, tmp_path / "kind", DEFAULT_SYSTEM), ("Hi", "Yo"))
    assert kind.facts.lengths.max == plain.facts.lengths.max + 1 + len("system\nBe kind.") + 1 + len("\n")
    assert kind.facts.lengths.answer_total == plain.facts.lengths.answer_total == len("Yo") + 1 + len("\n")
    assert kind.samples[0].parts[0][0].startswith("<|im_start|>system\nBe kind.")


def test_without_a_model_lengths_are_estimated(tmp_path: Path, model: Path) -> None:
    (tmp_path / "bare").mkdir()
    for folder in (None, tmp_path / "bare"):
        scanned = scan(
            str(write_rows(tmp_path / "a.jsonl", [{"src": "a", "tgt": "b"}])), folder, max_length=16
        )
        assert scanned.facts.lengths.counted is False
        assert scanned.facts.lengths.max > 0
    assert scan_pairs(tmp_path, model, ("Hi", "Yo"))[0].facts.lengths.counted is True
    assert estimate("word " * 100) == 125
    assert estimate("你好") == 2
    assert estimate("") == 0


class TestTemplates:
    def test_separate_file_wins(self, model: Path, tmp_path: Path) -> None:
        folder = with_template(model, tmp_path / "m", "wrong")
        (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE, encoding="utf-8")
        template = load_chat_template(folder)
        assert template is not None
        assert template.parts(Conversation("", (("a", "b"),)))[0][1] == "b<|im_end|>\n"

    def test_named_templates(self, model: Path, tmp_path: Path) -> None:
        named = [{"name": "tool_use", "template": "wrong"}, {"name": "default", "template": CHAT_TEMPLATE}]
        template = load_chat_template(with_template(model, tmp_path / "m", named))
        assert template is not None
        assert template.render([], prompt=True) == HEADER

    def test_a_json_file_of_either_kind(self, model: Path, tmp_path: Path) -> None:
        folder = with_template(model, tmp_path / "m", "wrong")
        file = folder / "chat_template.json"
        file.write_text(json.dumps({"chat_template": CHAT_TEMPLATE}))
        asked = [{"role": "user", "content": "{user} {bot}"}]
        found = load_chat_template(folder)
        assert found is not None and found.render(asked, prompt=True).endswith(HEADER)
        told = {
            "system": "{{ system | default('Be kind.') }}\n",
            "conversation": ["\n [{{ index }}] {{ user }}\n", "{{ bot }}</s>\n"],
        }
        file.write_text(json.dumps(told))
        found = load_chat_template(folder)
        assert found is not None and found.takes_system and not found.takes_tools
        assert found.parts(Conversation("", (("{user} {bot}", "b"), ("c", "d")))) == [
            ("Be kind.\n\n [0] {user} {bot}\n", "b</s>\n"),
            ("\n [1] c\n", "d</s>\n"),
        ]
        assert found.parts(Conversation("Be brief.", (("a", "b"),)))[0][0] == "Be brief.\n\n [0] a\n"
        for broken in ("[]", "{", '{"conversation": ["one"]}'):
            file.write_text(broken)
            with pytest.raises(BadInput, match=r"chat_template\.json"):
                load_chat_template(folder)

    def test_what_templates_use(self) -> None:
        text = (
            "{{ bos_token }}{% for m in messages %}\n    {% if m.role == 'user' %}\n[{{ m.content | trim }}]"
            "{% else %}{% generation %}{{ m.content | tojson }}{% endgeneration %}"
            "{% break %}{% endif %}{% endfor %}"
        )
        template = ChatTemplate(text, {"bos_token": "<s>"})
        rendered = template.render(
            [{"role": "user", "content": " a "}, {"role": "assistant", "content": "<ü>"}], prompt=False
        )
        assert rendered == '<s>[a]"<ü>"'
        assert len(ChatTemplate("{{ strftime_now('%Y') }}", {}).render([], prompt=False)) == 4

    def test_a_template_can_do_no_harm(self, model: Path, tmp_path: Path) -> None:
        evil = "{{ messages.append(1) }}" + CHAT_TEMPLATE
        folder = with_template(model, tmp_path / "m", evil)
        with pytest.raises(BadInput, match="none of the train rows"):
            scan_pairs(tmp_path, folder, ("a", "b"))

    def test_broken_template(self, model: Path, tmp_path: Path) -> None:
        with pytest.raises(BadInput, match=r"chat template of .* cannot be read: .* \(line 1\)"):
            load_counter(with_template(model, tmp_path / "m", "{% for %}"))

    def test_refused_rows_are_dropped(self, model: Path, tmp_path: Path) -> None:
        picky = (
            "{% if messages|length > 2 %}{{ raise_exception('one turn only') }}{% endif %}" + CHAT_TEMPLATE
        )
        rows = [row_in("messages", pairs) for pairs in ([("a", "b"), ("c", "d")], [("a", "b")])]
        path = write_rows(tmp_path / "a.jsonl", rows)
        scanned = scan(str(path), with_template(model, tmp_path / "m", picky))
        assert [(found.code, found.row) for found in scanned.findings] == [("template.refuses", 1)]
        assert "one turn only" in scanned.findings[0].what
        assert scanned.facts.unusable_rows == 1

    def test_system_prompt_without_a_place(self, model: Path, tmp_path: Path) -> None:
        refusing = (
            "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
            + CHAT_TEMPLATE
        )
        deaf = "{% set messages = messages | rejectattr('role', 'eq', 'system') | list %}" + CHAT_TEMPLATE
        for name, template in (("refusing", refusing), ("deaf", deaf)):
            folder = with_template(model, tmp_path / name, template)
            scanned, found = scan_pairs(tmp_path, folder, ("a", "b"), ("c", "d"), system="Sys")
            assert scanned.finding_counts == {"system.moved": 1}
            assert found == [Conversation("", (("Sys\n\na", "b"), ("c", "d")))]

    def test_template_that_rewrites_earlier_turns(self, model: Path, tmp_path: Path) -> None:
        thinking = (
            "{% for m in messages %}<|im_start|>{{ m.role }}\n"
            "{% if m.role == 'assistant' and loop.last %}<think></think>{% endif %}"
            "{{ m.content }}<|im_end|>\n"
            "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
        )
        folder = with_template(model, tmp_path / "m", thinking)
        rows = [row_in("messages", pairs) for pairs in ([("a", "b"), ("c", "d")], [("a", "b")])]
        scanned = scan(str(write_rows(tmp_path / "a.jsonl", rows)), folder)
        assert [(found.code, found.row) for found in scanned.findings] == [("template.rewrites", 1)]
        assert scanned.samples[0].parts[0][1] == "<think></think>b<|im_end|>\n"

    def test_no_template(self, model: Path, tmp_path: Path) -> None:
        folder = with_template(model, tmp_path / "m", None)
        scanned, found = scan_pairs(tmp_path, folder, ("a", "b"), ("c", "d"), system="Sys")
        assert scanned.finding_counts == {"template.none": 1}
        assert found == [Conversation("", (("Sys\na\nb\nc", "d"),))]
        assert scanned.facts.lengths.answer_total == len("d") + 1  # and the end token

    def test_special_tokens_in_a_text(self, model: Path, tmp_path: Path) -> None:
        scanned, _ = scan_pairs(tmp_path, model, ("Hi", "a<|im_end|>b"))
        assert [(found.code, found.field) for found in scanned.findings] == [("text.special", "assistant")]


class TestCutting:
    """The tiny tokenizer has one token per byte:

    `<|im_start|>user\\n` + text + `<|im_end|>\\n<|im_start|>assistant\\n`.
    """

    FRAME = 1 + 5 + 2 + 1 + 10
    END = 2

    def test_what_fits_stays(self, model: Path, tmp_path: Path) -> None:
        size = self.FRAME + 1 + 9 + self.END
        scanned, found = scan_pairs(tmp_path, model, ("q", "a" * 9), max_length=size, src_length=8)
        assert scanned.facts.lengths.max == size
        assert scanned.finding_counts == {}
        assert found == [Conversation("", (("q", "a" * 9),))]

    def test_oldest_turns_go_first_and_the_system_prompt_stays(self, model: Path, tmp_path: Path) -> None:
        pairs = [(f"question {turn}", "answer") for turn in range(6)]
        scanned, found = scan_pairs(tmp_path, model, *pairs, system="Sys", max_length=100, src_length=50)
        assert scanned.finding_counts == {"length.rounds_cut": 1}
        assert found == [Conversation("Sys", tuple(pairs[-2:]))]
        assert scanned.facts.lengths.max == 13 + 2 * (self.FRAME + len("question 0answer") + self.END) <= 100
        assert scanned.facts.max_turns == 2

    def test_then_the_question_keeps_its_beginning(self, model: Path, tmp_path: Path) -> None:
        question = "The instruction comes first. " + "Then a very long text. " * 20
        scanned, found = scan_pairs(tmp_path, model, (question, "short"), max_length=100, src_length=60)
        assert scanned.finding_counts == {"length.prompt_cut": 1}
        (kept, answer), *_ = found[0].pairs
        assert (kept, answer) == (question[: 60 - self.FRAME], "short")
        assert scanned.facts.lengths.max == 60 + len("short") + self.END
        assert scanned.samples[0].parts[0][0].endswith(HEADER)

    def test_an_answer_that_is_too_long_is_learnt_in_part(self, model: Path, tmp_path: Path) -> None:
        scanned, found = scan_pairs(tmp_path, model, ("q", "a" * 200), max_length=100, src_length=50)
        assert scanned.finding_counts == {"length.answer_cut": 1}
        assert found == [Conversation("", (("q", "a" * 200),))]
        assert (scanned.facts.lengths.max, scanned.facts.lengths.answer_total) == (100, 100 - self.FRAME - 1)

    def test_no_answer_left_is_reported_and_not_trained_on(self, model: Path, tmp_path: Path) -> None:
        rows = [row_in("messages", [("q" * 90, "answer")]), row_in("messages", [("q", "a")])]
        path = write_rows(tmp_path / "a.jsonl", rows)
        found: list[Conversation] = []
        scanned = scan(
            str(path), model, max_length=100, src_length=120, sink=lambda role, value, row: found.append(row)
        )
        assert [(finding.code, finding.row, finding.line) for finding in scanned.findings] == [
            ("length.no_answer", 1, 1)
        ]
        assert "109 tokens" in scanned.findings[0].what
        assert found == [Conversation("", (("q", "a"),))]
        assert scanned.facts.unusable_rows == 1

    def test_a_system_prompt_that_fills_everything(self, model: Path, tmp_path: Path) -> None:
        rows = [row_in("messages", [("q", "a")], "S" * 500), row_in("messages", [("q", "a")])]
        scanned = scan(str(write_rows(tmp_path / "a.jsonl", rows)), model, max_length=100, src_length=50)
        assert [(finding.code, finding.row) for finding in scanned.findings] == [("length.no_prompt", 1)]

    @settings(max_examples=60, deadline=None)
    @given(
        pairs=st.lists(
            st.tuples(st.text(min_size=1, max_size=80), st.text(min_size=1, max_size=80)),
            min_size=1,
            max_size=4,
        ),
        max_length=st.integers(16, 200),
        src_length=st.integers(8, 200),
    )
    def test_whatever_is_kept_fits(
        self, counter: TokenCounter, pairs: list[tuple[str, str]], max_length: int, src_length: int
    ) -> None:
        conversation = Conversation("", tuple(pairs))
        lengths = counter.lengths([counter.parts(conversation)])[0]
        fitted = fit(counter, conversation, lengths, max_length, src_length)
        if fitted.conversation is None:
            return
        ids, labels = counter.ids_and_labels(fitted.conversation, max_length)
        assert len(ids) == sum(map(sum, fitted.lengths)) <= max_length
        assert sum(label != -100 for label in labels) == sum(answer for _, answer in fitted.lengths) > 0
        assert fitted.conversation.pairs[-1][1] == pairs[-1][1]


@pytest.mark.parametrize(
    ("pairs", "splits"),
    [
        ([("q", "a"), ("q", "b")], True),
        ([("q", "a"), ("q", "a")], True),
        ([("say no", "no")], False),
        ([("q", "yes"), ("is it yes", "b")], False),
    ],
)
def test_rows_at_which_upstream_would_stop(
    counter: TokenCounter, pairs: list[tuple[str, str]], splits: bool
) -> None:
    assert splits_upstream(counter.parts(Conversation("", tuple(pairs)))) is splits
