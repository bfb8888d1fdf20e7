"""One attempt at one stage: start it, copy its events into the journal, stop it when asked."""

from __future__ import annotations

import time
from collections.abc import Callable

from planner.language import join, say
from runtime.events import AnyEvent, Log, Metric, Progress, Proof, State
from runtime.run import environment, processes, stopping
from runtime.run.disk_watch import DiskWatch
from runtime.run.event_files import EventFiles
from runtime.run.layout import RunFolder
from runtime.run.loss_watch import Judgement, LossWatch
from runtime.run.machine_host import Others
from runtime.run.stage_process import StageProcess
from runtime.run.stopping import Stopper
from runtime.run.task import StageTask
from runtime.run.watchdog import LOOK_SECONDS, StoppedRanks, Watchdog

POLL_SECONDS = 0.1
PROGRESS_SECONDS = 1.0
"""Shortest time between two progress events of one stage in the journal; workers may send many more."""
LAUNCH_FOLDER_SECONDS = 0.3
STRAGGLER_SECONDS = 5.0


class Attempt:
    """A running attempt. `record` appends to the journal; `requested` counts requests to stop."""

    def __init__(
        self,
        run: RunFolder,
        task: StageTask,
        record: Callable[..., None],
        requested: Callable[[], int],
        others: Others | None = None,
    ) -> None:
        self.task = task
        self._others = others
        self._run = run
        self.folder = run.stage(task.stage)
        self.events: list[AnyEvent] = []
        """Errors, states and proofs so far."""
        self._record = record
        self._requested = requested
        self._files = EventFiles(self.folder)
        self._held_progress: Progress | None = None
        self._last_progress = 0.0
        self._next_look_at_launch_folder = 0.0
        self._process = StageProcess(task, self.folder)
        self._watchdog = Watchdog(task.silence_seconds, self._describe)
        self._losses = LossWatch()
        self._disk = DiskWatch(self.folder.root, task.reserve_bytes)
        look = min(LOOK_SECONDS, task.silence_seconds / 4)
        self._stopped_ranks = StoppedRanks(self._process.members, look)
        self.judgement: Judgement | None = None
        """Why the stage was ended: its loss cannot become anything any more."""
        self.pause_reason = ""
        """Why the run pauses by itself."""
        self._stopper = Stopper(task, self._process, self._announce_stop)

    @property
    def proofs(self) -> list[Proof]:
        """The proofs so far."""
        return [event for event in self.events if isinstance(event, Proof)]

    @property
    def stopped(self) -> bool:
        """Whether it was asked to stop."""
        return self._stopper.stopping

    @property
    def says_stopped(self) -> bool:
        """Whether the worker says that it stopped on request; somebody may have asked it directly."""
        return any(isinstance(event, State) and event.state == "stopped" for event in self.events)

    def stop_reason(self) -> str:
        """Return what the worker said about its stop, or how it ended otherwise."""
        states = [event for event in self.events if isinstance(event, State)]
        saved = next((event.reason for event in reversed(states) if event.state == "saved"), "")
        if self._stopper.forced and not self.says_stopped:
            if saved:
                return say("it was ended at once; its last checkpoint is {saved}", saved=saved)
            return say("it was ended at once")
        if saved:
            return say("its checkpoint is saved: {saved}", saved=saved)
        said = next((event.reason for event in reversed(states) if event.state == "stopped"), "")
        return said or say("it stopped gracefully")

    def wait(self) -> int:
        """Return the exit code of the stage's process once it and all that it started have ended."""
        while (exit_code := self._process.poll()) is None:
            self._copy_events()
            self._stopper.update(self._requested())
            for warning in filter(None, (self._watchdog.check(), self._stopped_ranks.check())):
                self._log(warning)
            self._mind_the_disk()
            self._keep_secrets_off_disk()
            self._mind_other_machines()
            time.sleep(POLL_SECONDS)
        self._end_stragglers()
        self._settle_other_machines(exit_code)
        self._copy_events(last=True)
        environment.remove_secrets(self.folder.launch)
        return exit_code

    def abandon(self) -> None:
        """End everything, because the supervisor cannot go on."""
        self.folder.stop.touch()
        left = self._process.members()
        if processes.wait_for_end(left, min(self.task.stop_seconds, 30)):
            self._process.terminate()
        if processes.wait_for_end(left, 5):
            self._process.kill()
        self._process.poll()

    def _copy_events(self, *, last: bool = False) -> None:
        """Copy new events into the journal: all of them, but progress at most once a second."""
        new = self._files.read()
        if new:
            self._watchdog.note_event(new)
        kept: list[AnyEvent] = []
        for event in new:
            if isinstance(event, Progress):
                self._held_progress = event
            else:
                kept.append(event)
        if self._held_progress is not None and (
            last or time.monotonic() - self._last_progress > PROGRESS_SECONDS
        ):
            kept.append(self._held_progress)
            self._held_progress, self._last_progress = None, time.monotonic()
        if kept:
            self._record(*kept)
            for event in kept:
                if isinstance(event, Metric):
                    self._judge(event)
            self.events += [event for event in kept if event.kind in ("error", "state", "proof")]

    def _judge(self, metric: Metric) -> None:
        """Say what is wrong with a loss; end a training that can only waste time."""
        found = self._losses.take(metric)
        if found is None or self.judgement is not None:
            return
        if not found.fatal:
            self._log(join((found.what, found.why, found.remedy)))
            return
        self.judgement = found
        self._process.kill()  # a graceful stop would save the spoilt weights

    def _mind_the_disk(self) -> None:
        """Pause before the disk is full; a checkpoint still fits then."""
        if self.pause_reason or self.stopped:
            return
        reason = self._disk.check()
        if reason:
            self.pause_reason = reason
            self._log(say("Pausing: {reason}.", reason=reason))
            stopping.pause(self._run)

    def _mind_other_machines(self) -> None:
        """Say what they say; end processes that wait for a machine that is gone."""
        if self._others is None:
            return
        found = self._others.trouble()
        for sentence in self._others.news():
            self._log(sentence)
        if found is not None and self.judgement is None:
            self.judgement = found
            self._process.kill()

    def _settle_other_machines(self, exit_code: int) -> None:
        """Let the others end their share, and find out whether a failure came from one of them."""
        if self._others is None:
            return
        self._others.end(STRAGGLER_SECONDS)
        if exit_code != 0 and self.judgement is None and not self.stopped:
            self.judgement = self._others.blame(self.folder, exit_code, self.events)

    def _end_stragglers(self) -> None:
        """End processes that outlive the one that was started, such as trainers of a killed launcher."""
        left = self._process.members()
        if not left or not (left := processes.wait_for_end(left, STRAGGLER_SECONDS)):
            return
        self._log(
            say(
                "{number} process(es) of {stage} were left over and are being ended.",
                number=len(left),
                stage=self.task.stage,
            )
        )
        self._process.terminate()
        if processes.wait_for_end(left, STRAGGLER_SECONDS):
            self._process.kill()

    def _keep_secrets_off_disk(self) -> None:
        if self.task.secrets and time.monotonic() > self._next_look_at_launch_folder:
            self._next_look_at_launch_folder = time.monotonic() + LAUNCH_FOLDER_SECONDS
            environment.remove_secrets(self.folder.launch)

    def _describe(self) -> str:
        return processes.describe(self._process.members())

    def _announce_stop(self, sentence: str) -> None:
        self._record(State(t=time.time(), stage=self.task.stage, state="stopping", reason=sentence))

    def _log(self, message: str) -> None:
        self._record(Log(t=time.time(), stage=self.task.stage, level="warning", message=message))
