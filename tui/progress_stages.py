"""The picture of a run under way: its stages, and the current one in detail.

State is told by a sign and a word; colour only repeats it. Everything fits into 80 columns.
"""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from planner.language import say, template
from planner.phrases import size
from runtime.events import Proof
from runtime.run.durations import span
from runtime.run.view import RunView, StageView
from tui.estimate import Expected, run_remaining, stage_remaining
from tui.learning_figures import learning
from tui.progress_lines import said
from tui.run_states import STAGE_STATES, STATES, amount_words
from tui.sparkline import sparkline

SIGNS = {
    "waiting": ("·", "dim"),
    "running": ("▶", "bold"),
    "committed": ("✓", "green"),
    "skipped": ("✓", "green"),
    "stopped": ("■", "yellow"),
    "failed": ("✗", "bold red"),
}
ACTIVITIES = {"saving": template("saving"), "stopping": template("stopping")}
"""What a stage is doing beyond running, where its event gave no sentence."""
CURVE_WIDTH = 24
BAR_WIDTH = 28


def picture(name: str, view: RunView, forecast: Expected, now: float, width: int) -> Group:
    """Return the whole picture, for a terminal of this width."""
    rows: list[RenderableType] = [headline(name, view, forecast, now), stage_table(view, now, width)]
    current = view.current()
    if current is not None:
        rows += details(current, forecast, now, width)
    return Group(*rows)


def headline(name: str, view: RunView, forecast: Expected, now: float) -> Text:
    """Return the run's name, its state, the time spent and the time left."""
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(name, style="bold")
    line.append(f" · {say(STATES.get(view.state, view.state))}")
    if view.session_started:
        end = now if view.state == "running" else view.last_event
        line.append(f" · {span(end - view.session_started)}")
    left = run_remaining(view, forecast, now) if view.state == "running" else None
    if left is not None:
        line.append(f" · {say('about {time} left', time=span(left))}", style="bold")
    return line


def stage_table(view: RunView, now: float, width: int) -> Table:
    """Return one line per stage: sign, name, state, time, result."""
    table = Table.grid(padding=(0, 1))
    for column in (1, 10, 11, 11):
        table.add_column(width=column, no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis", max_width=max(width - 38, 10))
    for stage in view.stages.values():
        sign, style = SIGNS.get(stage.state, ("?", ""))
        table.add_row(
            Text(sign, style),
            stage.name,
            Text(say(STAGE_STATES.get(stage.state, stage.state)), style),
            time_of(stage, now),
            result(stage),
        )
    return table


def time_of(stage: StageView, now: float) -> str:
    """Return how long a stage took, or has been running."""
    if stage.state == "running":
        return span(now - stage.started)
    if stage.state in ("failed", "stopped"):
        return span(stage.ended - stage.started) if stage.started else ""
    return span(stage.seconds) if stage.seconds else ""


def result(stage: StageView) -> str:
    """Return a stage's result, or what it is doing, in one line."""
    if stage.state == "running":
        if stage.activity:
            return say(ACTIVITIES.get(stage.activity, stage.activity))
        return stage.progress.message if stage.progress is not None else ""
    if stage.state in ("failed", "stopped"):
        return said(stage.reason)
    if not stage.proven:
        return ""
    if stage.proofs:
        proofs = sorted(stage.proofs.values(), key=lambda proof: "max_difference" not in proof.measured)
        return "; ".join(short_proof(proof) for proof in proofs)
    if "train_loss" in stage.figures:
        return trained(stage)
    return stage.reason if stage.state == "skipped" else ""


def short_proof(proof: Proof) -> str:
    """Return a proof with its figure first, because a line has little room."""
    difference = proof.measured.get("max_difference")
    if not isinstance(difference, float):
        return proof.sentence.rstrip(".")
    if not difference:
        return say("logits equal exactly")
    return say("logits equal within {difference:.1e}", difference=difference)


def trained(stage: StageView) -> str:
    """Return the outcome of training in one line."""
    figures = stage.figures
    logged = (metric.values["loss"] for metric in reversed(stage.metrics) if "loss" in metric.values)
    last = next(logged, float(figures["train_loss"]))  # the trainer's own figure is the mean of all steps
    parts = [say("loss {loss:.3f}", loss=last)]
    if figures.get("eval_loss") is not None:
        parts.append(say("dev {loss:.3f}", loss=float(figures["eval_loss"])))
    if figures.get("tokens_per_second"):
        parts.append(say("{tokens:.0f} tok/s", tokens=float(figures["tokens_per_second"])))
    return " · ".join(parts)


def details(stage: StageView, forecast: Expected, now: float, width: int) -> list[Text]:
    """Return the bar of the running stage and, when it trains, its figures."""
    lines = []
    if stage.progress is not None and stage.progress.total > 0:
        lines.append(bar(stage, forecast, now))
    if stage.metrics:
        lines += figures(stage, forecast)
    return [cut(line, width) for line in lines]


def bar(stage: StageView, forecast: Expected, now: float) -> Text:
    """Return a progress bar with count, share and time left."""
    progress = stage.progress
    assert progress is not None
    share = min(max(progress.done / progress.total, 0.0), 1.0)
    filled = round(share * BAR_WIDTH)
    line = Text("  ")
    line.append("━" * filled, style="bold")
    line.append("─" * (BAR_WIDTH - filled), style="dim")
    done, total = amount(progress.done, progress.unit), amount(progress.total, progress.unit)
    words = (
        template("{done} of {total}") if progress.unit == "bytes" else template("{done} of {total} {unit}")
    )
    line.append(f" {share:4.0%}  {say(words, done=done, total=total, unit=amount_words(progress.unit))}")
    left = stage_remaining(stage, forecast, now)
    if left is not None:
        line.append(f"  {say('{time} left', time=span(left))}")
    return line


def amount(number: float, unit: str) -> str:
    """Return a count, or a size for bytes."""
    return size(number) if unit == "bytes" else f"{number:,.0f}"


def figures(stage: StageView, forecast: Expected) -> list[Text]:
    """Return loss and what else tells whether the model learns; then learning rate, speed and memory."""
    latest: dict[str, float] = {}
    for metric in stage.metrics:
        latest |= metric.values
    curve = [metric.values["loss"] for metric in stage.metrics if "loss" in metric.values]
    first, second = Text("  "), Text("  ")
    if "loss" in latest:
        first.append(say("loss {loss:.4f}", loss=latest["loss"]) + " ")
        first.append(sparkline(curve, CURVE_WIDTH), style="cyan")
    if "eval_loss" in latest:
        first.append("  " + say("dev loss {loss:.4f}", loss=latest["eval_loss"]))
    third = Text("  " + " · ".join(f"{one.label} {one.text()}" for one in learning(latest, forecast.stage)))
    if "learning_rate" in latest:
        second.append(say("learning rate {rate:.2e}", rate=latest["learning_rate"]))
    if "tokens_per_second" in latest:
        speed = f"{latest['tokens_per_second']:.0f}"
        second.append("  " + say("{tokens} tokens/s", tokens=speed))
    if "peak_memory_bytes" in latest:
        used, expected = size(latest["peak_memory_bytes"]), size(forecast.peak_memory_bytes)
        words = template("memory {used} of {forecast} forecast")
        words = words if forecast.peak_memory_bytes else template("memory {used}")
        second.append("  " + say(words, used=used, forecast=expected))
    return [line for line in (first, third, second) if line.plain.strip()]


def cut(line: Text, width: int) -> Text:
    """Return the line, shortened to the terminal's width."""
    if cell_len(line.plain) > width:
        line = Text(set_cell_size(line.plain, width - 1) + "…")
    return line
