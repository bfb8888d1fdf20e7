"""A plan that only the toolkit's scripts run is refused before anything starts, with the way to run it."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner.planfile import dumps
from planner.solve import make_plan
from planner.wishes import Wishes
from tests.planner.scenes import SHORT, facts
from tests.tui.test_command_line import steersman


@pytest.mark.parametrize("extra", [(), ("--dry-run",)])
def test_a_stage_that_steersman_does_not_run_is_refused(tmp_path: Path, extra: tuple[str, ...]) -> None:
    plan = make_plan(
        facts("qwen2.5-7b-instruct", SHORT, "8x A100-80G"), Wishes(stage="quantise"), alternatives=False
    )
    path = tmp_path / "plan.yaml"
    path.write_text(dumps(plan, path.name), encoding="utf-8")
    done = steersman("run", str(path), "--run", str(tmp_path / "run"), *extra, home=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "and this plan is for stage quantise" in " ".join(done.stderr.split())
    assert "launch.sh" in done.stderr
    assert not (tmp_path / "run").exists()
