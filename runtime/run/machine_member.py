"""Another machine's side of a run on several: join the first one, do a share of a stage, say how it went."""

from __future__ import annotations

import contextlib
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import psutil

from planner.errors import BadInput, ExitCode, SteersmanError
from planner.language import say, template
from runtime.run import commit, failures, journal, processes, resume
from runtime.run.event_files import all_events
from runtime.run.layout import RunFolder, StageFolder
from runtime.run.machine_host import FOLDER, HELLO_SECONDS, JOINING_SECONDS, REMINDER_SECONDS, share
from runtime.run.machine_talk import Line, Message
from runtime.run.machines import Place
from runtime.run.stage_process import StageProcess, write_inputs
from runtime.run.task import StageTask, build_table

Tell = Callable[[str], None]

POLL_SECONDS = 0.1
SEEING_SECONDS = 15.0
"""How long a shared folder may take to show a new file: file systems on a network keep what they saw."""

ENDING_SECONDS = 10.0

ENDINGS = {
    "finished": template("finished"),
    "failed": template("failed"),
    "stopped": template("stopped"),
    "paused": template("paused"),
    "waiting": template("waiting for an answer"),
}
NOT_ENDED = template("ended from outside")


def join_run(place: Place, plan_text: str, tell: Tell) -> int:
    """Take part in the run that the first machine holds, until it ends; return its exit code.

    `plan_text` is compared with the first machine's plan; empty where the run folder itself was named. Raises
    `SteersmanError` when the first machine cannot be reached, refuses, or shares no folder with this one.
    """
    with Interruptions() as interruptions:
        line = connect(place, tell, interruptions)
        try:
            if line is None:
                return int(ExitCode.INTERRUPTED)
            run = RunFolder(welcome(line, place, plan_text))
            tell(say("Joined the run {run} as machine {rank}.", run=run.root, rank=place.rank))
            return Share(run, place, line, tell, interruptions).follow()
        finally:
            if line is not None:
                line.close()


class Interruptions:
    """Counts Ctrl-C and requests of a scheduler to end."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> Interruptions:
        self._before = {
            number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)
        }
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.count += 1


def connect(place: Place, tell: Tell, interruptions: Interruptions) -> Line | None:
    """Return the connection to the first machine, once it listens; None if somebody interrupts."""
    started, reminded = time.monotonic(), 0.0
    while not interruptions.count:
        with contextlib.suppress(OSError):
            return Line(socket.create_connection((place.host, place.port), timeout=HELLO_SECONDS))
        waited = time.monotonic() - started
        if waited > JOINING_SECONDS:
            raise SteersmanError(
                say("The first machine does not answer at {master}.", master=place.master),
                remedy=say("Is it started there, and does a firewall stand between?"),
            )
        if not reminded or time.monotonic() - reminded > REMINDER_SECONDS:
            reminded = time.monotonic()
            tell(say("Waiting for the first machine at {master}.", master=place.master))
        time.sleep(0.5)
    return None


def welcome(line: Line, place: Place, plan_text: str) -> Path:
    """Introduce this machine and return the run folder, which it has proven to share."""
    line.send(rank=place.rank, name=socket.gethostname(), plan=plan_text)
    answer = line.wait(HELLO_SECONDS)
    if answer is None or "run" not in answer:
        why = str((answer or {}).get("refused") or say("It does not answer as a steersman does."))
        raise BadInput(
            say("The first machine at {master} lets this one not join: {why}", master=place.master, why=why)
        )
    root, token = Path(str(answer["run"])), str(answer["token"])
    deadline = time.monotonic() + SEEING_SECONDS
    while not (root / FOLDER / token).is_file():
        if time.monotonic() > deadline:
            error = BadInput(
                say("The run folder {folder} of the first machine is not here.", folder=root),
                remedy=say(
                    "Put it on a file system that all machines share, under the same path: --run FOLDER."
                ),
            )
            line.send(ready=False, why=error.sentence())
            raise error
        time.sleep(0.1)
    line.send(ready=True)
    return root


class Share:
    """This machine's share of the run's stages."""

    def __init__(
        self, run: RunFolder, place: Place, line: Line, tell: Tell, interruptions: Interruptions
    ) -> None:
        self.run, self.place, self.line, self.tell = run, place, line, tell
        self._interruptions, self._answered = interruptions, 0
        self._process: StageProcess | None = None
        self._stage = ""
        self._ranks = range(0)
        """Numbers of the training processes on this machine."""

    def follow(self) -> int:
        """Do what the first machine says until the run is over; return the run's exit code."""
        try:
            while True:
                while (message := self.line.take()) is not None:
                    if "over" in message:
                        return self._over(message)
                    if "begin" in message:
                        self._begin(str(message["begin"]), str(message["master"]))
                    if message.get("end"):
                        self._end()
                self._report()
                if self.line.gone:
                    raise SteersmanError(
                        say("The first machine is gone."),
                        remedy=say(
                            "Only the steps since the last checkpoint are lost. Resume on every machine; "
                            "here: {command}",
                            command=f"steersman resume {self.run.root} --master {self.place.master} "
                            f"--machine-rank {self.place.rank}",
                        ),
                    )
                self._pass_on_interruptions()
                time.sleep(POLL_SECONDS)
        finally:
            self._end()

    def _over(self, message: Message) -> int:
        self.tell(
            say(
                "The run is over on the first machine: {state}. {reason}",
                state=say(ENDINGS.get(message["over"], NOT_ENDED)),
                reason=message["reason"],
            )
        )
        return int(message["code"])

    def _begin(self, stage: str, master: str) -> None:
        folder = machine_folder(self.run, stage, self.place.rank)
        try:
            folder.root.mkdir(parents=True, exist_ok=True)
            end(processes.members(folder.root, None))  # of a member that was killed
            task = self._task(stage)
            folder.log.unlink(missing_ok=True)
            mine = share(task, master, self.place.rank, self.line.address, str(folder.launch))
            write_inputs(mine, folder)
            self._process, self._stage = StageProcess(mine, folder), stage
            here = int(task.spec.get("processes", 0)) // task.machines
            self._ranks = range(self.place.rank * here, (self.place.rank + 1) * here)
        except (SteersmanError, OSError) as error:
            words = error if isinstance(error, SteersmanError) else SteersmanError(str(error))
            self.line.send(ended=int(ExitCode.BAD_INPUT), what=words.what, why=words.why, remedy=words.remedy)
            self.tell(words.sentence())
        else:
            self.tell(say("{stage}: started here. Log: {path}", stage=stage, path=folder.log))

    def _task(self, stage: str) -> StageTask:
        """Return the stage's task as this machine's own table gives it; BadInput if it lacks something."""
        table = build_table(self.run)
        table.check()
        past = resume.histories(journal.read(self.run.journal))
        done = {
            name: commit.committed(history.committed, self.run)
            for name, history in past.items()
            if history.committed is not None
        }
        task = table.task(stage, done)
        for name in task.inputs:
            source, _, output = name.partition(".")
            path = done[source].outputs[output].path if source in done else ""
            if path and not Path(path).exists():
                raise BadInput(
                    say("{path}, which {stage} needs, is not on this machine.", path=path, stage=stage),
                    remedy=say("Let STEERSMAN_HOME lie on the file system that all machines share."),
                )
        return task

    def _report(self) -> None:
        """Tell the first machine how the own share ended, once it has."""
        if self._process is None or (code := self._process.poll()) is None:
            return
        folder, self._process = machine_folder(self.run, self._stage, self.place.rank), None
        words = {}
        if code != 0:
            events = all_events(self.run.stage(self._stage))
            own = [event for event in events if event.rank in self._ranks]
            found = failures.explain(folder, code, own)
            consequence = found.row in failures.consequences()
            words = {"what": found.what, "why": found.why, "remedy": found.remedy, "consequence": consequence}
            self.tell(say("{stage}: {what}", stage=self._stage, what=found.what))
        else:
            self.tell(say("{stage}: done here.", stage=self._stage))
        self.line.send(ended=code, **words)

    def _pass_on_interruptions(self) -> None:
        if self._interruptions.count > self._answered:
            self._answered += 1
            if self._answered == 1:
                self.tell(
                    say("Asking the first machine to stop; Ctrl-C again ends this machine's share at once.")
                )
                self.line.send(stop=True)
            else:
                self._end()

    def _end(self) -> None:
        """End the own processes, if any are left."""
        if self._process is None:
            return
        end(self._process.members())
        self._process.poll()


def end(left: list[psutil.Process]) -> None:
    """End processes, gracefully first."""
    processes.send(left, signal.SIGTERM)
    processes.send(processes.wait_for_end(left, ENDING_SECONDS), signal.SIGKILL)


def machine_folder(run: RunFolder, stage: str, rank: int) -> StageFolder:
    """Return where another machine keeps its command, log and processes of a stage."""
    return StageFolder(run.stage(stage).root / f"machine-{rank}")
