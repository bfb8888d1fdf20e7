"""The question at hand: its words, why it matters, its choices by letter, and what is proposed."""

from __future__ import annotations

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from planner.interview.choosing import LETTERS
from planner.interview.question import Choice
from planner.language import say, template
from tui.app.asking import Asked
from tui.app.widgets.prompt import Prompt

MOST_LABEL = 28
"""Cells after which a longer label no longer moves the column of reasons, where there is little room."""

LEAST_REASON = 20
"""Cells that a reason needs beside its label."""

LEAST_ROWS = 3
"""Rows that a list of choices has at least; the rest is scrolled to."""

SIGN, GAP = 4, 2
"""Cells of letter and mark, and between label and reason."""


class ChoiceList(OptionList):
    """The choices. A letter takes one at once; other characters go to the prompt."""

    HELP = template(
        "The choices of this question. A letter or Enter takes one. A choice that cannot be had is marked "
        "with ✗ and says why."
    )

    def __init__(self, choices: tuple[Choice, ...], proposed: int | None) -> None:
        self.choices = tuple(zip(LETTERS, choices, strict=False))
        self.proposed = proposed
        options = [
            Option(choice.label, id=letter, disabled=bool(choice.disabled)) for letter, choice in self.choices
        ]
        super().__init__(*options, id="choices", compact=True)
        self.tooltip = say("Press a letter, or click.")
        self.rows: int | None = None
        """Rows that there is room for; None: as many as the choices need."""

    def fit(self, rows: int) -> None:
        """Take no more rows than this: first reasons are cut to a line each, then the list scrolls."""
        if rows != self.rows:
            self.rows = rows
            self.styles.max_height = max(LEAST_ROWS, rows)
            self.draw()

    def on_mount(self) -> None:
        """Begin at what is proposed."""
        self.highlighted = self.proposed

    def on_resize(self) -> None:
        """Wrap the reasons anew."""
        self.draw()

    def on_option_list_option_highlighted(self) -> None:
        """Move the sign along: a background alone is not seen in every terminal."""
        self.draw()

    def draw(self) -> None:
        """Draw every choice with its reason in a column of its own, and the sign at the marked one."""
        # Not the region, which is empty until the screen has been laid out; the size comes with the event.
        width = self.outer_size.width - self.gutter.width
        if width <= 0:
            return
        longest = max((cell_len(choice.label) for _, choice in self.choices), default=0)
        wide = min(longest, max(MOST_LABEL, width // 2 - SIGN))
        lines = [
            words(letter, choice, wide, width, marked=index == self.highlighted)
            for index, (letter, choice) in enumerate(self.choices)
        ]
        if self.rows is not None and sum(line.plain.count("\n") + 1 for line in lines) > self.rows:
            lines = [
                line if index == self.highlighted else in_one_row(letter, choice, wide, width)
                for index, ((letter, choice), line) in enumerate(zip(self.choices, lines, strict=True))
            ]
        for index, line in enumerate(lines):
            self.replace_option_prompt_at_index(index, line)

    def on_key(self, event: events.Key) -> None:
        """Take the choice of a letter; hand other characters on.

        They are handed on at once: a pasted line arrives faster than a message would, and its Enter must find
        it in the prompt. What arrives here after the first of them belongs to the line, too.
        """
        if not event.is_printable or event.character is None:
            return
        event.stop()
        letter = event.character.lower()
        ids = [option.id for option in self.options]
        if self.has_focus and letter in ids and not self.options[ids.index(letter)].disabled:
            self.highlighted = ids.index(letter)
            self.action_select()
        else:
            prompt = self.screen.query_one(Prompt)
            self.screen.set_focus(prompt)
            prompt.insert_text_at_cursor(event.character)


class QuestionBox(Vertical):
    """One question as it is asked."""

    HELP = template("The question at hand. F3 says why it is asked; F4 lets me decide.")

    def __init__(self, asked: Asked) -> None:
        super().__init__()
        self.asked = asked

    def compose(self) -> ComposeResult:
        """Yield its parts."""
        asked = self.asked
        yield Static(asked.text, id="question-text", markup=False)
        if asked.why:
            yield Static(asked.why, id="question-why", markup=False)
        if asked.choices:
            yield ChoiceList(asked.choices, asked.proposed)
        if asked.default:
            yield Static(proposal(asked), id="question-default", markup=False)

    class Placed(Message):
        """A question has its size now."""

    def on_resize(self) -> None:
        """Tell that its height is known."""
        self.post_message(self.Placed())

    def fit(self, rows: int) -> None:
        """Take no more rows than this; the choices give way, what Enter takes stays in sight."""
        for choices in self.query(ChoiceList):
            others = sum(child.outer_size.height for child in self.children if child is not choices)
            margins = sum(child.styles.margin.bottom for child in self.children)
            choices.fit(rows - self.gutter.height - others - margins)


def words(letter: str, choice: Choice, wide: int, width: int, *, marked: bool = False) -> Content:
    """Return a choice: letter, label, and in a column of its own what it means or why it cannot be had."""
    head, reason = head_of(letter, choice, marked), choice.disabled or choice.because
    if not reason:
        return head
    left = SIGN + wide + GAP
    if cell_len(choice.label) > wide or width - left < LEAST_REASON:
        # No room beside the label: the reason stands below it.
        lines = Content.styled(reason, "$faint").wrap(max(LEAST_REASON, width - SIGN))
        return Content("\n").join([head, *(line.pad_left(SIGN) for line in lines)])
    first, *rest = Content.styled(reason, "$faint").wrap(width - left)
    gap = " " * (wide - cell_len(choice.label) + GAP)
    return Content("\n").join([Content.assemble(head, gap, first), *(line.pad_left(left) for line in rest)])


def head_of(letter: str, choice: Choice, marked: bool) -> Content:
    """Return letter, sign and label."""
    taken = bool(choice.disabled)
    mark = "✗" if taken else "›" if marked else " "
    return Content.assemble(
        (f"{letter} {mark} ", "$faint" if taken else "bold $text-accent"),
        (choice.label, "$faint" if taken else "bold"),
    )


def in_one_row(letter: str, choice: Choice, wide: int, width: int) -> Content:
    """Return a choice in one row, its reason cut where there is no room for all of it."""
    head, reason = head_of(letter, choice, marked=False), choice.disabled or choice.because
    gap = " " * (max(0, wide - cell_len(choice.label)) + GAP)
    return Content.assemble(head, gap if reason else "", (reason, "$faint")).truncate(width, ellipsis=True)


def proposal(asked: Asked) -> Content:
    """Return what Enter answers, and why."""
    name = LETTERS[asked.proposed] if asked.proposed is not None else asked.default
    return Content.assemble(
        (f"↵ {say('Enter takes')} ", "$text-accent"),
        (name, "bold"),
        (f"  {asked.because}" if asked.because else "", "$faint"),
    )
