"""`steersman logs`: the log of a stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pathlib import Path

    from runtime.run.layout import RunFolder


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("run", default="latest", metavar="[RUN]")
@click.option(
    "--stage", metavar="STAGE", help="Which stage. Default: the one that runs, failed, or ran last."
)
@click.option("--rank", type=click.IntRange(min=0), help="Log of one training process.")
@click.option("--follow", "-f", is_flag=True, help="Go on printing until the run ends.")
def command(run: str, stage: str | None, rank: int | None, follow: bool) -> None:
    """Print or follow the log of a run's stage.

    RUN is a run's name, its folder, or `latest`.

    \b
    Examples:
      steersman logs
      steersman logs my-run --stage train --rank 1
      steersman logs my-run --follow
    """
    from runtime.run.layout import find_run

    folder = find_run(run)
    if follow and stage is None:
        _follow_all(folder, rank)
        return
    name = stage or _last_stage(folder)
    log = _log_of(folder, name, rank)
    click.echo(f"{log}:", err=True)
    _print(folder, log, follow=follow)


def _last_stage(run: RunFolder) -> str:
    from planner.errors import BadInput
    from planner.language import say
    from runtime.run.status import read_status

    started = [stage for stage in read_status(run).view.stages.values() if stage.started]
    if not started:
        raise BadInput(say("No stage of {run} has been started yet.", run=run.name))
    return max(started, key=lambda stage: stage.started).name


def _log_of(run: RunFolder, stage: str, rank: int | None) -> Path:
    from planner.errors import BadInput
    from planner.language import say

    folder = run.stage(stage)
    log = folder.log if rank is None else folder.launch / f"workerlog.{rank}"
    if not log.exists():
        have = sorted(path.parent.name for path in (run.root / "stages").glob("*/log.txt"))
        ranks = [path.name.rpartition(".")[2] for path in folder.rank_logs()]
        remedy = say("Stages with a log: {stages}.", stages=", ".join(have) or say("none"))
        if rank is not None and ranks:
            remedy = say("Ranks with a log: {ranks}.", ranks=", ".join(ranks))
        raise BadInput(say("There is no log {path}.", path=log), remedy=remedy)
    return log


def _print(run: RunFolder, log: Path, *, follow: bool) -> None:
    import time

    from runtime.run.status import supervisor_of

    with log.open(encoding="utf-8", errors="replace") as file:
        while True:
            alive = supervisor_of(run) is not None
            while chunk := file.read(1 << 16):
                click.echo(chunk, nl=False)
            if not follow or not alive:
                return
            time.sleep(0.2)


def _follow_all(run: RunFolder, rank: int | None) -> None:
    """Print the log of the stage that runs, then that of the next one, until the run ends."""
    import time

    from runtime.run.status import read_status, supervisor_of

    offsets: dict[Path, int] = {}
    while True:
        alive = supervisor_of(run) is not None
        stages = [stage for stage in read_status(run).view.stages.values() if stage.started]
        for stage in sorted(stages, key=lambda stage: stage.started):
            folder = run.stage(stage.name)
            log = folder.log if rank is None else folder.launch / f"workerlog.{rank}"
            if log.exists():
                offsets[log] = _print_from(log, offsets.get(log), stage.name)
        if not alive:
            return
        time.sleep(0.5)


def _print_from(log: Path, offset: int | None, stage: str) -> int:
    if offset is None:
        click.echo(f"== {stage}: {log}", err=True)
        offset = 0
    with log.open("rb") as file:
        if file.seek(0, 2) < offset:
            offset = 0
        file.seek(offset)
        click.echo(file.read().decode(errors="replace"), nl=False)
        return file.tell()
