"""What a run does when memory ran out: stop with an offer, wait for an answer, or take the step by itself.

The run stays the run: the same folder, journal and results; only the plan it executes is replaced by a
smaller one, and the one before is kept (`runtime.run.offer`). Training goes on from its last checkpoint.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from planner.language import join, say
from runtime.events import Log, State
from runtime.paths import write_atomically
from runtime.run import commit, offer, resume
from runtime.run.journal import read as read_journal
from runtime.run.layout import RunFolder
from runtime.run.offer import POLICIES, Policy, Trouble
from runtime.run.out_of_memory import OutOfMemory
from runtime.run.task import Committed, Easing, Table, build_table

Record = Callable[..., None]


class WaitingError(Exception):
    """The run waits for a person's answer to its offer."""


def policy_of(table: Table, asked: Policy | None) -> Policy:
    """Return what to do when memory runs out: what was asked for now, else what the plan says."""
    if asked is not None:
        return asked
    planned = str(getattr(table, "on_oom", "stop"))
    found: list[Policy] = [policy for policy in POLICIES if policy == planned]
    return found[0] if found else "stop"


def answer(run: RunFolder, table: Table, error: OutOfMemory, policy: Policy) -> Easing:
    """Return the step to take now. Raises the failure with its offer, or `WaitingError`, where none is."""
    easing = ease(table, error.trouble)
    if easing is None:
        error.remedy = join((error.remedy, say("The planner knows no smaller step for this plan.")))
        raise error
    offered = offer.save(run, error.trouble, easing)
    if policy == "replan" and not easing.consent:
        return easing
    command = f"steersman resume {run.reference} --accept"
    words = say("Offered: {because} Take it with: {command}", because=offered.because, command=command)
    if policy == "stop":
        error.remedy = words
        raise error
    raise WaitingError(join((error.what, words)))


def ease(table: Table, trouble: Trouble) -> Easing | None:
    """Return the next smaller plan, if the table knows how to make one."""
    maker = getattr(table, "ease", None)
    found = maker(trouble.memory) if maker is not None else None
    return found if isinstance(found, Easing) else None


def take(
    run: RunFolder, table: Table, stage: str, easing: Easing, done: Mapping[str, Committed], record: Record
) -> Table:
    """Replace the plan of a run, keep the one before, say so in the journal; return the new plan's table."""
    kept = offer.keep_plan(run)
    new = build_table(run, easing.plan_text)
    figures = {"rung": easing.rung, "changes": easing.changes, "plan_before": kept}
    now = time.time()
    record(State(t=now, stage=stage, state="replanned", reason=easing.because, figures=figures))
    if easing.keeps_checkpoints:
        for name, fingerprint in continued(run, table, new, done).items():
            record(
                State(t=now, stage=name, state="replanned", reason=easing.because, fingerprint=fingerprint)
            )
    write_atomically(run.plan, easing.plan_text)
    offer.withdraw(run)
    told = say(
        "Planned again, out of memory: {because} The plan before is kept as {file}.",
        because=easing.because,
        file=kept,
    )
    record(Log(t=time.time(), stage=stage, level="warning", message=told))
    return new


def continued(run: RunFolder, old: Table, new: Table, done: Mapping[str, Committed]) -> dict[str, str]:
    """Return stage -> fingerprint of its new task, where an unfinished attempt may be gone on with."""
    found = {}
    for stage, history in resume.histories(read_journal(run.journal)).items():
        if stage not in new.stages or history.committed is not None:
            continue
        known = {history.started_fingerprint, *history.continuable}
        if commit.fingerprint(old.task(stage, done), run) in known:
            found[stage] = commit.fingerprint(new.task(stage, done), run)
    return found


def accept(run: RunFolder, table: Table, done: Mapping[str, Committed], record: Record) -> Table:
    """Take the offer that stands. BadInput without one."""
    offered = offer.required(run)
    return take(run, table, offered.stage, offered.easing(), done, record)
