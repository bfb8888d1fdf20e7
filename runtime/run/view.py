"""The state of a run as its journal tells it: one fold over events for status, display and report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from runtime.events import AnyEvent, Artifact, Error, Log, Metric, Progress, Proof, State

MOST_LOGS = 200


@dataclass
class StageView:
    """One stage, as far as it got."""

    name: str
    state: str = "waiting"
    """waiting, running, stopped, failed, committed (proven in this session) or skipped (proven before)."""
    reason: str = ""
    started: float = 0
    ended: float = 0
    seconds: float = 0
    """Wall time of the attempt that counts."""
    progress: Progress | None = None
    metrics: list[Metric] = field(default_factory=list)
    proofs: dict[str, Proof] = field(default_factory=dict)
    artifacts: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)
    fingerprint: str = ""
    """Of the task that it was last started with."""
    restarted: bool = False
    """Whether it was started again and has not said yet where it continues."""
    activity: str = ""
    """What it is doing beyond running: saving, stopping."""
    error: Error | None = None
    last_event: float = 0

    @property
    def proven(self) -> bool:
        """Whether its result counts."""
        return self.state in ("committed", "skipped")


@dataclass
class RunView:
    """A whole run."""

    stages: dict[str, StageView] = field(default_factory=dict)
    state: str = "created"
    """created, running, finished, failed, stopped, paused or waiting (for an answer), as the journal says."""
    reason: str = ""
    error: Error | None = None
    logs: list[Log] = field(default_factory=list)
    session_started: float = 0
    last_event: float = 0

    def stage(self, name: str) -> StageView:
        """Return a stage's view, made on first use."""
        return self.stages.setdefault(name, StageView(name))

    def current(self) -> StageView | None:
        """Return the stage that runs."""
        return next((stage for stage in self.stages.values() if stage.state in ("running", "stopping")), None)

    def apply(self, event: AnyEvent) -> None:
        """Take one event into account."""
        self.last_event = event.t
        if isinstance(event, Log):
            self.logs = [*self.logs[-MOST_LOGS + 1 :], event]
        if not event.stage:
            self._apply_to_run(event)
            return
        stage = self.stage(event.stage)
        stage.last_event = event.t
        if isinstance(event, State):
            _apply_state(stage, event)
        elif isinstance(event, Progress):
            _apply_progress(stage, event)
        elif isinstance(event, Metric):
            _apply_metric(stage, event)
        elif isinstance(event, Proof):
            stage.proofs[event.name] = event
        elif isinstance(event, Artifact):
            stage.artifacts[event.name] = event.path
        elif isinstance(event, Error):
            stage.error = event

    def _apply_to_run(self, event: AnyEvent) -> None:
        if isinstance(event, Error):
            self.error = event
        if not isinstance(event, State):
            return
        self.reason = event.reason
        if event.state in ("started", "resumed"):
            self.state, self.error, self.session_started = "running", None, event.t
            for stage in self.stages.values():
                if not stage.proven:
                    stage.state = "waiting"
        elif event.state in ("created", "finished", "failed", "stopped", "paused", "waiting"):
            self.state = event.state


def _apply_state(stage: StageView, event: State) -> None:
    if event.state == "started":
        # A continued training keeps its curve; one with other settings begins a new one.
        metrics = stage.metrics if stage.fingerprint == event.fingerprint else []
        fresh = StageView(stage.name, "running", event.reason, started=event.t, metrics=metrics)
        fresh.last_event, fresh.restarted, fresh.fingerprint = event.t, bool(metrics), event.fingerprint
        stage.__dict__.update(fresh.__dict__)
    elif event.state == "committed":
        stage.state, stage.ended, stage.seconds = "committed", event.t, event.seconds
        stage.outputs, stage.figures, stage.activity = event.outputs, event.figures, ""
    elif event.state == "skipped":
        stage.state, stage.reason = "skipped", event.reason
    elif event.state in ("failed", "stopped"):
        if event.rank == 0:
            stage.state, stage.reason, stage.ended, stage.activity = event.state, event.reason, event.t, ""
    elif event.state == "redone":
        stage.state, stage.reason = "waiting", event.reason
        stage.outputs, stage.figures = {}, {}
    elif event.state == "replanned":
        stage.state, stage.reason, stage.error = "waiting", event.reason, None
        stage.fingerprint = event.fingerprint or stage.fingerprint
    elif event.state == "stopping":
        stage.activity = event.reason or event.state
    elif event.state == "saving":
        stage.activity = event.state
    elif event.state in ("saved", "running", "resumed"):
        stage.activity = "" if stage.activity == "saving" else stage.activity
        stage.reason = event.reason or stage.reason


def _apply_progress(stage: StageView, event: Progress) -> None:
    stage.progress = event
    if stage.restarted and event.unit == "steps":
        stage.metrics = [metric for metric in stage.metrics if metric.step <= event.done]
        stage.restarted = False


def _apply_metric(stage: StageView, event: Metric) -> None:
    if stage.metrics and event.step < stage.metrics[-1].step:
        stage.metrics = [metric for metric in stage.metrics if metric.step < event.step]
    stage.metrics.append(event)


def fold(events: Iterable[AnyEvent], stages: Iterable[str] = ()) -> RunView:
    """Return the view after all events; `stages` fixes their order."""
    view = RunView()
    for name in stages:
        view.stage(name)
    for event in events:
        view.apply(event)
    return view
