"""Continue a run from the app: the same steps and the same refusals as `steersman resume`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.language import say
from runtime.run.layout import RunFolder

if TYPE_CHECKING:
    from tui.app.work import Reporter


def resume(run: RunFolder, reporter: Reporter | None = None, *, accept: bool = False) -> RunFolder:
    """Start the supervisor of a run that exists, detached; `accept` takes what it offers. Takes seconds.

    Raises what `steersman resume` raises.
    """
    from runtime.run.start import start_supervisor
    from runtime.run.task import build_table
    from tui.machine_place import check_alone
    from tui.session import check_runnable

    def tell(sentence: str) -> None:
        if reporter is not None:
            reporter.say(sentence)

    tell(say("Reading the plan"))
    table = build_table(run)
    check_runnable(table)
    check_alone(table)
    tell(say("Checking the engine"))
    table.check()
    tell(say("Continuing the run"))
    start_supervisor(run, accept=accept)
    return run
