"""The live loss curve with the evaluation points. Plots are imported when the first one is shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.css.query import NoMatches
from textual.events import Resize
from textual.widgets import Static

from planner.language import say, template
from planner.phrases import count
from runtime.events import Metric
from tui.app.curve import Curve, Series
from tui.app.run_figures import number
from tui.app.widgets.ink import ink

if TYPE_CHECKING:
    from textual_plot import PlotWidget

LEFT_CELLS = 9
"""Cells for the labels of the vertical axis."""
ROOMY = 60
"""Cells from which the legend says more."""
DOTS_A_CELL = 2
"""Braille characters are two dots wide."""


class LossCurve(Vertical):
    """Loss over optimizer steps; dots are the loss on the rows held out."""

    HELP = template(
        "The loss at every logged step, and as dots the loss on the rows that are held out. "
        "Falling is good; when "
        "the dots rise while the line falls, the model begins to learn by heart."
    )

    def __init__(self) -> None:
        super().__init__(id="curve")
        self._metrics: Sequence[Metric] = ()
        self._loss, self._dev = Curve("loss"), Curve("eval_loss")
        self._total = 0.0
        self._drawn: tuple[object, ...] = ()

    def compose(self) -> ComposeResult:
        """Yield the legend; the plot comes with the first point."""
        yield Static(id="legend-line", markup=False)
        yield Static(id="no-curve", markup=False)

    def on_mount(self) -> None:
        """Draw what there is."""
        self._draw()

    def on_resize(self, event: Resize) -> None:
        """Choose as many points as there is room for."""
        self._draw()

    def show(self, metrics: Sequence[Metric], total_steps: float = 0) -> None:
        """Show the curve of these figures; `total_steps` is where the training will end."""
        self._metrics, self._total = metrics, total_steps
        self._draw()

    def _draw(self) -> None:
        if not self.is_mounted or not self.query("#legend-line, #no-curve"):
            return
        width = max(self.content_size.width - LEFT_CELLS, 10)
        losses = self._loss.update(self._metrics, width * DOTS_A_CELL)
        dev = self._dev.update(self._metrics, width)
        now = (losses, dev, self._total, width, self.app.theme)
        if now == self._drawn:
            return
        self._drawn = now
        self.query_one("#legend-line", Static).update(self._legend(losses, dev))
        empty = losses.empty and dev.empty
        nothing = self.query_one("#no-curve", Static)
        nothing.update(say("The curve begins with the first step of training."))
        nothing.display = empty
        if not empty:
            self._plot(losses, dev)

    def _legend(self, losses: Series, dev: Series) -> Text:
        line = Text(no_wrap=True, overflow="ellipsis")
        if not losses.empty:
            line.append("━ ", ink(self, "primary"))
            line.append(say("loss {value}", value=number(losses.values[-1])))
        if not dev.empty:
            line.append("   ● ", ink(self, "accent"))
            line.append(say("dev loss {value}", value=number(dev.values[-1])))
        if not losses.empty and self.content_size.width >= ROOMY:
            steps = say("over {count} steps", count=count(losses.steps[-1]))
            line.append(f"   {steps}", ink(self, "text-muted"))
        if losses.broken:
            step = losses.broken[-1]
            line.append("   ✗ " + say("no number at step {step}", step=step), ink(self, "text-error"))
        return line

    def _plot(self, losses: Series, dev: Series) -> None:
        from textual_plot import HiResMode

        try:
            plot = cast("PlotWidget", self.query_one("#plot-of-loss"))
        except NoMatches:
            from tui.app.widgets.still_plot import StillPlot

            self.mount(StillPlot(id="plot-of-loss"))
            self.call_after_refresh(self._again)
            return
        if not plot.query("#legend"):  # its parts are on their way
            self.call_after_refresh(self._again)
            return
        plot.clear()
        ends = [*losses.steps[-1:], *dev.steps[-1:]]
        begins = [*losses.steps[:1], *dev.steps[:1]]
        first, last = min(begins), max([*ends, self._total, min(begins) + 1])
        cell = (last - first) / max(self.content_size.width - LEFT_CELLS, 10)
        plot.set_xlimits(first, last + cell)  # a point on the very edge would not be drawn
        low, high = min(losses.values + dev.values), max(losses.values + dev.values)
        margin = (high - low) * 0.05 or max(abs(high) * 0.05, 1e-3)
        plot.set_ylimits(low - margin, high + margin)
        if not losses.empty:
            plot.plot(losses.steps, losses.values, _colour(self, "primary"), HiResMode.BRAILLE)
        if not dev.empty:
            plot.scatter(dev.steps, dev.values, marker="●", marker_style=_colour(self, "accent"))

    def _again(self) -> None:
        self._drawn = ()
        self._draw()


def _colour(widget: LossCurve, meaning: str) -> str:
    style = ink(widget, meaning)
    return style.color.name if style.color else "default"
