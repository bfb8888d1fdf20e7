"""What stands between the decisions of a plan: titles of subjects, and folds for what has no effect here."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.console import RenderableType
from rich.text import Text
from textual.binding import BindingType
from textual.widget import Widget

from planner.language import say, template
from planner.phrases import plural
from planner.setting_values import settings
from planner.solve import show
from tui.app.keys import Key
from tui.app.plan_session import PlanSession
from tui.app.widgets.decision_row import CLOSED, OPEN
from tui.app.widgets.ink import ink
from tui.decision_view import SUBJECTS

if TYPE_CHECKING:
    from tui.app.widgets.decision_tree import DecisionTree


class GroupHeading(Widget):
    """The title of one subject, with how many of its settings are fixed or were moved."""

    def __init__(self, group: str, session: PlanSession) -> None:
        super().__init__(id=f"group-{group}")
        self.group = group
        self.session = session

    def render(self) -> RenderableType:
        """Return the title and a rule to the end of the line."""
        names = [name for name, setting in settings().items() if setting.group == self.group]
        title = Text(f"{say(SUBJECTS[self.group])} ", ink(self, "text-accent", bold=True), no_wrap=True)
        fixed = sum(map(self.session.is_fixed, names))
        moved = len(self.session.changed.intersection(names))
        words = [say("{number} fixed", number=fixed)] if fixed else []
        words += [say("{number} changed", number=moved)] if moved else []
        title.append(" · ".join(words) + (" " if words else ""), ink(self, "foreground-muted"))
        rest = max(0, self.size.width - title.cell_len)
        return title.append("─" * rest, ink(self, "foreground-disabled"))


class Fold(Widget, can_focus=True):
    """Settings that share one reason, mostly because they have no effect here: one line for all of them."""

    HELP = template("Settings that share one reason. Enter shows them one by one.")
    BINDINGS: ClassVar[list[BindingType]] = [
        Key(
            "enter,space",
            "open",
            template("Open"),
            id="plan.unfold",
            tooltip=template("Show these settings one by one."),
            show=False,
        )
    ]

    def __init__(self, group: str, names: tuple[str, ...], because: str, decisions: DecisionTree) -> None:
        super().__init__()
        self.group, self.names, self.because, self.decisions = group, names, because, decisions
        self.opened = names[0] in decisions.unfolded

    def action_open(self) -> None:
        """Show or hide the settings."""
        self.opened = not self.opened
        (self.decisions.unfolded.update if self.opened else self.decisions.unfolded.difference_update)(
            self.names
        )
        self.decisions.settle()
        self.refresh()

    def on_click(self) -> None:
        """A click opens and closes."""
        self.action_open()

    def render(self) -> RenderableType:
        """Return how many there are, what they have in common, and which they are."""
        plan = self.decisions.session.plan
        line = Text(no_wrap=True, overflow="ellipsis")
        line.append(f"{OPEN if self.opened else CLOSED} ", ink(self, "foreground-muted"))
        line.append(plural(len(self.names), "setting"), ink(self, "foreground-muted", bold=True))
        line.append(f"  {self.because}  ", ink(self, "foreground-muted"))
        listed = ", ".join(f"{name} {show(plan.value(name))}".strip() for name in self.names)
        line.append(listed, ink(self, "foreground-disabled"))
        line.truncate(self.size.width or 80, overflow="ellipsis")
        return line
