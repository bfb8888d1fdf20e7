"""From the last answer to a run: its files, supervisor and screen; quitting the app ends nothing of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.paths import engines_folder
from runtime.run.layout import list_runs
from runtime.run.status import read_status, supervisor_of
from runtime.run.stopping import request
from tests.tui.app.conversing import conversing, prepare, to_the_plan
from tests.tui.app.pilot import until
from tui.app.screens.run import RunScreen

pytestmark = [pytest.mark.asyncio, pytest.mark.engine]

ENGINES = engines_folder()
"""Where the real engines are: this module's tests have a home of their own."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if not (ENGINES / "paddlenlp-cpu").exists():
        pytest.skip("the paddlenlp CPU engine is not installed")
    (tmp_path / "home").mkdir()
    (tmp_path / "home/engines").symlink_to(ENGINES)
    monkeypatch.setenv("STEERSMAN_HOME", str(tmp_path / "home"))
    return prepare(tmp_path / "work")


async def test_the_last_answer_starts_a_run_that_outlives_the_app(folder: Path) -> None:
    async with conversing(folder) as person:
        await to_the_plan(person)
        await person.pilot.press("a", "enter")
        await until(person.pilot, lambda: isinstance(person.app.screen, RunScreen), 120)
        assert (folder / "plan.yaml").is_file()
    (run,) = list_runs()
    try:
        assert run.plan.read_text() == (folder / "plan.yaml").read_text()
        assert supervisor_of(run) is not None or read_status(run).state != "lost"
    finally:
        request(run)
