"""Start the run of a plan from the app: the same steps and the same refusals as `steersman run`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from planner.language import say
from planner.plan import Plan
from runtime.run.layout import RunFolder
from tui.app.engine import ensure

if TYPE_CHECKING:
    from tui.app.work import Reporter


def start(plan: Plan, file: Path | None, reporter: Reporter | None = None, *, yes: bool = False) -> RunFolder:
    """Start the supervisor of the plan's run, detached, and return the run's folder. Takes seconds, or
    minutes where the engine is installed first, which needs a `reporter` to tell how far it is.

    A run of the same plan that exists is continued. `file` is where the plan is saved, if it is; `yes` starts
    it even if its forecast says that it does not fit. Raises what `steersman run` raises.
    """
    from planner.planfile import dumps
    from runtime.run.layout import create_run
    from runtime.run.place import folder_of_paths
    from runtime.run.start import start_supervisor
    from runtime.run.task import table_module
    from tui.machine_place import check_alone
    from tui.run_choice import choose_run
    from tui.session import check_fit, check_here, check_runnable

    def tell(sentence: str) -> None:
        if reporter is not None:
            reporter.say(sentence)

    text = dumps(plan, file.name if file else "plan.yaml")
    root, known = choose_run(None, plan.name, text)
    table = table_module().build(RunFolder(root), text)
    check_runnable(table)
    check_alone(table)
    check_fit(table, yes=yes)
    check_here(RunFolder(root), table, file.name if file else plan.name)
    if reporter is not None and hasattr(table, "plan"):
        ensure(plan, reporter)
    tell(say("Checking the engine"))
    table.check()
    tell(say("Starting the run"))
    run = RunFolder(root) if known else create_run(root, text, folder_of_paths(plan, file))
    start_supervisor(run)
    return run
