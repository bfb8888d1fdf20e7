"""`steersman recipes`: the templates, and copies to edit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from planner.catalogue import RECIPES
from planner.render import templates
from tui.command_line import main
from tui.recipe_files import recipes

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")


def call(*arguments: object) -> int:
    return int(main(["recipes", *map(str, arguments)]))


def test_every_recipe_is_listed_with_what_it_makes(capsys: Capture) -> None:
    assert call("list", "--json") == 0
    listed = {entry["name"]: entry["description"] for entry in json.loads(capsys.readouterr().out)}
    assert {"paddlenlp/sft", "paddlenlp/dpo", "paddleformers/sft"} <= set(listed)
    assert all(listed.values())
    assert call("list") == 0
    out = capsys.readouterr().out
    assert all(name in out for name in listed)


@pytest.mark.parametrize("name", recipes())
def test_a_recipe_is_shown_as_it_is(name: str, capsys: Capture) -> None:
    assert call("show", name) == 0
    assert capsys.readouterr().out == recipes()[name].path.read_text(encoding="utf-8")


def test_a_copy_lies_where_the_planner_looks_for_it(tmp_path: Path, capsys: Capture) -> None:
    assert call("new", "mine", "--from", "paddlenlp/sft", tmp_path) == 0
    out, err = capsys.readouterr()
    copy = Path(out.strip())
    assert copy.read_bytes() == (RECIPES / "paddlenlp" / "sft.json.j2").read_bytes()
    assert f"--recipes {tmp_path / 'mine'}" in err
    template = templates(str(tmp_path / "mine")).get_template("paddlenlp/sft.json.j2")
    assert template.filename == str(copy)


def test_a_copy_is_never_replaced(tmp_path: Path, capsys: Capture) -> None:
    assert call("new", "mine", "--from", "paddlenlp/sft", tmp_path) == 0
    copy = Path(capsys.readouterr().out.strip())
    copy.write_text("edited", encoding="utf-8")
    assert call("new", "mine", "--from", "paddlenlp/sft", tmp_path) == 2
    assert "exists already" in capsys.readouterr().err
    assert copy.read_text(encoding="utf-8") == "edited"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("show", "paddlenlp/sftt"), "There is no recipe `paddlenlp/sftt`. Did you mean `paddlenlp/sft`?"),
        (("new", "x", "--from", "sft"), "There is no recipe `sft`."),
        (("new", "../x", "--from", "paddlenlp/sft"), "`../x` cannot be the name of a folder of recipes."),
    ],
)
def test_bad_input_gets_one_sentence(arguments: tuple[str, ...], sentence: str, capsys: Capture) -> None:
    assert call(*arguments) == 2
    assert sentence in capsys.readouterr().err
