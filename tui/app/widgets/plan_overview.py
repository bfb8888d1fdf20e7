"""What a plan comes to: in words, in memory against the card, in time, money and disk; and the other ways."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.message import Message
from textual.widget import Widget

from planner.language import say, template
from planner.phrases import duration, size
from planner.plan import AlternativePlan
from tui.app.keys import Key
from tui.app.plan_session import PlanSession
from tui.app.widgets.ink import ink
from tui.app.widgets.once import Once
from tui.forecast_view import PARTS, memory_title, needs, said
from tui.page import UNICODE, bar, bullets, width_of
from tui.plan_figures import share_used, usable_bytes
from tui.plan_view import facts, headline

PART_INKS = ("primary", "text-secondary", "success", "accent", "text-primary", "error", "secondary")
"""Colours of the parts in turn; the name stands beside each, so that none of them has to be known."""

TIGHT = 0.9
"""Share of what may be used from which a plan is called tight."""

BAR_CELLS = 30
NARROW_BAR_CELLS = 20
NARROW = 70


class Headline(Widget):
    """The plan's name, what it does and what it takes."""

    def __init__(self, session: PlanSession) -> None:
        super().__init__()
        self.session = session

    def render(self) -> RenderableType:
        """Return the name, the sentences, and where it is saved."""
        place = say("not saved") if not self.session.saved or not self.session.file else ""
        if self.session.file is not None:
            place = f"{self.session.file}" + (f" · {place}" if place else "")
        saved = Text(f"  {place}", ink(self, "foreground-muted"))
        return Once(Group(saved, headline(self.session.plan)))


class FactsPart(Widget):
    """What was known before anything was decided."""

    def __init__(self, session: PlanSession) -> None:
        super().__init__()
        self.session = session

    def render(self) -> RenderableType:
        """Return the facts as labelled rows."""
        return titled(self, say("What was found"), facts(self.session.plan))


class MemoryPartBars(Widget, can_focus=True):
    """Memory of one process by part, each where it lies on the card. Opened: how each part comes about."""

    HELP = template(
        "Memory of one training process at its peak: all of it against what may be used, then part by part. "
        "Enter shows how each part comes about."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Key(
            "enter,space",
            "open",
            template("How it comes about"),
            id="memory.open",
            tooltip=template("Show the formula of every part with its figures."),
            show=False,
        )
    ]

    def __init__(self, session: PlanSession) -> None:
        super().__init__()
        self.session = session
        self.opened = False

    def action_open(self) -> None:
        """Show or hide how the parts come about."""
        self.opened = not self.opened
        self.refresh(layout=True)

    def on_click(self) -> None:
        """A click opens and closes."""
        self.action_open()

    def render(self) -> RenderableType:
        """Return the sentence, the whole and the parts."""
        plan = self.session.plan
        ahead = plan.forecast
        cells = BAR_CELLS if (self.size.width or 80) >= NARROW else NARROW_BAR_CELLS
        limit = max(ahead.memory_limit_bytes, ahead.peak_memory_bytes)
        parts = {name: part for name, part in ahead.memory_parts.items() if part.bytes}
        grid = Table.grid(padding=(0, 1))
        grid.add_column(width=width_of([*(said(PARTS, name) for name in parts), say("all")]), no_wrap=True)
        grid.add_column(width=cells, no_wrap=True)
        grid.add_column(justify="right", width=8, no_wrap=True)
        grid.add_column(ratio=1, overflow="fold", style=ink(self, "foreground-muted"))
        grid.add_row(Text(say("all"), "bold"), self._whole(cells, limit), size(ahead.peak_memory_bytes), "")
        reached = 0.0
        for index, (name, part) in enumerate(parts.items()):
            colour = ink(self, PART_INKS[index % len(PART_INKS)])
            piece = bar(reached / limit, (reached + part.bytes) / limit, cells, UNICODE)
            piece.stylize(colour)
            grid.add_row(said(PARTS, name), piece, size(part.bytes), part.because if self.opened else "")
            reached += part.bytes
        return titled(self, say("Memory"), Group(self._verdict(), self._sentence(), grid))

    def _sentence(self) -> Text:
        words = memory_title(self.session.plan).plain
        return Text(words.removeprefix(say("Memory")).strip())

    def _verdict(self) -> Text:
        share = share_used(self.session.plan)
        words = say("{share:.0%} of what may be used (up to ┃)", share=share)
        if share > 1:
            return Text(f"✗ {say('too much')}: {words}", ink(self, "text-error", bold=True))
        if share > TIGHT:
            return Text(f"▲ {say('tight')}: {words}", ink(self, "text-warning", bold=True))
        return Text(f"✓ {say('fits')}: {words}", ink(self, "text-success", bold=True))

    def _whole(self, cells: int, limit: int) -> Text:
        plan = self.session.plan
        peak, usable = plan.forecast.peak_memory_bytes, usable_bytes(plan)
        whole = bar(0, peak / limit, cells, UNICODE, "bold")
        border = min(cells - 1, int(usable / limit * cells))
        if peak < usable:
            whole = (
                whole[:border]
                + Text(UNICODE.limit, ink(self, "text-accent", bold=True))
                + whole[border + 1 :]
            )
        return whole


class NeedsPart(Widget):
    """Time, cost, disk and host memory, and what the forecast takes for granted."""

    def __init__(self, session: PlanSession) -> None:
        super().__init__()
        self.session = session

    def render(self) -> RenderableType:
        """Return the figures and the assumptions."""
        plan = self.session.plan
        taken = bullets(plan.forecast.assumptions)
        return titled(self, say("Forecast"), Group(needs(plan), Text(), taken))


class OtherWay(Widget, can_focus=True):
    """Another whole plan for the same wishes; enter takes it."""

    HELP = template("Another plan that was considered, with what it gives and takes. Enter takes it.")
    BINDINGS: ClassVar[list[BindingType]] = [
        Key(
            "enter,t",
            "take",
            template("Take it"),
            id="way.take",
            tooltip=template("Make this the plan; u goes back."),
        )
    ]

    @dataclass
    class Taken(Message):
        """The person wants this plan instead."""

        other: AlternativePlan

    def __init__(self, number: int, other: AlternativePlan) -> None:
        super().__init__()
        self.number = number
        self.other = other

    def action_take(self) -> None:
        """Take this plan."""
        self.post_message(self.Taken(self.other))

    def on_click(self) -> None:
        """The first click goes there, a click on what has the focus takes it."""
        if self.has_focus_within:
            self.action_take()

    def render(self) -> RenderableType:
        """Return what is different, the figures and the trade-off."""
        other = self.other
        figures = [
            say("training {time}", time=duration(other.train_seconds)),
            say("{memory} per process", memory=size(other.peak_memory_bytes)),
        ]
        if other.cost is not None:
            figures.append(say("costs {money}", money=f"{other.cost:,.2f}"))
        title = Text.assemble(
            (f"{self.number}. ", ink(self, "text-accent", bold=True)),
            (other.title, ink(self, "text-primary", bold=True)),
        )
        lines = Group(Text(", ".join(figures)), Text(other.because, ink(self, "foreground-muted")))
        return Once(Group(title, Padding(lines, (0, 0, 0, 3))))


class PlanOverview(VerticalScroll, can_focus=False):
    """The page beside the decisions, or above them."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Key(
            "down,j",
            "step(1)",
            template("Next"),
            id="overview.next",
            tooltip=template("Go to the next part."),
            show=False,
        ),
        Key(
            "up,k",
            "step(-1)",
            template("Previous"),
            id="overview.previous",
            tooltip=template("Go to the part before."),
            show=False,
        ),
    ]

    def __init__(self, session: PlanSession) -> None:
        super().__init__()
        self.session = session

    def compose(self) -> ComposeResult:
        """Compose the parts of the page."""
        yield Headline(self.session)
        yield MemoryPartBars(self.session)
        yield NeedsPart(self.session)
        if self.session.plan.alternatives:
            yield OtherWaysTitle()
        for number, other in enumerate(self.session.plan.alternatives, 1):
            yield OtherWay(number, other)
        yield FactsPart(self.session)

    def action_step(self, by: int) -> None:
        """Go to the next part that can be opened or taken, and from the last one to the decisions."""
        self.screen.focus_next() if by > 0 else self.screen.focus_previous()

    def refresh_all(self) -> None:
        """Draw all parts again."""
        for part in self.children:
            part.refresh(layout=True)

    async def rebuild(self) -> None:
        """Compose anew for the plan as it is now."""
        place = self.scroll_offset.y
        async with self.batch():
            await self.remove_children()
            await self.mount_all(self.compose())
        self.scroll_to(y=place, animate=False)


class OtherWaysTitle(Widget):
    """The title above the other plans."""

    def render(self) -> RenderableType:
        """Return the title."""
        return titled(self, say("Other ways"), Text(say("Enter takes one."), ink(self, "foreground-muted")))


def titled(widget: Widget, title: str, content: RenderableType) -> RenderableType:
    """Return content below a title with a rule to the end of the line."""
    line = Text(f"{title} ", ink(widget, "text-accent", bold=True), no_wrap=True)
    line.append("─" * max(0, widget.size.width - line.cell_len), ink(widget, "foreground-disabled"))
    return Once(Group(line, Padding(content, (0, 0, 0, 2))))
