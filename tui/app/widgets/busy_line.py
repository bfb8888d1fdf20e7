"""What is being worked out in the background: one line with progress, and how to cancel it."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from planner.language import say, template
from planner.phrases import count, size
from tui.app.messages import Working

WIDTH = 16
"""Cells of the progress bar."""

FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


class BusyLine(Static):
    """One line, only there while something is under way."""

    HELP = template("What is being worked out. Escape cancels it.")

    def __init__(self, jobs: dict[str, Working | None]) -> None:
        """`jobs` are those under way, with what they said last; others add and remove them."""
        super().__init__(id="busy")
        self.jobs = jobs
        self.frame = 0
        self.tooltip = say("Escape cancels it.")

    def on_mount(self) -> None:
        """Turn the wheel while there is something to wait for."""
        self.turn()
        self.set_interval(0.15, self.turn)

    def turn(self) -> None:
        """Show that time passes."""
        self.display = bool(self.jobs)
        if self.jobs:
            self.frame = (self.frame + 1) % len(FRAMES)
            self.refresh()

    def tell(self, working: Working) -> None:
        """Show how far a job is."""
        if working.job in self.jobs:
            self.jobs[working.job] = working
            self.refresh()

    @property
    def latest(self) -> str | None:
        """The job that began last."""
        return next(reversed(self.jobs), None)

    def render(self) -> Content:
        """Return wheel, sentence, bar and figures."""
        job = self.latest
        working = self.jobs.get(job) if job else None
        wheel = (f"{FRAMES[self.frame]} ", "bold $text-accent")
        stop = (f"  {say('esc cancels')}", "$faint")
        if working is None or not working.sentence:
            return Content.assemble(wheel, say("Working it out"), " …", stop)
        if working.total <= 0:
            return Content.assemble(wheel, working.sentence, stop)
        share = min(1.0, working.done / working.total)
        full = round(share * WIDTH)
        figures = f" {share:.0%} {amount(working.done, working.unit)} / {amount(working.total, working.unit)}"
        drawn = ("█" * full, "$primary"), ("░" * (WIDTH - full), "$faint")
        return Content.assemble(wheel, working.sentence, " ", *drawn, figures, stop)


def amount(number: float, unit: str) -> str:
    """Return an amount in its unit."""
    if unit in ("B", "bytes"):
        return size(number)
    return f"{count(number)} {say(unit)}" if unit else count(number)
