"""What the run screen computes before it draws: curves of few points, rows of figures, words and times."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.events import Metric, Progress, State
from runtime.run.layout import StageFolder
from runtime.run.processes import MARK, Identity
from runtime.run.utilisation import DeviceUse, Gauge, Utilisation, read_devices
from runtime.run.view import RunView, StageView, fold
from tests.runtime.stand_in_run import wait_until
from tui.app.curve import Curve, series, thin
from tui.app.run_figures import machine_rows, memory_row, part_of, training_rows
from tui.app.run_words import ago, stage_word
from tui.app.widgets.run_head import cut, share_of, words_of_progress
from tui.estimate import Expected

GIB = 1 << 30


def metrics(values: list[float]) -> list[Metric]:
    return [
        Metric(t=0, stage="train", step=step, values={"loss": value}) for step, value in enumerate(values, 1)
    ]


def test_a_long_curve_keeps_its_ends_and_every_spike() -> None:
    values = [1.0] * 100_000
    values[43_210], values[77_777] = 99.0, -5.0
    found = series(metrics(values), "loss", 100)
    assert len(found.steps) <= 100
    assert (found.steps[0], found.steps[-1]) == (1, 100_000)
    assert {43_211, 77_778} <= set(found.steps)
    assert found.steps == sorted(found.steps)


def test_a_growing_curve_is_what_it_would_be_read_at_once() -> None:
    values = [math.sin(step) + 1 / step for step in range(1, 20_001)]
    values[5], values[19_000] = 50.0, -50.0
    metrics_so_far: list[Metric] = []
    curve = Curve("loss")
    for metric in metrics(values):
        metrics_so_far.append(metric)
        if metric.step % 500 == 0:
            found = curve.update(metrics_so_far, 100)
    assert len(found.steps) <= 100
    assert {1, 6, 19_001, 20_000} <= set(found.steps)
    again = curve.update(metrics([1.0, 2.0]), 100)
    assert again.values == [1.0, 2.0], "another list is another training"


@pytest.mark.parametrize("count", [0, 1, 2, 5, 50])
def test_a_short_curve_is_left_as_it_is(count: int) -> None:
    points = [(step, float(step)) for step in range(count)]
    assert thin(points, 50) == points


def test_what_is_no_number_is_left_out_and_remembered() -> None:
    found = series(metrics([1.0, math.nan, 2.0, math.inf]), "loss", 100)
    assert (found.steps, found.values, found.broken) == ([1, 3], [1.0, 2.0], [4])
    assert series(metrics([math.nan]), "loss", 100).empty


def test_figures_are_the_newest_and_memory_stands_beside_its_forecast() -> None:
    view = RunView()
    view.stage("train").metrics = [
        Metric(t=0, stage="train", step=1, values={"loss": 2.0, "tokens_per_second": 1234.5}),
        Metric(t=1, stage="train", step=2, values={"loss": 1.5, "peak_memory_bytes": 3 * GIB}),
        Metric(t=1, stage="train", step=2, values={"eval_loss": 1.75}),
    ]
    rows = {row.label: row for row in training_rows(view, Expected({}, 2 * GIB))}
    assert rows["Loss"].value == "1.5000"
    assert rows["Dev loss"].value == "1.7500"
    assert rows["Speed"].value == "1,234 tokens/s"
    memory = rows["Peak memory"]
    assert memory.value == "3.0 of 2.0 GiB"
    assert memory.share == 1.5
    assert memory.share > memory.warns_at
    assert training_rows(RunView(), Expected()) == []


def test_memory_as_forecast_is_no_warning() -> None:
    row = memory_row(2 * GIB, 2 * GIB)
    assert row.share is not None
    assert row.share <= row.warns_at


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (1.5 * GIB, 2 * GIB, "1.5 of 2.0 GiB"),
        (100 << 20, 2 * GIB, "100 MiB of 2.0 GiB"),
        (5 << 20, 7 << 20, "5 of 7 MiB"),
    ],
)
def test_a_unit_is_said_once(part: float, whole: float, text: str) -> None:
    assert part_of(part, whole) == text


def test_many_devices_are_counted() -> None:
    devices = tuple(DeviceUse(index, 0.5, GIB, 2 * GIB) for index in range(10))
    rows = machine_rows(Utilisation(1, 1.5, 2, GIB, 4 * GIB, devices))
    assert (rows[0].label, rows[0].value) == ("CPU", "75% of 2 cores")
    assert (rows[2].label, rows[2].value) == ("GPU 0", "50% · 1.0 of 2.0 GiB")
    assert rows[-1].value == "and 2 more"
    assert machine_rows(None) == []


def test_a_stage_is_lost_with_its_supervisor() -> None:
    stage = StageView("train", "running")
    assert stage_word(stage, "running").text == "running"
    assert stage_word(stage, "lost").text == "lost"


def test_saving_is_over_when_it_is_saved() -> None:
    events = [
        State(t=1, stage="train", state="started"),
        State(t=2, stage="train", state="saving", reason="step 5"),
        State(t=3, stage="train", state="saved", reason="step 5"),
    ]
    assert fold(events[:2]).stage("train").activity == "saving"
    assert fold(events).stage("train").activity == ""


def test_progress_in_words() -> None:
    stage = StageView("acquire", "running", started=0)
    stage.progress = Progress(t=1, stage="acquire", done=GIB, total=4 * GIB, unit="bytes")
    assert share_of(stage) == 0.25
    assert words_of_progress(stage, Expected(), 10) == "1.0 GiB of 4.0 GiB · 30 s left"
    stage.progress = Progress(t=1, stage="acquire", done=0, total=0, unit="bytes", message="Looking")
    assert share_of(stage) is None


@pytest.mark.parametrize(
    ("passed", "text"), [(5, "just now"), (700, "11 min ago"), (0, "just now"), (-5, "just now")]
)
def test_when_it_was(passed: float, text: str) -> None:
    assert ago(1_700_000_000 - passed, 1_700_000_000) == text


def test_wide_characters_are_cut_by_cells() -> None:
    assert cut("训练日志", 8) == "训练日志"
    assert cut("训练日志", 7) == "训练日…"
    assert cut("abc", 2) == "a…"


def test_the_gauge_sees_the_processes_of_its_stage_and_no_others(tmp_path: Path) -> None:
    folder = StageFolder(tmp_path / "train")
    folder.root.mkdir()
    gauge = Gauge(folder)
    assert gauge.read() is None
    busy = "import time; end = time.monotonic() + 60\nwhile time.monotonic() < end: pass"
    process = subprocess.Popen([sys.executable, "-c", busy], env={**os.environ, MARK: str(folder.root)})
    try:
        identity = Identity.of(process.pid)
        assert identity is not None
        identity.save(folder.process)
        seen: list[Utilisation] = []

        def computes() -> bool:
            use = gauge.read()
            if use is not None:
                seen.append(use)
            return use is not None and use.cpus_used > 0.05

        wait_until(computes, "the process computes")
        use = seen[-1]
        assert use.processes == 1
        assert 1 << 20 < use.memory_bytes < use.memory_total_bytes
        assert use.cpus_used < use.cpus + 1
    finally:
        process.kill()
        process.wait()
    wait_until(lambda: gauge.read() is None, "it is gone")


def test_a_device_that_does_not_answer_is_left_out() -> None:
    class Nvml:
        """A driver with one broken card."""

        class NVMLError(Exception):
            """Its errors."""

        def nvmlDeviceGetCount(self) -> int:  # noqa: N802 - NVML's own names
            return 2

        def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
            return index

        def nvmlDeviceGetMemoryInfo(self, handle: int) -> object:  # noqa: N802
            if handle == 0:
                raise self.NVMLError("lost")
            return type("Memory", (), {"used": 3, "total": 4})()

        def nvmlDeviceGetUtilizationRates(self, handle: int) -> object:  # noqa: N802
            return type("Rates", (), {"gpu": 97})()

    assert read_devices(Nvml()) == (DeviceUse(1, 0.97, 3, 4),)
    assert read_devices(None) == ()
