"""The question at hand: its words, why it matters, its choices by letter, and what is proposed."""

from __future__ import annotations

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from planner.interview.choosing import LETTERS
from planner.interview.question import Choice
from planner.language import say, template
from tui.app.asking import Asked
from tui.app.widgets.prompt import Prompt

MOST_LABEL = 28
"""Cells after which a longer label no longer moves the column of reasons."""

LEAST_REASON = 20
"""Cells that a reason needs beside its label."""

SIGN, GAP = 4, 2
"""Cells of letter and mark, and between label and reason."""


class ChoiceList(OptionList):
    """The choices. A letter takes one at once; other characters go to the prompt."""

    HELP = template(
        "The choices of this question. A letter or Enter takes one. A choice that cannot be had is dimmed "
        "and says why."
    )

    def __init__(self, choices: tuple[Choice, ...], proposed: int | None) -> None:
        self.choices = tuple(zip(LETTERS, choices, strict=False))
        self.proposed = proposed
        options = [
            Option(choice.label, id=letter, disabled=bool(choice.disabled)) for letter, choice in self.choices
        ]
        super().__init__(*options, id="choices", compact=True)
        self.tooltip = say("Press a letter, or click.")

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
        wide = min(MOST_LABEL, max((cell_len(choice.label) for _, choice in self.choices), default=0))
        width = self.scrollable_content_region.width
        for index, (letter, choice) in enumerate(self.choices):
            line = words(letter, choice, wide, width, marked=index == self.highlighted)
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


def words(letter: str, choice: Choice, wide: int, width: int, *, marked: bool = False) -> Content:
    """Return a choice: letter, label, and in a column of its own what it means or why it cannot be had."""
    taken = bool(choice.disabled)
    mark = "✗" if taken else "›" if marked else " "
    head = Content.assemble(
        (f"{letter} {mark} ", "$faint" if taken else "bold $text-accent"),
        (choice.label, "$faint" if taken else "bold"),
    )
    reason = f"{say('not possible')}: {choice.disabled}" if taken else choice.because
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


def proposal(asked: Asked) -> Content:
    """Return what Enter answers, and why."""
    name = LETTERS[asked.proposed] if asked.proposed is not None else asked.default
    return Content.assemble(
        (f"↵ {say('Enter takes')} ", "$text-accent"),
        (name, "bold"),
        (f"  {asked.because}" if asked.because else "", "$faint"),
    )
