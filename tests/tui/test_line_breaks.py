"""Chinese sentences fill their lines, and no line begins with a comma."""

from __future__ import annotations

import io
import random

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text
from textual.content import Content

from tui.line_breaks import CLOSING, WORD, break_between_characters

SENTENCE = (
    "我为 PaddlePaddle 上的语言模型规划微调（例如“LoRA”），并运行它们。几个问题之后，您会得到一份计划。"
)
ENGLISH = "I plan fine-tunes (of language models) on PaddlePaddle, “and” run them: see plan.yaml."


@pytest.fixture(autouse=True)
def broken_between_characters() -> None:
    break_between_characters()


def lines_of(text: str, width: int) -> list[str]:
    return [line.plain for line in Text(text).wrap(Console(file=io.StringIO(), width=width), width)]


@pytest.mark.parametrize("width", range(12, 60))
def test_lines_are_filled_and_marks_stay_with_their_words(width: int) -> None:
    lines = lines_of(SENTENCE, width)
    assert "".join("".join(lines).split()) == "".join(SENTENCE.split())
    assert all(cell_len(line) <= width for line in lines)
    assert not [line for line in lines if line[0] in CLOSING.strip("[]")]
    assert not [line for line in lines if line[-1] in "（“"]
    longest_word = 14  # a line is left short by no more than the word or the marks that follow it
    assert all(cell_len(line.rstrip()) > width - longest_word for line in lines[:-1])


def test_textual_breaks_as_rich_does() -> None:
    plain = [line.plain.rstrip() for line in Content(SENTENCE).wrap(30)]
    assert plain == [line.rstrip() for line in lines_of(SENTENCE, 30)]


def test_a_line_may_end_behind_a_wide_mark_between_words_of_another_script() -> None:
    assert WORD.findall("json、yaml，all a.b") == ["json、", "yaml，", "all ", "a.b"]
    assert WORD.findall("csv（“txt”）。”[x]") == ["csv（“txt”）。”", "[x]"]
    assert WORD.findall(".json、.jsonl") == [".json、", ".jsonl"]


def test_other_scripts_are_broken_at_spaces() -> None:
    assert [word.strip() for word in WORD.findall(ENGLISH)] == ENGLISH.split()
    letters = random.Random(0)
    for _ in range(200):
        text = "".join(letters.choice("ab ,.(“”)%-é—") for _ in range(30))
        assert [word.strip() for word in WORD.findall(text)] == text.split()
