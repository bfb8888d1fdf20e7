"""What if something were different: typed like `steersman what-if`, answered side by side, and taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.message import Message
from textual.suggester import SuggestFromList
from textual.widget import Widget
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from planner.language import say, template
from planner.plan import Plan
from planner.setting_values import settings
from tui.app.keys import Key
from tui.app.plan_session import PlanSession
from tui.app.what_if_text import EXAMPLES
from tui.app.widgets.ink import ink
from tui.app.widgets.plan_overview import titled
from tui.comparison import Difference, decided, inputs, memory_parts, needed, verdict
from tui.page import width_of

VALUE_CELLS = 34


class WhatIfInput(Input):
    """Where the change is typed."""

    HELP = template(
        "Type what is different, as for `steersman what-if`: hardware 8x A100-80G, goal quality, "
        "lora_rank=32, release method. Several changes may stand on one line."
    )


class Examples(OptionList):
    """Changes that can be tried as they are."""

    HELP = template("Changes to try. Enter puts one into the line above and answers it.")


class Answer(Widget, can_focus=True):
    """Both plans side by side."""

    HELP = template("The plan as it is and as it would be. t takes the other plan, escape goes back.")
    BINDINGS: ClassVar[list[BindingType]] = [
        Key(
            "t,enter",
            "take",
            template("Take this one"),
            id="what-if.take",
            tooltip=template("Make the other plan the plan; u goes back."),
        )
    ]

    def __init__(self, session: PlanSession, other: Plan | None) -> None:
        super().__init__()
        self.session = session
        self.other = other

    def action_take(self) -> None:
        """Take the other plan."""
        if self.other is not None:
            self.post_message(WhatIfPane.Taken(self.other))

    def render(self) -> RenderableType:
        """Return what differs, section by section, and what it comes to."""
        if self.other is None:
            return Text(say("Both plans will stand here, side by side."), ink(self, "foreground-muted"))
        plans = (self.session.plan, self.other)
        differing = decided(plans)
        sections: tuple[tuple[str, list[Difference]], ...] = (
            (say("Made from"), inputs(plans)),
            (say("Needs"), needed(plans)),
            (say("Memory by part"), memory_parts(plans)),
            (say("Decided otherwise"), differing),
        )
        wide = width_of([line.name for _, lines in sections for line in lines])
        head = Text(f"✓ {verdict(*plans)}", ink(self, "text-success", bold=True))
        take = Text(f"t {say('Take this one')}", ink(self, "text-accent", bold=True))
        parts: list[RenderableType] = [head, take, Text()]
        for title, lines in sections:
            if lines:
                parts.append(titled(self, title, self._side_by_side(lines, wide)))
        if not differing:
            parts.append(Text(say("Every setting is the same.")))
        parts.append(titled(self, say("Why"), self._reasons(plans, differing)))
        return Group(*parts)

    def _side_by_side(self, lines: Sequence[Difference], wide: int) -> Table:
        grid = Table.grid(padding=(0, 2))
        room = max(10, min(VALUE_CELLS, (self.size.width - wide - 8) // 2))
        grid.add_column(width=wide, no_wrap=True, style=ink(self, "text-primary"))
        grid.add_column(width=room, overflow="fold")
        grid.add_column(width=room, overflow="fold")
        quiet = ink(self, "foreground-muted")
        grid.add_row("", Text(say("now"), quiet), Text(say("what if"), quiet))
        for line in lines:
            old, new = line.values
            changed = ink(self, "text-success", bold=True) if old != new else quiet
            grid.add_row(line.name, old, Text(f"→ {new}" if old != new else new, changed))
        return grid

    def _reasons(self, plans: tuple[Plan, Plan], lines: Sequence[Difference]) -> RenderableType:
        grid = Table.grid(padding=(0, 2))
        grid.add_column(no_wrap=True, style=ink(self, "text-primary"))
        grid.add_column(ratio=1, overflow="fold")
        for line in lines:
            grid.add_row(line.name, plans[1].decisions[line.name].because)
        return grid


class WhatIfPane(Vertical):
    """The line, examples, and the answer. `text` and `other` are held by the screen and given back."""

    @dataclass
    class Asked(Message):
        """The person asked what if."""

        text: str

    @dataclass
    class Taken(Message):
        """The person wants the other plan."""

        other: Plan

    def __init__(self, session: PlanSession, text: str = "", other: Plan | None = None) -> None:
        super().__init__()
        self.session = session
        self.text = text
        self.other = other

    def compose(self) -> ComposeResult:
        """Compose the line, what can be tried, and the answer."""
        words = [f"{name}=" for name in settings()]
        yield WhatIfInput(
            self.text,
            id="what-if-line",
            placeholder=say("What if …  for example: {example}", example=EXAMPLES[0]),
            suggester=SuggestFromList([*EXAMPLES, *words], case_sensitive=False),
        )
        yield Examples(*(Option(text) for text in EXAMPLES), id="what-if-examples")
        with VerticalScroll(id="what-if-scroll", can_focus=False):
            yield Answer(self.session, self.other)

    def on_mount(self) -> None:
        """Show examples only while there is nothing better to show."""
        self.query_one(Examples).display = self.other is None

    def start(self) -> None:
        """Put the focus into the line."""
        self.query_one(WhatIfInput).focus()

    def show(self, other: Plan | None) -> None:
        """Show another plan beside the current one, or none."""
        self.other = other
        answer = self.query_one(Answer)
        answer.other = other
        answer.refresh(layout=True)
        self.query_one(Examples).display = other is None
        if other is not None:
            self.query_one("#what-if-scroll").scroll_home(animate=False)
            answer.focus(scroll_visible=False)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Try an example."""
        event.stop()
        line = self.query_one(WhatIfInput)
        line.value = EXAMPLES[event.option_index]
        self._ask(line.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Ask what was typed."""
        event.stop()
        self._ask(event.value)

    def _ask(self, text: str) -> None:
        self.text = text
        if text.strip():
            self.post_message(self.Asked(text))
