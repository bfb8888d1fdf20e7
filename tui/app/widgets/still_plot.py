"""A plot that is looked at: no focus, no zoom, narrow margins. It imports NumPy, so it is imported late."""

from __future__ import annotations

from textual_plot import PlotWidget


class StillPlot(PlotWidget):  # type: ignore[misc, unused-ignore]
    """A plot without keys of its own: they belong to the screen."""

    can_focus = False

    def __init__(self, id: str | None = None) -> None:  # noqa: A002 - the word of Textual
        super().__init__(id=id, allow_pan_and_zoom=False)
        self.set_reactive(PlotWidget.margin_top, 0)
        self.set_reactive(PlotWidget.margin_bottom, 1)
        self.set_reactive(PlotWidget.margin_left, 9)
