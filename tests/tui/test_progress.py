"""The live picture: what it says of each stage, the time left, and that it fits into a narrow terminal."""

from __future__ import annotations

import io
import math
from dataclasses import replace

import pytest
from rich.cells import cell_len
from rich.console import Console

from planner.language import speaking
from runtime.events import AnyEvent, Log, Metric, Progress, Proof, State
from runtime.run.view import RunView, fold
from tui.app.run_figures import training_rows
from tui.estimate import Expected, correction, run_remaining, stage_remaining
from tui.learning_figures import learning
from tui.progress_lines import PlainLines, progress_line, sentence
from tui.progress_stages import picture
from tui.sparkline import sparkline

STAGES = ("acquire", "convert", "train", "merge")
FORECAST = Expected({"acquire": 10, "convert": 20, "train": 200, "merge": 30}, peak_memory_bytes=2 << 30)


def under_way() -> list[AnyEvent]:
    """A run in step 30 of 100 of its training."""
    figures = {
        "loss": 2.0,
        "learning_rate": 2e-4,
        "tokens_per_second": 160.0,
        "peak_memory_bytes": 1.5 * 2**30,
    }
    return [
        State(t=0, stage="", state="started"),
        State(t=0, stage="acquire", state="skipped", reason="proven at 12:00, files unchanged"),
        State(t=1, stage="convert", state="started"),
        Proof(t=10, stage="convert", name="convert.weights", passed=True, sentence="All equal."),
        Proof(
            t=10,
            stage="convert",
            name="convert.logits",
            passed=True,
            sentence="Logits of 32 tokens differ by at most 6e-05.",
            measured={"max_difference": 6e-5},
        ),
        State(t=41, stage="convert", state="committed", seconds=40),
        State(t=41, stage="train", state="started"),
        *(
            Metric(
                t=50 + step,
                stage="train",
                step=step,
                values={**figures, "loss": 3 - step / 20, "step_seconds": 1.5},
            )
            for step in range(10, 31, 10)
        ),
        Progress(t=80, stage="train", done=30, total=100, unit="steps"),
    ]


def drawn(view: RunView, width: int, now: float = 81) -> str:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(picture("my-run", view, FORECAST, now, width))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_every_line_fits_the_terminal(width: int) -> None:
    events = under_way()
    events.append(State(t=81, stage="train", state="stopping", reason="Stopping train gracefully; " * 9))
    for line in drawn(fold(events, STAGES), width).splitlines():
        assert cell_len(line.rstrip()) <= width


def test_state_is_told_in_words_and_signs_without_any_colour() -> None:
    text = drawn(fold(under_way(), STAGES), 80)
    for line in (
        "✓ acquire    done before",
        "✓ convert    done",
        "▶ train      running",
        "· merge      waiting",
    ):
        assert line in text


def test_the_current_stage_shows_what_a_person_waits_for() -> None:
    text = drawn(fold(under_way(), STAGES), 80)
    assert "logits equal within 6.0e-05; All equal" in text
    assert "30%  30 of 100 steps" in text
    assert "1 min 45 s left" in text  # 70 steps of 1.5 s
    assert "loss 1.5000" in text
    assert "learning rate 2.00e-04" in text
    assert "160 tokens/s" in text
    assert "memory 1.5 GiB of 2.0 GiB forecast" in text


LEARNING = [
    (
        "dpo",
        {"rewards/margins": 0.52, "rewards/accuracies": 0.75, "eval_rewards/margins": 0.31, "eval_loss": 0.6},
        "reward margin +0.520, dev +0.310 · pairs told apart 75%",
    ),
    ("kto", {"rewards/margins": -0.1, "kl": 0.25}, "reward margin -0.100 · distance to the reference 0.250"),
    ("reward", {"eval_rewards/accuracies": 0.6}, "pairs told apart dev 60%"),
    (
        "embedding",
        {"eval_recall": 0.875, "eval_margin": 0.2},
        "right passage found first dev 88% · similarity margin dev +0.200",
    ),
    ("pretrain", {"loss": math.log(20), "eval_loss": math.log(30)}, "perplexity 20.00, dev 30.00"),
    ("pretrain", {"loss": 1e9}, "perplexity inf"),
    ("sft", {"eval_loss": 2.0}, ""),
]


@pytest.mark.parametrize(("stage", "values", "line"), LEARNING)
def test_what_matters_beside_the_loss_is_shown(stage: str, values: dict[str, float], line: str) -> None:
    view = fold([*under_way(), Metric(t=82, stage="train", step=31, values=values)], STAGES)
    forecast = replace(FORECAST, stage=stage)
    told = " · ".join(f"{one.label} {one.text()}" for one in learning(values, stage))
    assert told == line
    console = Console(width=100, file=io.StringIO(), color_system=None)
    console.print(picture("my-run", view, forecast, 83, 100))
    assert isinstance(console.file, io.StringIO)
    assert line in console.file.getvalue()
    plain = progress_line(view, forecast, "train", 83)
    rows = {row.label.lower(): row.value for row in training_rows(view, forecast)}
    for one in learning(values, stage):
        assert f"{one.label} {one.text()}" in plain
        assert rows[one.label] == one.text()


def test_the_time_left_is_the_forecast_corrected_by_what_was_measured() -> None:
    view = fold(under_way(), STAGES)
    assert correction(view, FORECAST) == 2.0  # convert took 40 s, not 20
    assert stage_remaining(view.stage("train"), FORECAST, 81) == 70 * 1.5
    assert run_remaining(view, FORECAST, 81) == 70 * 1.5 + 30 * 2.0
    assert run_remaining(view, Expected(), 81) is None


def test_a_model_that_was_there_already_makes_nothing_else_faster() -> None:
    began = [
        State(t=0, stage="", state="started"),
        State(t=0, stage="acquire", state="started"),
        State(t=0.5, stage="acquire", state="committed", seconds=0.5),
    ]
    view = fold(began, STAGES)
    assert correction(view, FORECAST) == 1.0
    assert run_remaining(view, FORECAST, 1) == 20 + 200 + 30


def test_before_its_first_step_a_stage_is_estimated_by_its_forecast() -> None:
    view = fold([State(t=100, stage="train", state="started")], STAGES)
    assert stage_remaining(view.stage("train"), FORECAST, 150) == 150
    view.apply(Progress(t=150, stage="train", done=0, total=100, unit="steps"))
    assert stage_remaining(view.stage("train"), FORECAST, 150) == 150


def test_a_look_at_held_out_rows_does_not_hide_how_fast_steps_are() -> None:
    view = fold(under_way(), STAGES)
    looked = Metric(t=80, stage="train", step=30, values={"eval_loss": 1.0})
    view.apply(looked)
    assert stage_remaining(view.stage("train"), FORECAST, 81) == 70 * 1.5
    view.apply(Progress(t=82, stage="train", done=100, total=100, unit="steps"))
    assert stage_remaining(view.stage("train"), FORECAST, 82) == 0


def test_a_continued_training_keeps_its_curve_and_one_from_scratch_does_not() -> None:
    again = [State(t=90, stage="train", state="started")]
    continued = fold(
        [*under_way(), *again, Progress(t=91, stage="train", done=20, total=100, unit="steps")], STAGES
    )
    assert [metric.step for metric in continued.stage("train").metrics] == [10, 20]
    anew = fold(
        [*under_way(), *again, Progress(t=91, stage="train", done=0, total=100, unit="steps")], STAGES
    )
    assert anew.stage("train").metrics == []


def test_plain_lines_are_few() -> None:
    stream = io.StringIO()
    view = RunView()
    lines = PlainLines(view, FORECAST, stream)
    steps = [Metric(t=step, stage="train", step=step, values={"loss": 1.0}) for step in range(500)]
    for event in [
        State(t=0, stage="train", state="started"),
        *steps,
        Log(t=9, stage="train", message="Hello."),
    ]:
        view.apply(event)
        lines.event(event)
    told = stream.getvalue().splitlines()
    assert told[0] == "train: started"
    assert told[-1] == "train: Hello."
    assert len(told) <= 4, "progress is rate-limited"


def test_warnings_are_called_warnings() -> None:
    assert (
        sentence(Log(t=1, stage="train", level="warning", message="Stalled?")) == "train: warning: Stalled?"
    )


def test_a_sparkline_has_the_shape_of_its_values() -> None:
    assert sparkline([3, 2, 1], 10) == "█▅▁"
    assert len(sparkline(range(1000), 24)) == 24
    assert sparkline([1, 1], 5) == "▅▅"
    assert sparkline([], 5) == ""
    assert sparkline([1, math.nan, 2], 5) == "▁!█"


def test_the_picture_in_chinese() -> None:
    view = fold(under_way(), STAGES)
    with speaking("zh"):
        text = drawn(view, 80)
        view.apply(State(t=82, stage="train", state="saving"))
        saving = drawn(view, 80)
        line = progress_line(view, FORECAST, "train", 81)
    assert "my-run · 运行中 · 大约还需 2 分 45 秒" in text
    assert "✓ convert    完成        40 秒       logits 相差不超过 6.0e-05" in text, "columns stay aligned"
    assert "30%  30 / 100 步  剩余 1 分 45 秒" in text
    assert "学习率 2.00e-04  160 token/秒  内存 1.5 GiB，预测 2.0 GiB" in text
    assert "正在保存" in saving
    assert line == "train: 30 / 100 步, 损失 1.5000, 160 token/秒, 剩余 1 分 45 秒, 全程约需 2 分 45 秒"
