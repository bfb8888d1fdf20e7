"""What `run` and `resume` share: take a run folder to its end, or show what that would do."""

from __future__ import annotations

import difflib
import json
import shlex

import click

from planner.errors import BadInput, ExitCode
from runtime.run.journal import read as read_journal
from runtime.run.layout import RunFolder
from runtime.run.resume import Verdict, foresee
from runtime.run.task import StageTask, Table
from runtime.run.view import RunView


def check_stage(name: str | None, table: Table) -> None:
    """Refuse a stage that the plan does not have."""
    if name is None or name in table.stages:
        return
    near = difflib.get_close_matches(name, table.stages, 1, 0.5)
    hint = f"Did you mean {near[0]}? " if near else ""
    raise BadInput(f"There is no stage {name}.", remedy=f"{hint}The plan has: {', '.join(table.stages)}.")


def execute(run: RunFolder, table: Table, *, until: str | None, events: bool, detach: bool) -> int:
    """Start the supervisor and follow it to the end, unless `detach`; return the exit code."""
    from runtime.run.start import start_supervisor
    from tui.follow import Follower

    table.check()
    if detach:
        supervisor = start_supervisor(run, until)
        click.echo(f"{run.name} runs in the background (pid {supervisor.pid}).", err=True)
        click.echo(f"Follow it with: steersman logs {run.reference} --follow", err=True)
        click.echo(str(run.root))
        return int(ExitCode.OK)
    follower = Follower(run, table, events=events)
    code = follower.follow(start_supervisor(run, until))
    conclude(run, follower.view.reason, code, events=events)
    if not events and code in (ExitCode.OK, ExitCode.INTERRUPTED):
        show_end(run, follower.view)
    return int(code)


def conclude(run: RunFolder, reason: str, code: ExitCode, *, events: bool) -> None:
    """Say on stderr how the session ended."""
    from runtime.run.status import read_status

    status = read_status(run)
    if code == ExitCode.OK:
        click.echo(
            f"{run.name}: {status.state}" + (f" ({reason})" if status.state != "finished" else ""), err=True
        )
    elif code == ExitCode.INTERRUPTED:
        ended = "Paused" if status.state == "paused" else "Stopped"
        click.echo(f"{ended} {reason}. Continue with: steersman resume {run.reference}", err=True)
    elif status.state == "lost":
        what = f"The supervisor of {run.name} was ended from outside."
        click.echo(f"steersman: {what} Continue with: steersman resume {run.reference}", err=True)
    elif status.view.error is not None:
        error = status.view.error
        failed = next((stage for stage in status.view.stages.values() if stage.state == "failed"), None)
        place = f"{failed.name} failed: " if failed else ""
        words = " ".join(part for part in (error.what, error.why, error.remedy) if part)
        click.echo(f"steersman: {place}{words}", err=True)
        if failed is not None and failed.error is not None:
            click.echo(f"Log: {failed.error.log_path}", err=True)
        click.echo(f"After that, continue with: steersman resume {run.reference}", err=True)


def show_end(run: RunFolder, view: RunView) -> None:
    """Print the end of a run on stdout."""
    from rich.console import Console

    from tui.progress_end import ending

    Console().print(ending(run, view), crop=False)


def dry_run(run: RunFolder, table: Table) -> None:
    """Print on stdout, stage by stage, what would be done, with every config and command."""
    for task, verdict in foresee(run, table, read_journal(run.journal)):
        click.echo(describe(run, task, verdict))


def describe(run: RunFolder, task: StageTask, verdict: Verdict) -> str:
    """Return one stage of a dry run."""
    lines = [f"# {task.stage}: {verdict.action}, {verdict.reason}"]
    if verdict.proven is not None:
        return "\n".join(lines)
    settings = [f"{name}={shlex.quote(value)}" for name, value in sorted(task.environment.items())]
    lines += [" ".join([*settings, shlex.join(task.command)])]
    folder = run.stage(task.stage).root
    texts = {"spec.json": json.dumps(task.spec, ensure_ascii=False, indent=2), **task.files}
    for name, text in texts.items():
        lines += [f"## {folder / name}", text.rstrip()]
    return "\n".join(lines) + "\n"


def check_runnable(table: Table) -> None:
    """Refuse a plan that Steersman plans and renders, and does not run itself today."""
    from planner.errors import BadInput
    from planner.language import say
    from planner.methods import runnable

    plan = getattr(table, "plan", None)
    why = "" if plan is None else runnable(plan)
    if why:
        raise BadInput(
            why,
            remedy=say(
                "`steersman render` writes a folder whose launch.sh runs it with the toolkit's own scripts."
            ),
        )


def check_fit(table: Table, *, yes: bool) -> None:
    """Refuse a plan whose own forecast says that it does not fit, unless the person insists."""
    from planner.errors import NothingFeasible
    from planner.phrases import size

    forecast = getattr(getattr(table, "plan", None), "forecast", None)
    if forecast is None or yes or forecast.peak_memory_bytes <= forecast.memory_limit_bytes:
        return
    needed, offered = size(forecast.peak_memory_bytes), size(forecast.memory_limit_bytes)
    raise NothingFeasible(
        f"The plan needs about {needed} of memory for one training process, and there are {offered}.",
        remedy="Plan again for this machine, or start it all the same with --yes.",
    )
