"""What `run` and `resume` share: take a run folder to its end, or show what that would do."""

from __future__ import annotations

import difflib
import json
import shlex

import click

from planner.errors import BadInput, ExitCode
from planner.language import join, say, template
from runtime.run.journal import read as read_journal
from runtime.run.layout import RunFolder
from runtime.run.offer import Policy
from runtime.run.resume import Verdict, foresee
from runtime.run.task import StageTask, Table
from runtime.run.view import RunView
from tui.progress_lines import said
from tui.run_states import STATES

ACTIONS = {"skip": template("skip"), "run": template("run"), "redo": template("redo")}
"""What a dry run says of each stage."""


def check_stage(name: str | None, table: Table) -> None:
    """Refuse a stage that the plan does not have."""
    if name is None or name in table.stages:
        return
    near = difflib.get_close_matches(name, table.stages, 1, 0.5)
    hint = say("Did you mean {name}?", name=near[0]) if near else ""
    stages = say("The plan has: {stages}.", stages=", ".join(table.stages))
    raise BadInput(say("There is no stage {name}.", name=name), remedy=join((hint, stages)))


def execute(
    run: RunFolder,
    table: Table,
    *,
    until: str | None,
    events: bool,
    detach: bool,
    on_oom: Policy | None = None,
    accept: bool = False,
    master: str | None = None,
) -> int:
    """Start the supervisor and follow it to the end, unless `detach`; return the exit code.

    At `master` the other machines of a plan for several join.
    """
    from runtime.run.start import start_supervisor
    from tui.follow import Follower

    table.check()
    if detach:
        supervisor = start_supervisor(run, until, on_oom=on_oom, accept=accept, master=master)
        told = say("{run} runs in the background (pid {pid}).", run=run.name, pid=supervisor.pid)
        click.echo(told, err=True)
        command = f"steersman logs {run.reference} --follow"
        click.echo(say("Follow it with: {command}", command=command), err=True)
        click.echo(str(run.root))
        return int(ExitCode.OK)
    follower = Follower(run, table, events=events)
    code = follower.follow(start_supervisor(run, until, on_oom=on_oom, accept=accept, master=master))
    conclude(run, follower.view.reason, code, events=events)
    if not events and code in (ExitCode.OK, ExitCode.INTERRUPTED):
        show_end(run, follower.view)
    return int(code)


def conclude(run: RunFolder, reason: str, code: ExitCode, *, events: bool) -> None:
    """Say on stderr how the session ended."""
    from runtime.run.status import read_status

    status = read_status(run)
    again = say("Continue with: {command}", command=f"steersman resume {run.reference}")
    if code == ExitCode.OK:
        ended = say(STATES[status.state])
        why = "" if status.state == "finished" else f" ({said(reason)})"
        click.echo(f"{run.name}: {ended}{why}", err=True)
    elif code == ExitCode.INTERRUPTED:
        if status.state == "waiting":
            click.echo(said(reason), err=True)
            return
        words = template("Paused {reason}.") if status.state == "paused" else template("Stopped {reason}.")
        click.echo(join((say(words, reason=said(reason)), again)), err=True)
    elif status.state == "lost":
        what = say("The supervisor of {run} was ended from outside.", run=run.name)
        click.echo(f"steersman: {join((what, again))}", err=True)
    elif status.view.error is not None:
        error = status.view.error
        failed = next((stage for stage in status.view.stages.values() if stage.state == "failed"), None)
        words = join((error.what, error.why, error.remedy))
        if failed is not None:
            words = say("{stage} failed: {reason}", stage=failed.name, reason=words)
        click.echo(f"steersman: {words}", err=True)
        if failed is not None and failed.error is not None:
            click.echo(say("Log: {path}", path=failed.error.log_path), err=True)
        command = f"steersman resume {run.reference}"
        click.echo(say("After that, continue with: {command}", command=command), err=True)


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
    lines = [f"# {task.stage}: {say(ACTIONS[verdict.action])}, {verdict.reason}"]
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


def check_here(run: RunFolder, table: Table, file: str) -> None:
    """Refuse a plan whose data or devices are not on this machine."""
    from runtime.run import this_machine

    plan = getattr(table, "plan", None)
    if plan is not None:
        this_machine.check(plan, run.root.parent, file)


def check_fit(table: Table, *, yes: bool) -> None:
    """Refuse a plan whose own forecast says that it does not fit, unless the person insists."""
    from planner.errors import NothingFeasible
    from planner.phrases import size

    forecast = getattr(getattr(table, "plan", None), "forecast", None)
    if forecast is None or yes or forecast.peak_memory_bytes <= forecast.memory_limit_bytes:
        return
    needed, offered = size(forecast.peak_memory_bytes), size(forecast.memory_limit_bytes)
    raise NothingFeasible(
        say(
            "The plan needs about {needed} of memory for one training process, and there are {offered}.",
            needed=needed,
            offered=offered,
        ),
        remedy=say("Plan again for this machine, or start it all the same with --yes."),
    )
