"""One side of a chat: what was asked and what one model answered, the latest at the bottom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from planner.language import say, template
from runtime.chat import Which

NAMES: dict[Which, str] = {"base": template("base model"), "tuned": template("tuned model")}
SIGNS: dict[Which, str] = {"base": "○", "tuned": "●"}
"""So that the sides differ by more than colour."""

NEAR_LINES = 2
"""Lines from the bottom within which a pane follows what is said."""

REASONS = {
    "ended": "",
    "length": template("cut at the longest answer"),
    "interrupted": template("stopped"),
    "failed": template("no answer"),
    "skipped": template("not asked: it was stopped before"),
}


@dataclass
class Turn:
    """One question to one model and its answer, as far as it came."""

    asked: str
    answer: str = ""
    state: str = "waiting"
    """waiting, waking, starting, loading, speaking, ended, length, interrupted, failed or skipped."""
    tokens: int = 0
    tokens_per_second: float = 0.0

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return self.state in REASONS

    def note(self) -> str:
        """Return one line about it, in the language of the moment."""
        waits = {
            "waiting": say("waits for its turn"),
            "waking": say("the engine is starting"),
            "starting": say("is thinking"),
            "loading": say("is being loaded"),
            "speaking": say("is speaking"),
        }
        if self.state in waits:
            return f"… {waits[self.state]}"
        figures = ""
        if self.tokens:
            speed = f"{self.tokens_per_second:.1f}"
            figures = say("{tokens} tokens, {speed} per second", tokens=self.tokens, speed=speed)
        reason = say(REASONS[self.state]) if REASONS[self.state] else ""
        return " · ".join(filter(None, (figures, reason)))


class TurnView(Static):
    """One turn on the screen."""

    def __init__(self, turn: Turn) -> None:
        super().__init__(markup=False, classes="turn")
        self.turn = turn

    def on_mount(self) -> None:
        """Show it."""
        self.show()

    def show(self) -> None:
        """Show it as it is now."""
        turn = self.turn
        parts: list[str | tuple[str, str]] = [("❯ ", "bold $primary"), (turn.asked, "bold"), "\n"]
        if turn.answer:
            parts.append(turn.answer)
        if turn.state == "speaking":
            parts.append(("▌", "$primary"))
        elif note := turn.note():
            parts += ["\n" if turn.answer else "", (note, "$foreground-muted")]
        self.update(Content.assemble(*parts))


class AnswerPane(Vertical):
    """All turns of one model."""

    def __init__(self, which: Which, turns: Sequence[Turn]) -> None:
        super().__init__(id=f"pane-{which}", classes="pane")
        self.which = which
        self.turns = turns

    def compose(self) -> ComposeResult:
        """Yield the name of the model and its turns."""
        yield Static(f"{SIGNS[self.which]} {say(NAMES[self.which])}", classes="pane-name", markup=False)
        with Turns(id=f"turns-{self.which}"):
            for turn in self.turns:
                yield TurnView(turn)
            if not self.turns:
                yield Static(self.invitation(), classes="invitation", markup=False)

    def invitation(self) -> str:
        """Return what stands here before anything was said."""
        if self.which == "base":
            return say("Here the model answers as it was before the training.")
        return say("Here the model answers as it is after the training.")

    def add(self, turn: Turn) -> None:
        """Show a new turn, at the bottom."""
        turns = self.query_one(Turns)
        turns.query(".invitation").remove()
        turns.mount(TurnView(turn))
        self.call_after_refresh(turns.scroll_end, animate=False)

    def show(self, turn: Turn) -> None:
        """Show a turn as it is now."""
        turns = self.query_one(Turns)
        follows = turns.max_scroll_y - turns.scroll_y <= NEAR_LINES
        for view in reversed(list(self.query(TurnView))):
            if view.turn is turn:
                view.show()
                break
        if follows:  # a person who has scrolled up to read is left in peace
            self.call_after_refresh(turns.scroll_end, animate=False)


class Turns(VerticalScroll):
    """Scrolls through what was said."""

    HELP = template("What one model was asked and answered. Page up and page down scroll.")

    follows = True
    """Whether the end was in sight, where it stays when the size changes."""

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Note whether the person reads further up."""
        super().watch_scroll_y(old_value, new_value)
        self.follows = self.max_scroll_y - new_value <= NEAR_LINES

    def on_resize(self) -> None:
        """Keep the end in sight."""
        if self.follows:
            self.call_after_refresh(self.scroll_end, animate=False)
