"""The run screen of a run that was out of memory: what it offers, and the key that takes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.run.status import read_status
from tests.runtime import stand_in_table
from tests.runtime.stand_in_run import new_run, states, supervise
from tests.runtime.test_run_memory import TRAIN, size_of
from tests.tui.app.pilot import text_of, until
from tests.tui.app.test_run_screen import opened
from tui.app.application import SteersmanApp
from tui.app.widgets.run_head import RunHead
from tui.app.widgets.trouble import Trouble


@pytest.mark.asyncio
async def test_a_waiting_run_shows_its_offer_and_a_key_takes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEERSMAN_STAGE_TABLE", stand_in_table.NAME)
    monkeypatch.setenv("STEERSMAN_HOME", str(tmp_path / "home"))
    run = new_run(tmp_path / "run", train={**TRAIN, "size": 4}, merge={})
    assert supervise(run, "--on-oom", "ask") == 130
    async with SteersmanApp().run_test(size=(100, 30)) as pilot:
        screen = await opened(pilot, run)
        await until(pilot, lambda: screen.state == "waiting")
        assert "? waiting for you" in text_of(screen.query_one(RunHead))
        shown = text_of(screen.query_one(Trouble))
        assert "The run waits for you" in shown and "size" in shown and "y takes the offer" in shown
        assert screen.check_action("accept", ()) is True
        await pilot.press("y")
        await until(pilot, lambda: screen.state == "finished")
        assert screen.check_action("accept", ()) is False
    assert size_of(run.plan) == 2
    assert read_status(run).state == "finished"
    assert states(run, "train").count("committed") == 1
