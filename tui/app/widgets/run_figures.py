"""The figures of a run: loss, speed, memory against the forecast, and what the machine does."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from textual.widgets import Static

from planner.language import say, template
from tui.app.run_figures import Row
from tui.app.widgets.ink import ink
from tui.page import UNICODE, bar, width_of


class RunFigures(Static):
    """Rows of figures, with a bar under those that are a share of something."""

    HELP = template(
        "What the training measures: loss, learning rate, speed, memory against the forecast; and what the "
        "running stage uses of this machine."
    )

    def __init__(self) -> None:
        super().__init__(id="figures", markup=False)

    def show(self, training: list[Row], machine: list[Row]) -> None:
        """Show the rows; nothing of a group that has none."""
        parts: list[RenderableType] = []
        if training:
            parts += [Text(say("Training"), ink(self, "secondary", bold=True)), self._grid(training)]
        if training and machine and self.content_size.height > len(training) + len(machine) + 4:
            parts.append(Text())
        if machine:
            parts += [Text(say("This machine"), ink(self, "secondary", bold=True)), self._grid(machine)]
        if not parts:
            parts = [Text(say("Figures appear as soon as a stage measures some."), ink(self, "text-muted"))]
        self.update(Group(*parts), layout=False)  # its height is given

    def _grid(self, rows: list[Row]) -> Table:
        labels = width_of(row.label for row in rows)
        room = self.content_size.width - labels - 2
        beside = room >= max(width_of(row.value for row in rows), 20) + 14
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(width=labels, no_wrap=True)
        grid.add_column(no_wrap=True, overflow="ellipsis")
        if beside:
            grid.add_column(no_wrap=True)
        for row in rows:
            cells = [Text(row.label, ink(self, "text-muted")), Text(row.value)]
            grid.add_row(*cells, *([self._bar(row, 12)] if beside else []))
        return grid

    def _bar(self, row: Row, width: int) -> Text:
        if row.share is None:
            return Text()
        meaning = "warning" if row.share > row.warns_at else "primary"
        line = bar(0, min(row.share, 1.0), width, UNICODE)
        line.stylize(ink(self, meaning))
        return line
