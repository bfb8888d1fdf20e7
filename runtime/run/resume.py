"""Decide for each stage whether its earlier result still counts, and why, in words."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from planner.language import say, template
from runtime.events import AnyEvent, Proof, State
from runtime.run import commit
from runtime.run.layout import RunFolder, StageFolder
from runtime.run.newer_settings import only_added
from runtime.run.task import Committed, StageTask, Table

MOST_DIFFERENCES = 3
LONGEST_VALUE = 40
NOT_SETTINGS = frozenset(["commits"])
"""Keys of a specification whose change is told in other words."""


UNPROVEN = {
    "started": template("it was interrupted"),
    "stopped": template("it was stopped before its end"),
    "failed": template("it failed last time"),
}
"""How the last attempt ended -> why the stage is done again."""
NOT_PROVEN = template("it is not proven")


@dataclass
class StageHistory:
    """What the journal says about one stage."""

    started_fingerprint: str = ""
    continuable: frozenset[str] = frozenset()
    """Fingerprints of re-planned tasks that go on from what the last attempt left."""
    started_at: float = 0
    ended: str = ""
    """Last of started, stopped, failed, committed."""
    reason: str = ""
    attempt: list[AnyEvent] = field(default_factory=list)
    """Events since it was last started."""
    committed: State | None = None

    def proofs(self) -> list[Proof]:
        """Return the proofs of the last attempt."""
        return [event for event in self.attempt if isinstance(event, Proof)]


@dataclass(frozen=True)
class Verdict:
    """What will be done with a stage, and why."""

    stage: str
    action: Literal["skip", "run", "redo"]
    reason: str
    from_scratch: bool = False
    """Whether checkpoints and outputs of the last attempt are set aside because its task has changed."""
    proven: Committed | None = None


def histories(events: Iterable[AnyEvent]) -> dict[str, StageHistory]:
    """Return stage -> what happened to it."""
    found: dict[str, StageHistory] = {}
    for event in events:
        if not event.stage:
            continue
        history = found.setdefault(event.stage, StageHistory())
        history.attempt.append(event)
        if not isinstance(event, State):
            continue
        if event.state == "started":
            history.started_fingerprint, history.started_at, history.attempt = event.fingerprint, event.t, []
            history.continuable = frozenset()
        if event.state == "replanned" and event.fingerprint:
            history.continuable |= {event.fingerprint}
        if event.state in ("started", "stopped", "failed", "committed"):
            history.ended, history.reason = event.state, event.reason
        if event.state == "committed":
            history.committed = event
    return found


def decide(task: StageTask, run: RunFolder, history: StageHistory) -> Verdict:
    """Return the verdict on one stage. Reads and hashes the outputs that it left."""
    now = commit.fingerprint(task, run)
    known = {history.started_fingerprint, *history.continuable}
    changed_task = history.started_fingerprint not in ("", now) and now not in history.continuable
    if changed_task and only_added(task, run, known):
        changed_task, now = False, history.started_fingerprint
    if history.committed is not None:
        proven = commit.committed(history.committed, run)
        if proven.fingerprint != now and not only_added(task, run, {proven.fingerprint}):
            return Verdict(task.stage, "redo", changes(task, run), from_scratch=changed_task)
        for output in proven.outputs.values():
            problem = commit.difference(output)
            if problem:
                return Verdict(task.stage, "redo", problem, from_scratch=changed_task)
        return Verdict(
            task.stage, "skip", say("proven {when}, files unchanged", when=clock(proven.t)), proven=proven
        )
    if not history.ended:
        return Verdict(task.stage, "run", say("not done yet"))
    if changed_task:
        return Verdict(task.stage, "redo", changes(task, run), from_scratch=True)
    if history.started_fingerprint != now:
        why = say("{changes}; it goes on from its last checkpoint", changes=changes(task, run))
        return Verdict(task.stage, "redo", why)
    return Verdict(task.stage, "redo", say(UNPROVEN.get(history.ended, NOT_PROVEN)))


def foresee(run: RunFolder, table: Table, events: Iterable[AnyEvent]) -> list[tuple[StageTask, Verdict]]:
    """Return what a run would do now, stage by stage, without doing it.

    What a stage that is done again will produce is not known yet. Where a later stage depends on it, its
    verdict says so.
    """
    past = histories(events)
    done: dict[str, Committed] = {}
    foreseen = []
    for stage in table.stages:
        task = table.task(stage, done)
        history = past.get(stage, StageHistory())
        waits_for = next(
            (name for name in table.stages if name not in done and f"<{name}." in _text(task)), ""
        )
        if waits_for and history.committed is not None:
            verdict = Verdict(
                stage, "redo", say("unless {stage} gives the same result as before", stage=waits_for)
            )
        else:
            verdict = decide(task, run, history)
        if verdict.proven is not None:
            done[stage] = verdict.proven
        foreseen.append((task, verdict))
    return foreseen


def _text(task: StageTask) -> str:
    return json.dumps([task.spec, task.files], ensure_ascii=False)


def clock(t: float) -> str:
    """Return a time of day today, or a date and time."""
    then = time.localtime(t)
    hour = time.strftime("%H:%M", then)
    if time.localtime()[:3] == then[:3]:
        return say("at {time}", time=hour)
    return say("on {date} at {time}", date=time.strftime("%Y-%m-%d", then), time=hour)


def changes(task: StageTask, run: RunFolder) -> str:
    """Return which settings or inputs differ from the last attempt's, in words."""
    folder = run.stage(task.stage)
    found = [change(*difference) for difference in _differences(task, run, folder)]
    inputs = _changed_inputs(task, folder)
    settings = ", ".join(found[:MOST_DIFFERENCES])
    more = len(found) - MOST_DIFFERENCES
    parts = []
    if more > 0:
        parts.append(say("its settings changed: {settings} and {more} more", settings=settings, more=more))
    elif found:
        parts.append(say("its settings changed: {settings}", settings=settings))
    if inputs:
        parts.append(say("its input changed: {inputs}", inputs=", ".join(inputs)))
    return "; ".join(parts) or say("an earlier stage was done again")


def change(name: str, old: Any, new: Any) -> str:
    """Return how one setting changed, in words."""
    if old is None:
        return say("{name} is now {value}", name=name, value=short(new))
    return (
        say("{name} is no longer set", name=name) if new is None else f"{name} {short(old)} -> {short(new)}"
    )


def short(value: Any) -> str:
    """Return a value short enough for a sentence."""
    text = json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 3] + "..."


def _differences(task: StageTask, run: RunFolder, folder: StageFolder) -> list[tuple[str, Any, Any]]:
    """Return (name, old, new) of what is set otherwise than in the last attempt; places do not count."""
    pairs = [(_load(folder.spec), task.spec)]
    pairs += [(_load(folder.root / name), _parse(text)) for name, text in task.files.items()]
    return [
        (key, old.get(key), new.get(key))
        for old, new in pairs
        for key in {**old, **new}
        if key not in NOT_SETTINGS and old.get(key) != new.get(key) and not _is_place(new.get(key), task, run)
    ]


def _is_place(value: Any, task: StageTask, run: RunFolder) -> bool:
    text = json.dumps(value, ensure_ascii=False)
    return commit.without_places(text, task, run) != text


def _changed_inputs(task: StageTask, folder: StageFolder) -> list[str]:
    old = _load(folder.inputs)
    return [name for name, digest in task.inputs.items() if name in old and old[name] != digest]


def _load(path: Any) -> dict[str, Any]:
    try:
        return _parse(path.read_text(encoding="utf-8"))
    except OSError:
        return {}


def _parse(text: str) -> dict[str, Any]:
    try:
        values = json.loads(text)
    except ValueError:
        return {}
    return values if isinstance(values, dict) else {}
