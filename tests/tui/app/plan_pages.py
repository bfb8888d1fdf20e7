"""Plans to look at in tests, and how a person goes about on the plan screen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Static

from planner.plan import Plan
from planner.solve import make_plan
from planner.wishes import Wishes
from tests.planner.scenes import SHORT, facts
from tests.tui.app.pilot import typed, until
from tui.app.application import SteersmanApp
from tui.app.plan_session import PlanSession
from tui.app.screens.plan import PlanScreen
from tui.app.widgets.decision_row import DecisionRow
from tui.app.widgets.decision_tree import DecisionTree


@lru_cache(maxsize=4)
def small(language: str = "en") -> Plan:
    """The plan of the demo on two cores: what Steersman runs itself."""
    return make_plan(facts(), Wishes(language=language))  # type: ignore[arg-type]


@lru_cache(maxsize=1)
def large() -> Plan:
    """A plan for two cards."""
    return make_plan(facts("qwen2.5-7b-instruct", SHORT, "2x A100-80G nvlink"), Wishes())


class Reader:
    """Reads and changes a plan on its screen."""

    def __init__(self, pilot: Pilot[Any], screen: PlanScreen) -> None:
        self.pilot = pilot
        self.screen = screen

    @property
    def app(self) -> SteersmanApp:
        return cast(SteersmanApp, self.pilot.app)

    @property
    def session(self) -> PlanSession:
        return self.screen.session

    @property
    def status(self) -> str:
        return str(self.screen.query_one("#plan-status", Static).content)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def type(self, text: str) -> None:
        typed(self.app, text)
        await self.pilot.pause()

    async def go(self, name: str) -> DecisionRow:
        """Put the focus on a decision."""
        row = self.screen.query_one(f"#row-{name}", DecisionRow)
        row.focus()
        await self.pilot.pause()
        return row

    async def rest(self) -> None:
        """Wait until nothing is worked out any more."""
        await until(self.pilot, lambda: not self.app.work.jobs)
        await self.pilot.pause()


def is_there(app: App[Any]) -> bool:
    """Whether a plan is on the screen with all of its rows, which come in batches, and one has the focus."""
    screen = app.screen
    if not isinstance(screen, PlanScreen) or screen.focused is None:
        return False
    return not any(tree.waiting for tree in screen.query(DecisionTree))


@asynccontextmanager
async def reading(
    plan: Plan, folder: Path, size: tuple[int, int] = (120, 40), file: Path | None = None
) -> AsyncIterator[Reader]:
    """Open a plan on its screen."""
    app = SteersmanApp(folder=folder)
    async with app.run_test(size=size) as pilot:
        app.open_plan(plan, file)
        await until(pilot, lambda: is_there(app))
        yield Reader(pilot, cast(PlanScreen, app.screen))
