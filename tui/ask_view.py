"""One question as a person sees it in a plain terminal: why it matters, its choices, its default."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from planner.interview.choosing import LETTERS
from planner.interview.interview import Interview
from planner.interview.question import Answer, Choice, Provenance, Question
from planner.language import join, say, template
from planner.phrases import plural
from tui.page import indented, width_of

PROVENANCE_WORDS: dict[Provenance, str] = {
    "typed": template("typed"),
    "flag": template("given on the command line"),
    "saved": template("from last time"),
    "detected": template("found"),
    "default": template("default"),
}
"""Where an answer comes from, in words."""

ALLOWED, REFUSED = " ", "x"
"""In front of a choice that can be taken, and of one that cannot: not told by colour alone."""


def heading_of(interview: Interview, question: Question) -> Text:
    """Return the question itself and why it is asked."""
    text = Text(question.text(interview.known), style="bold")
    return Text.assemble(text, "\n", (question.why(interview.known), "dim"))


def table_of(choices: Sequence[Choice], default: Answer) -> Table:
    """Return the choices with their letters; the default is marked by a word."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=1)
    grid.add_column(width=1)
    grid.add_column(width=min(44, width_of(choice.label for choice in choices)), overflow="fold")
    grid.add_column(overflow="fold", ratio=1)
    for letter, choice in zip(LETTERS, choices, strict=False):
        refused = bool(choice.disabled)
        words = choice.disabled or choice.because
        if not refused and choice.value == default.value:
            words = join((words, say("[default]")))
        grid.add_row(
            REFUSED if refused else ALLOWED,
            letter,
            Text(choice.label, style="dim" if refused else ""),
            Text(words, style="dim"),
        )
    return grid


def print_question(console: Console, interview: Interview, question: Question) -> None:
    """Print a question with its choices, its default and what can be typed."""
    default, choices = interview.default(), interview.choices()
    console.print()
    console.print(heading_of(interview, question))
    if choices:
        console.print(indented(table_of(choices, default), below=0))
    empty = say("Empty line: {answer}.", answer=default.shown)
    console.print(Text(join((empty, default.because))))
    if question.free_text:
        example = say("Or type, for example: {examples}", examples=say(question.free_text))
        console.print(Text(example, style="dim"))


def print_help(console: Console, interview: Interview, question: Question) -> None:
    """Print what can be typed here, and the commands of every question."""
    console.print(Text(question.why(interview.known)))
    if question.free_text:
        console.print(Text(say("Type for example: {examples}", examples=say(question.free_text))))
    console.print(
        Text(
            say(
                "Everywhere: why? (why it is asked), back (the answer before), skip or an empty line (the "
                "default), not sure (the default, explained), undo, quit (the answers are kept)."
            )
        )
    )


def print_answers(console: Console, interview: Interview) -> None:
    """Print every answer with where it comes from, each with a letter to change it by."""
    console.print()
    grid = Table.grid(padding=(0, 2))
    lines = list(answer_lines(interview))
    grid.add_column(width=1)
    grid.add_column(style="dim", width=width_of(line[1] for line in lines), no_wrap=True)
    grid.add_column(overflow="fold", ratio=1)
    for letter, title, words in lines:
        grid.add_row(letter, title, words)
    console.print(indented(grid, below=0))


def answer_lines(interview: Interview) -> Iterator[tuple[str, str, Text]]:
    """Yield letter, title and answer of everything that was answered."""
    for letter, (question, answer) in zip(LETTERS, interview.answered(), strict=False):
        origin = say(PROVENANCE_WORDS[answer.provenance])
        yield letter, say(question.title), Text.assemble(answer.shown, (f"  ({origin})", "dim"))


def kept_words(interview: Interview) -> str:
    """Return what was kept of last time, in a few words."""
    return plural(len(interview.answered()) + len(interview.known.pins), "answer")
