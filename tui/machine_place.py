"""Which machine of a run this is, for `run` and `resume`, and what another than the first one does."""

from __future__ import annotations

import os

import click

from runtime.run.layout import RunFolder
from runtime.run.machines import Place, place_of
from runtime.run.task import Table


def find(table: Table, master: str | None, rank: int | None) -> Place | None:
    """Return this machine's place; None for a plan for one machine. BadInput where it cannot be known."""
    return place_of(int(getattr(table, "machines", 1)), master, rank, os.environ)


def check_alone(table: Table) -> None:
    """Refuse a plan for several machines where nobody can say which one this is."""
    place_of(int(getattr(table, "machines", 1)), None, None, {})


def join(place: Place, plan_text: str) -> int:
    """Take part in the run that the first machine holds; return its exit code."""
    from runtime.run.machine_member import join_run

    return join_run(place, plan_text, lambda sentence: click.echo(sentence, err=True))


def prepared(run: RunFolder, place: Place | None) -> str | None:
    """Return where the first machine lets the others join, having tried; BadInput if it cannot."""
    if place is None:
        return None
    from runtime.run.machine_host import listen
    from runtime.run.status import supervisor_of

    if supervisor_of(run) is None:
        listen(place).close()
    return place.master
