"""All decisions of a plan by subject: rows that open, a filter, and folds for what has no effect here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.message import Message
from textual.widget import Widget

from planner.language import say, template
from planner.setting_values import settings
from planner.settings import GROUPS
from planner.solve import show
from tui.app.keys import Key
from tui.app.plan_session import PlanSession
from tui.app.widgets.decision_groups import Fold, GroupHeading
from tui.app.widgets.decision_row import DecisionRow
from tui.decision_view import SUBJECTS, shared_reasons

BATCH_ROWS = 20
"""Rows and titles that are mounted at once, as far as subjects allow: about 30 ms of work."""


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

    @dataclass
    class Begun(Message):
        """The first rows are there."""

    def __init__(self, session: PlanSession, like: DecisionTree | None = None) -> None:
        """`like` is the one in whose place this is: what was opened or searched for there is so here."""
        super().__init__()
        self.session = session
        self.query_text: str = like.query_text if like else ""
        self.opened: set[str] = like.opened if like else set()
        self.unfolded: set[str] = like.unfolded if like else set()
        self.found: set[str] = set()
        self.waiting = list(GROUPS)
        """Subjects whose rows are not there yet."""

    def on_mount(self) -> None:
        """Begin to fill."""
        self.found = self._those_with(self.query_text)
        self.call_after_refresh(self.grow)

    async def grow(self) -> None:
        """Mount the rows of some subjects, and the next ones after others had their turn."""
        rows: list[Widget] = []
        while self.waiting and len(rows) < BATCH_ROWS:
            rows += self._subject(self.waiting.pop(0))
        if not rows:
            return
        first = not self.children
        async with self.batch():
            await self.mount_all(rows)
            self.settle()
        if first:
            self.post_message(self.Begun())
        self.call_after_refresh(self.grow)

    async def fill(self) -> None:
        """Mount all rows that are not there yet."""
        while self.waiting:
            await self.grow()

    def on_decision_row_toggled(self, event: DecisionRow.Toggled) -> None:
        """Remember which rows are open."""
        (self.opened.add if event.opened else self.opened.discard)(event.name)

    def filter(self, text: str) -> int:
        """Show only the decisions in which every word of `text` stands; return how many there are."""
        self.query_text = text
        self.found = self._those_with(text)
        self.settle()
        return len(self.found)

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
        """Follow the plan: draw rows again, and build subjects anew where other settings share a reason now.

        The focus stays where it was."""
        await self.fill()
        focused = self.screen.focused
        name = focused.id if isinstance(focused, DecisionRow) else None
        async with self.batch():
            for heading in self.query(GroupHeading):
                await self._follow(heading)
            self.settle()
        for row in self.query(DecisionRow):
            row.refresh(layout=row.opened)
        if name is not None:
            row = self.query_one(f"#{name}", DecisionRow)
            row.focus(scroll_visible=False)
            self.call_after_refresh(row.scroll_visible, animate=False)

    async def _follow(self, heading: GroupHeading) -> None:
        """Bring one subject in step with the plan."""
        wanted = self._subject(heading.group)[1:]
        there = [child for child in self.children if _subject_of(child) == heading.group]
        if [_key(one) for one in wanted] != [_key(one) for one in there]:
            await self.remove_children(there)
            await self.mount_all(wanted, after=heading)
            return
        for old, new in zip(there, wanted, strict=True):
            if isinstance(old, Fold) and isinstance(new, Fold) and old.because != new.because:
                old.because = new.because
                old.refresh()

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
            firsts.setdefault(_subject_of(row), row)
        focused = self.screen.focused
        here = _subject_of(focused) if isinstance(focused, DecisionRow | Fold) else None
        groups = list(firsts)
        index = groups.index(here) + by if here in groups else 0
        if groups:
            target = firsts[groups[index % len(groups)]]
            target.focus(scroll_visible=False)
            self.scroll_to_widget(
                self.query_one(f"#group-{_subject_of(target)}", GroupHeading), top=True, animate=False
            )

    def _subject(self, group: str) -> list[Widget]:
        """Return the title, the rows and the folds of a subject."""
        names = [name for name, setting in settings().items() if setting.group == group]
        apart, together = shared_reasons(self.session.plan, names)
        built: list[Widget] = [GroupHeading(group, self.session)]
        built += [self._row(name) for name in names if name not in apart]
        for because, those in together.items():
            built += [Fold(group, tuple(those), because, self), *map(self._row, those)]
        return built

    def _row(self, name: str) -> DecisionRow:
        return DecisionRow(name, self.session, opened=name in self.opened)

    def _those_with(self, text: str) -> set[str]:
        """Return the settings in which every word of a text stands."""
        words = text.lower().split()
        return {name for name in settings() if all(word in self._text(name) for word in words)}

    def _text(self, name: str) -> str:
        decision, setting = self.session.plan.decisions[name], settings()[name]
        fixed = say("fixed") if self.session.is_fixed(name) else ""
        parts = (name, show(decision.value), decision.because, say(setting.meaning), fixed)
        return " ".join((*parts, say(SUBJECTS[setting.group]), setting.group)).lower()


def _subject_of(child: Widget) -> str:
    """Return the subject of a row or fold; empty for anything else."""
    if isinstance(child, DecisionRow):
        return settings()[child.setting].group
    return child.group if isinstance(child, Fold) else ""


def _key(child: Widget) -> str | tuple[str, ...] | None:
    """Return what tells rows and folds of a subject apart."""
    return child.names if isinstance(child, Fold) else child.id
