"""Take a run from its last proven point to its end, stage by stage. The only writer of the run's journal."""

from __future__ import annotations

import functools
import time
import traceback
from collections import Counter
from typing import Literal

from planner.errors import ExitCode, StageFailed, SteersmanError
from planner.language import say
from runtime.events import AnyEvent, Error, Log, Progress, Proof, State
from runtime.run import commit, disk_space, environment, failures, offer, replanning, resume
from runtime.run.attempt import Attempt
from runtime.run.event_files import all_events
from runtime.run.journal import DiskFull, Journal, to_line
from runtime.run.journal import read as read_journal
from runtime.run.layout import RunFolder
from runtime.run.machine_host import Others
from runtime.run.offer import Policy
from runtime.run.out_of_memory import OutOfMemory, memory_kills, trouble_of
from runtime.run.resume import StageHistory, Verdict
from runtime.run.stage_process import end_leftovers, set_attempt_aside, write_inputs
from runtime.run.stopping import is_pause, requests
from runtime.run.task import Committed, StageTask, Table


class StopRequestedError(Exception):
    """The person asked for it."""


class Supervisor:
    """Executes a run. The caller holds the run's lock."""

    def __init__(
        self,
        run: RunFolder,
        table: Table,
        until: str | None = None,
        *,
        on_oom: Policy | None = None,
        accept: bool = False,
        others: Others | None = None,
    ) -> None:
        self.run = run
        self.table = table
        self.until = until
        self.on_oom = on_oom
        self.accept = accept
        self.others = others
        self.journal = Journal(run.journal, run.reserve)
        self.done: dict[str, Committed] = {}
        self._kills = 0
        """Processes that the kernel had killed for memory when the stage began."""

    def execute(self) -> ExitCode:
        """Run all stages that are not proven, and return how it ended."""
        started = time.time()
        try:
            return self._execute(started)
        except StopRequestedError as stop:
            end: Literal["paused", "stopped"] = "paused" if is_pause(self.run) else "stopped"
            self._say_last(State(t=time.time(), stage="", state=end, reason=str(stop)))
            return ExitCode.INTERRUPTED
        except replanning.WaitingError as waiting:
            self._say_last(State(t=time.time(), stage="", state="waiting", reason=str(waiting)))
            return ExitCode.INTERRUPTED
        except SteersmanError as error:
            return self._fail(error, started)
        except Exception as error:
            traceback.print_exc()
            wrapped = SteersmanError(
                say("Steersman itself failed: {error}.", error=f"{type(error).__name__}: {error}"),
                remedy=say("Details: {path}.", path=self.run.supervisor_log),
            )
            return self._fail(wrapped, started)
        finally:
            self.journal.close()

    def _execute(self, started: float) -> ExitCode:
        past = read_journal(self.run.journal)
        if past:
            reason = say("continues from its last proven point")
            self.record(State(t=started, stage="", state="resumed", reason=reason))
        else:
            self.record(State(t=started, stage="", state="started"))
        if self.journal.removed_bytes:
            cut = say("The last line of the journal was cut short by a crash and has been removed.")
            self.log("", cut, "warning")
        lacking = getattr(self.table, "lacking", "")
        if lacking:
            self.log("", lacking)
        self.table.check()
        self._end_all_leftovers()
        if not self.accept:
            offer.withdraw(self.run)
        self._note_versions()
        while True:
            try:
                return self._do_all(started)
            except OutOfMemory as error:
                policy = replanning.policy_of(self.table, self.on_oom)
                easing = replanning.answer(self.run, self.table, error, policy)
                stage = error.trouble.stage
                self.table = replanning.take(self.run, self.table, stage, easing, self.done, self.record)

    def _do_all(self, started: float) -> ExitCode:
        """Do every stage that is not proven, up to the one that was asked for."""
        for stage in self.table.stages:
            if self.accept and stage == offer.required(self.run).stage:  # what it depends on is known now
                self.table = replanning.accept(self.run, self.table, self.done, self.record)
                self.accept = False
                return self._do_all(started)
            self._do(stage)
            if stage == self.until and stage != self.table.stages[-1]:
                reason = say("ended after {stage}, as asked", stage=stage)
                self.record(State(t=time.time(), stage="", state="stopped", reason=reason))
                return ExitCode.OK
        seconds = round(time.time() - started, 3)
        reason = say("every stage is proven")
        self.record(State(t=time.time(), stage="", state="finished", reason=reason, seconds=seconds))
        return ExitCode.OK

    def record(self, *events: AnyEvent) -> None:
        """Append to the journal."""
        self.journal.append(*events)

    def log(self, stage: str, message: str, level: Literal["info", "warning"] = "info") -> None:
        """Say one sentence to the person."""
        self.record(Log(t=time.time(), stage=stage, message=message, level=level))

    def _do(self, stage: str) -> None:
        """Skip a stage that is proven; otherwise run it and commit its result."""
        if requests(self.run):
            raise StopRequestedError(say("before {stage}, on request", stage=stage))
        task = self.table.task(stage, self.done)
        if stage in self.done and self.done[stage].fingerprint == commit.fingerprint(task, self.run):
            return  # proven in this session, before the plan was changed
        history = resume.histories(read_journal(self.run.journal)).get(stage, StageHistory())
        if self._accept_leftover_result(task, history):
            return
        verdict = resume.decide(task, self.run, history)
        if verdict.proven is not None:
            self.done[stage] = verdict.proven
            self.record(State(t=time.time(), stage=stage, state="skipped", reason=verdict.reason))
            return
        disk_space.require(self.run.root, task.disk_bytes, stage)
        self._gather_machines(task)
        self._attempt(task, verdict)

    def _gather_machines(self, task: StageTask) -> None:
        """Wait for the other machines where a stage needs them."""
        if task.machines > 1 and self.others is not None:
            tell = functools.partial(self.log, task.stage)
            if not self.others.wait_for_all(tell, lambda: requests(self.run)):
                raise StopRequestedError(say("before {stage}, on request", stage=task.stage))

    def _attempt(self, task: StageTask, verdict: Verdict) -> None:
        stage, folder, started = task.stage, self.run.stage(task.stage), time.time()
        aside = set_attempt_aside(folder, everything=verdict.from_scratch)
        if verdict.action == "redo":
            reason = verdict.reason
            if verdict.from_scratch and aside:
                reason = say("{reason}; its earlier files are in {folder}", reason=reason, folder=aside)
            self.record(State(t=started, stage=stage, state="redone", reason=reason))
        write_inputs(task, folder)
        print_of_task = commit.fingerprint(task, self.run)
        self.record(
            State(t=started, stage=stage, state="started", reason=verdict.reason, fingerprint=print_of_task)
        )
        self._kills = memory_kills()
        others = self.others if task.machines > 1 else None
        started_here = others.begin(task) if others else task
        attempt = Attempt(self.run, started_here, self.record, lambda: requests(self.run), others)
        try:
            exit_code = attempt.wait()
        except BaseException:
            attempt.abandon()
            raise
        self._conclude(task, attempt, exit_code, started)

    def _conclude(self, task: StageTask, attempt: Attempt, exit_code: int, started: float) -> None:
        """Commit, or record the stop or the failure."""
        stage, seconds = task.stage, time.time() - started
        try:
            has_result = commit.read_result(self.run.stage(stage)) is not None
        except StageFailed:
            has_result = False
        if has_result and (exit_code == 0 or not commit.missing_proof(task, attempt.proofs)):
            if exit_code != 0:
                ended = say("Its work was complete when {ending}.", ending=failures.ending(exit_code))
                self.log(stage, ended, "warning")
            self._commit(task, attempt.proofs, seconds)
            return
        if attempt.judgement is not None:
            found, log_path = attempt.judgement, str(self.run.stage(stage).log)
            error = StageFailed(found.what, why=found.why, remedy=found.remedy)
            self._record_failure(stage, error, seconds, log_path)
            raise error
        if attempt.stopped or (exit_code == 0 and attempt.says_stopped):
            reason = attempt.stop_reason()
            self.record(
                State(t=time.time(), stage=stage, state="stopped", reason=reason, seconds=round(seconds, 3))
            )
            if attempt.pause_reason:
                raise StopRequestedError(
                    say("during {stage}: {reason}", stage=stage, reason=attempt.pause_reason)
                )
            raise StopRequestedError(say("during {stage}, on request: {reason}", stage=stage, reason=reason))
        raise self._failed(task, attempt, exit_code, seconds)

    def _commit(self, task: StageTask, proofs: list[Proof], seconds: float) -> None:
        """Verify a result and make it count; StageFailed, recorded, if it does not hold."""
        try:
            event = commit.commit(task, self.run, proofs, seconds, time.time())
        except StageFailed as error:
            log_path = str(self.run.stage(task.stage).log)
            error.remedy = error.remedy or say("Look at {path}, then resume.", path=log_path)
            self._record_failure(task.stage, error, seconds, log_path)
            raise
        self.record(event)
        self.done[task.stage] = commit.committed(event, self.run)
        self._note_versions()

    def _note_versions(self) -> None:
        """Let the table write down what the run is made with, where it knows how to."""
        note = getattr(self.table, "note_versions", None)
        if note is not None:
            note(self.done)

    def _failed(self, task: StageTask, attempt: Attempt, exit_code: int, seconds: float) -> StageFailed:
        """Explain and record a failure, and return it."""
        folder = self.run.stage(task.stage)
        problem = commit.failed_proof(attempt.proofs) if exit_code >= 0 else ""
        if problem:
            failure = failures.of_proof(problem, folder, attempt.events)
        else:
            free = disk_space.free_bytes(self.run.root)
            failure = failures.explain(folder, exit_code, attempt.events, free_bytes=free)
        error = StageFailed(failure.what, why=failure.why, remedy=failure.remedy)
        self._record_failure(task.stage, error, seconds, failure.log_path)
        killed = memory_kills() > self._kills
        known = None if problem else failure
        trouble = trouble_of(task.stage, known, attempt.proofs, killed_for_memory=killed)
        return OutOfMemory(error, trouble) if trouble is not None else error

    def _record_failure(self, stage: str, error: StageFailed, seconds: float, log_path: str) -> None:
        now = time.time()
        self._say_last(
            Error(t=now, stage=stage, what=error.what, why=error.why, remedy=error.remedy, log_path=log_path),
            State(t=now, stage=stage, state="failed", reason=error.what, seconds=round(seconds, 3)),
        )

    def _fail(self, error: SteersmanError, started: float) -> ExitCode:
        now = time.time()
        words = Error(
            t=now,
            stage="",
            what=error.what,
            why=error.why,
            remedy=error.remedy,
            log_path=str(self.run.supervisor_log),
        )
        seconds = round(now - started, 3)
        self._say_last(words, State(t=now, stage="", state="failed", reason=error.what, seconds=seconds))
        print(error.sentence(), flush=True)
        return ExitCode(error.exit_code)

    def _say_last(self, *events: AnyEvent) -> None:
        """Record the end, even on a full disk; if that too is impossible, the log has it."""
        try:
            self.journal.append_last_words(*events)
        except (DiskFull, OSError) as error:
            for event in events:
                told = say("not recorded ({reason}): {event}", reason=error, event=to_line(event))
                print(told, flush=True)

    def _end_all_leftovers(self) -> None:
        """End what a killed supervisor left running, and copy into the journal what it had not copied."""
        past = resume.histories(read_journal(self.run.journal))
        for stage in self.table.stages:
            folder = self.run.stage(stage)
            for sentence in end_leftovers(folder):
                self.log(stage, sentence, "warning")
            environment.remove_secrets(folder.launch)
            history = past.get(stage)
            if history is not None and history.ended == "started":
                self._copy_missed_events(stage, history)

    def _copy_missed_events(self, stage: str, history: StageHistory) -> None:
        known = Counter(to_line(event) for event in history.attempt)
        missed = []
        for event in all_events(self.run.stage(stage)):
            line = to_line(event)
            if known[line]:
                known[line] -= 1
            elif not isinstance(event, Progress):
                missed.append(event)
        if missed:
            self.record(*missed)

    def _accept_leftover_result(self, task: StageTask, history: StageHistory) -> bool:
        """Commit a result that was complete although nobody was left to commit it; return whether it was."""
        unfinished = history.ended == "started" and history.started_fingerprint == commit.fingerprint(
            task, self.run
        )
        folder = self.run.stage(task.stage)
        if not unfinished or not folder.result.exists() or commit.missing_proof(task, history.proofs()):
            return False
        try:
            seconds = max((event.t for event in history.attempt), default=0.0) - history.started_at
            event = commit.commit(task, self.run, history.proofs(), max(seconds, 0.0), time.time())
        except StageFailed:
            return False
        self.log(
            task.stage,
            say("It had finished although its supervisor was gone: the result was verified and accepted."),
        )
        self.record(event)
        self.done[task.stage] = commit.committed(event, self.run)
        return True
