"""All decisions of a plan by subject: rows that open, a filter, and folds for what has no effect here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from rich.console import RenderableType
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.widget import Widget

from planner.language import say, template
from planner.phrases import plural
from planner.setting_values import settings
from planner.settings import GROUPS
from planner.solve import show
from tui.app.keys import Key
from tui.app.plan_session import PlanSession
from tui.app.widgets.decision_row import CLOSED, OPEN, DecisionRow
from tui.app.widgets.ink import ink
from tui.decision_view import SUBJECTS, shared_reasons


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


class DecisionTree(VerticalScroll, can_focus=False):
    """Decisions by subject. Up and down go from row to row, brackets from subject to subject."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Key(
            "down,j",
            "step(1)",
            template("Next"),
            id="plan.next",
            tooltip=template("Go to the next decision."),
            show=False,
        ),
        Key(
            "up,k",
            "step(-1)",
            template("Previous"),
            id="plan.previous",
            tooltip=template("Go to the decision before."),
            show=False,
        ),
        Key(
            "right_square_bracket",
            "jump(1)",
            template("Next subject"),
            id="plan.next-group",
            tooltip=template("Go to the next subject."),
            show=False,
        ),
        Key(
            "left_square_bracket",
            "jump(-1)",
            template("Previous subject"),
            id="plan.last-group",
            tooltip=template("Go to the subject before."),
            show=False,
        ),
        Key(
            "home",
            "edge(0)",
            template("First"),
            id="plan.first",
            tooltip=template("Go to the first decision."),
            show=False,
        ),
        Key(
            "end",
            "edge(-1)",
            template("Last"),
            id="plan.last",
            tooltip=template("Go to the last decision."),
            show=False,
        ),
    ]

    def __init__(self, session: PlanSession) -> None:
        super().__init__()
        self.session = session
        self.query_text = ""
        self.found: set[str] = set()
        self.opened: set[str] = set()
        self.unfolded: set[str] = set()

    def compose(self) -> ComposeResult:
        """Compose a heading, the rows and the folds of every subject."""
        for group in GROUPS:
            yield from self._subject(group)

    def on_mount(self) -> None:
        """Hide what is folded, and what the filter does not want."""
        self.filter(self.query_text)

    def on_decision_row_toggled(self, event: DecisionRow.Toggled) -> None:
        """Remember which rows are open."""
        (self.opened.add if event.opened else self.opened.discard)(event.name)

    def filter(self, text: str) -> int:
        """Show only the decisions in which every word of `text` stands; return how many there are."""
        self.query_text = text
        words = text.lower().split()
        self.found = {name for name in settings() if all(word in self._text(name) for word in words)}
        return self.settle()

    def settle(self) -> int:
        """Show, hide and draw all rows as they are now; return how many are found by the filter."""
        words = self.query_text.split()
        folded = {name for fold in self.query(Fold) if not fold.opened for name in fold.names}
        found: dict[str, int] = dict.fromkeys(GROUPS, 0)
        with self.app.batch_update():
            for row in self.query(DecisionRow):
                # What was found stays, even if a change takes the word out of its reason.
                row.matches = not words or row.setting in self.found
                # What is searched for, open or just moved is never hidden in a fold.
                wanted = bool(words) or row.opened or row.setting in self.session.changed
                row.folded = row.setting in folded and not wanted
                row.show_again()
                found[settings()[row.setting].group] += row.matches
            for fold in self.query(Fold):
                fold.display = not words
            for heading in self.query(GroupHeading):
                heading.display = bool(found[heading.group])
                heading.refresh()
        return sum(found.values())

    async def rebuild(self) -> None:
        """Compose anew: other settings may share a reason now. The focus stays where it was."""
        focused = self.screen.focused
        name = focused.id if isinstance(focused, DecisionRow) else None
        place = self.scroll_offset.y
        async with self.batch():
            await self.remove_children()
            await self.mount_all(self.compose())
        self.settle()
        self.scroll_to(y=place, animate=False, immediate=True)
        if name is not None:
            row = self.query_one(f"#{name}")
            row.focus(scroll_visible=False)
            self.call_after_refresh(row.scroll_visible, animate=False)

    def rows(self) -> list[DecisionRow | Fold]:
        """Return the rows and folds that can be gone to, from top to bottom."""
        return [child for child in self.children if isinstance(child, DecisionRow | Fold) and child.display]

    def action_step(self, by: int) -> None:
        """Go to the next row, or the one before."""
        rows = self.rows()
        focused = self.screen.focused
        if focused in rows:
            index = rows.index(focused) + by
            if 0 <= index < len(rows):
                rows[index].focus()
            elif index < 0:
                self.screen.focus_previous()
        elif rows:
            rows[0].focus()

    def action_edge(self, index: int) -> None:
        """Go to the first row or the last."""
        rows = self.rows()
        if rows:
            rows[index].focus()

    def action_jump(self, by: int) -> None:
        """Go to the first row of the next subject, or of the one before."""
        rows = self.rows()
        firsts: dict[str, DecisionRow | Fold] = {}
        for row in rows:
            firsts.setdefault(_group(row), row)
        focused = self.screen.focused
        here = _group(focused) if isinstance(focused, DecisionRow | Fold) else None
        groups = list(firsts)
        index = groups.index(here) + by if here in groups else 0
        if groups:
            target = firsts[groups[index % len(groups)]]
            target.focus(scroll_visible=False)
            self.scroll_to_widget(
                self.query_one(f"#group-{_group(target)}", GroupHeading), top=True, animate=False
            )

    def _subject(self, group: str) -> Iterable[Widget]:
        names = [name for name, setting in settings().items() if setting.group == group]
        apart, together = shared_reasons(self.session.plan, names)
        yield GroupHeading(group, self.session)
        for name in names:
            if name not in apart:
                yield DecisionRow(name, self.session, opened=name in self.opened)
        for because, those in together.items():
            yield Fold(group, tuple(those), because, self)
            for name in those:
                yield DecisionRow(name, self.session, opened=name in self.opened)

    def _text(self, name: str) -> str:
        decision, setting = self.session.plan.decisions[name], settings()[name]
        fixed = say("fixed") if self.session.is_fixed(name) else ""
        parts = (name, show(decision.value), decision.because, say(setting.meaning), fixed)
        return " ".join((*parts, say(SUBJECTS[setting.group]), setting.group)).lower()


def _group(row: DecisionRow | Fold) -> str:
    return row.group if isinstance(row, Fold) else settings()[row.setting].group
