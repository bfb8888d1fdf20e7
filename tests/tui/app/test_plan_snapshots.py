"""The plan and the data screen as they look: a frozen plan, so that only a change of the screens changes
them.

After a change that is meant: `pytest tests/tui/app/test_plan_snapshots.py --snapshot-update`, and look at the
pictures. `python -m tests.tui.app.test_plan_snapshots` freezes today's plan anew.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest
from textual.pilot import Pilot
from textual.widget import Widget

from planner.plan import Plan
from runtime.data.scan import scan
from tests.tui.app.pilot import screen_text, until
from tests.tui.app.plan_pages import is_there
from tui.app.application import SteersmanApp
from tui.app.screens.data import DataScreen
from tui.app.widgets.decision_row import DecisionRow

FROZEN = Path(__file__).parent / "frozen" / "plan.json"
SIZES = [(80, 24), (160, 50)]

Compare = Callable[..., bool]
Before = Callable[[Pilot[Any]], Awaitable[None]]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEERSMAN_HOME", str(tmp_path / "home"))


@pytest.fixture
def plan() -> Plan:
    return Plan.model_validate_json(FROZEN.read_text("utf-8"))


def showing(plan: Plan, *, look: str = "dark", opened: str = "", keys: tuple[str, ...] = ()) -> Before:
    """Open the plan, and what is to be seen of it."""

    async def before(pilot: Pilot[Any]) -> None:
        app = cast(SteersmanApp, pilot.app)
        app.look(look)
        app.open_plan(plan)
        await until(pilot, lambda: is_there(app))
        if opened:
            app.screen.query_one(f"#row-{opened}", DecisionRow).focus()
            await pilot.pause()
        await pilot.press(*keys)
        await pilot.pause()
        seen: list[tuple[str, float]] = []
        while len(seen) < 4 or len(set(seen[-4:])) > 1:
            at = 0.0
            if keys:  # where an editor scrolls to depends on the moment: look at it from one place
                await pilot.wait_for_scheduled_animations()
                row = app.screen.query_one(f"#row-{opened}", DecisionRow)
                app.screen.scroll_to_widget(row, top=True, animate=False, immediate=True, force=True)
                await pilot.pause(0.1)
                at = max(part.scroll_y for part in row.ancestors if isinstance(part, Widget))
            else:
                await pilot.pause(0.1)
            seen.append((screen_text(pilot), at))  # half a line of scrolling moves the bar, not the text

    return before


@pytest.mark.parametrize("size", SIZES)
def test_plan(plan: Plan, size: tuple[int, int], snap_compare: Compare) -> None:
    assert snap_compare(SteersmanApp(), terminal_size=size, run_before=showing(plan))


@pytest.mark.parametrize("size", SIZES)
def test_decision_that_is_open(plan: Plan, size: tuple[int, int], snap_compare: Compare) -> None:
    before = showing(plan, look="light", opened="method", keys=("enter",))
    assert snap_compare(SteersmanApp(), terminal_size=size, run_before=before)


@pytest.mark.parametrize("size", SIZES)
def test_setting_that_is_changed(plan: Plan, size: tuple[int, int], snap_compare: Compare) -> None:
    before = showing(plan, opened="lora_variant", keys=("e",))
    assert snap_compare(SteersmanApp(), terminal_size=size, run_before=before)


@pytest.mark.parametrize("size", SIZES)
def test_data(plan: Plan, size: tuple[int, int], tiny_hf_model: Path, snap_compare: Compare) -> None:
    source = plan.facts.model.source.model_copy(update={"kind": "local", "id": str(tiny_hf_model)})
    model = plan.facts.model.model_copy(update={"source": source})
    facts = plan.facts.model_copy(
        update={"model": model, "data": scan("steersman-demo", tiny_hf_model).facts}
    )

    async def before(pilot: Pilot[Any]) -> None:
        app = cast(SteersmanApp, pilot.app)
        app.look("light")
        app.open_data(plan.model_copy(update={"facts": facts}))
        await until(pilot, lambda: isinstance(app.screen, DataScreen) and app.screen.found)
        await until(pilot, lambda: not app.work.jobs)
        await pilot.press("n")
        await pilot.pause()

    assert snap_compare(SteersmanApp(), terminal_size=size, run_before=before)


if __name__ == "__main__":
    from tests.tui.app.plan_pages import large

    FROZEN.parent.mkdir(exist_ok=True)
    FROZEN.write_text(large().model_dump_json(indent=1) + "\n", encoding="utf-8")
