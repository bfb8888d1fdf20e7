"""The first machine's side of a run on several: who has joined, who is in trouble, what they are told.

The first machine holds the run: its supervisor alone writes the journal and does every stage that one
machine does. The others (`machine_member`) connect to it, prove that they see the run folder, and start their
share of a stage when told. All machines must share that folder: data, model and checkpoints are read from it.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from planner.errors import BadInput, ExitCode, SteersmanError
from planner.language import join, say
from runtime.events import AnyEvent
from runtime.run import failures
from runtime.run.layout import RunFolder, StageFolder
from runtime.run.loss_watch import Judgement
from runtime.run.machine_talk import Line, Message
from runtime.run.machines import Place, place_of
from runtime.run.status import read_status
from runtime.run.stopping import request
from runtime.run.task import StageTask

FOLDER = "machines"
"""Folder in the run folder in which the machines show each other that they share it."""

HELLO_SECONDS = 20.0
JOINING_SECONDS = 1800.0
"""How long the first machine waits for the others; schedulers start them minutes apart."""

REMINDER_SECONDS = 60.0
CODES = {
    "finished": ExitCode.OK,
    "stopped": ExitCode.INTERRUPTED,
    "paused": ExitCode.INTERRUPTED,
    "waiting": ExitCode.INTERRUPTED,
}
"""How a run ended -> exit code of `steersman run`, on every machine."""

GRACE_SECONDS = 10.0
"""How long the own processes may take to notice by themselves that others have failed."""


@dataclass
class Member:
    """Another machine that has joined."""

    rank: int
    name: str
    line: Line
    ended: Message | None = None
    """How its share of the present stage ended, in its own words."""
    ended_at: float = field(default=0.0)

    @property
    def title(self) -> str:
        """What people call it."""
        return say("machine {rank} ({name})", rank=self.rank, name=self.name)


class Others:
    """All machines but the first. Threads take what they say; the supervisor asks when it likes."""

    def __init__(self, run: RunFolder, place: Place, nodes: int) -> None:
        self.run, self.place, self.nodes = run, place, nodes
        self.members: dict[int, Member] = {}
        self._news: deque[str] = deque()
        self._lock = threading.Lock()
        self._token = secrets.token_hex(8)
        folder = run.root / FOLDER
        folder.mkdir(exist_ok=True)
        for old in folder.iterdir():
            old.unlink(missing_ok=True)
        (folder / self._token).touch()
        self._server = listen(place)
        self.address = str(self._server.getsockname()[0])
        threading.Thread(target=self._accept, daemon=True).start()

    def news(self) -> list[str]:
        """Return what happened since the last call, in sentences."""
        return [self._news.popleft() for _ in range(len(self._news))]

    def missing(self) -> list[int]:
        """Return the machines that have not joined, or are gone again."""
        with self._lock:
            known = {rank for rank, member in self.members.items() if not member.line.gone}
        return [rank for rank in range(1, self.nodes) if rank not in known]

    def wait_for_all(self, tell: Callable[[str], None], stopping: Callable[[], int]) -> bool:
        """Wait until every machine has joined; False if a stop is asked for. Raises after half an hour."""
        started, reminded = time.monotonic(), 0.0
        while missing := self.missing():
            for sentence in self.news():
                tell(sentence)
            if stopping():
                return False
            waited = time.monotonic() - started
            names = ", ".join(map(str, missing))
            if waited > JOINING_SECONDS:
                raise SteersmanError(
                    say(
                        "Machine {names} has not joined within {minutes:.0f} min.",
                        names=names,
                        minutes=waited / 60,
                    ),
                    remedy=say(
                        "Start it there, then resume here: {command}", command=self.command(missing[0])
                    ),
                )
            if not reminded or time.monotonic() - reminded > REMINDER_SECONDS:
                reminded = time.monotonic()
                tell(
                    say(
                        "Waiting for machine {names}. Start there: {command}",
                        names=names,
                        command=self.command(missing[0]),
                    )
                )
            time.sleep(0.1)
        for sentence in self.news():
            tell(sentence)
        return True

    def command(self, rank: int) -> str:
        """Return what a person types on another machine."""
        return f"steersman resume {self.run.root} --master {self.place.master} --machine-rank {rank}"

    def begin(self, task: StageTask) -> StageTask:
        """Tell all to start their share of a stage, and return the first machine's."""
        master = f"{self.address}:{free_port(self.address)}"
        for member in self.members.values():
            member.ended = None
            member.line.send(begin=task.stage, master=master)
        return share(task, master, 0, self.address, str(self.run.stage(task.stage).launch))

    def end(self, seconds: float) -> None:
        """Wait so long for all to end their share by themselves, then tell those that have not."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and any(self._at_work()):
            self._listen()
            time.sleep(0.05)
        for member in self._at_work():
            member.line.send(end=True)

    def trouble(self) -> Judgement | None:
        """Return why the own processes cannot go on, once it is certain: they would wait for ever."""
        self._listen()
        for member in self.members.values():
            if member.line.gone and member.ended is None:
                return self._lost(member)
            if failed(member) and time.monotonic() - member.ended_at > GRACE_SECONDS:
                return self._failed(member)
        return None

    def blame(self, folder: StageFolder, exit_code: int, events: Iterable[AnyEvent]) -> Judgement | None:
        """Return which other machine a failure here came from; None when it began here.

        Processes that lose another one complain of that: their words are a consequence, and the others' first
        words count. `folder` is the failed stage's.
        """
        self._listen()
        told = failures.explain(folder, exit_code, events)
        if told.row not in failures.consequences():
            return None
        for member in self.members.values():
            if member.line.gone and member.ended is None:
                return self._lost(member)
            if failed(member) and member.ended is not None and not member.ended.get("consequence"):
                return self._failed(member)
        return None

    def over(self, state: str, reason: str, code: int) -> None:
        """Say how the run ended, and let everybody go."""
        for member in self.members.values():
            member.line.send(over=state, reason=reason, code=code)
        time.sleep(0.1 if self.members else 0)  # a line that is closed at once may lose its last words
        self._server.close()
        for member in self.members.values():
            member.line.close()

    def _at_work(self) -> list[Member]:
        return [one for one in self.members.values() if one.ended is None and not one.line.gone]

    def _listen(self) -> None:
        for member in self.members.values():
            while (message := member.line.take()) is not None:
                if message.get("stop"):
                    self._news.append(say("{machine} asks to stop.", machine=capital(member.title)))
                    request(self.run)
                if "ended" in message:
                    member.ended, member.ended_at = message, time.monotonic()

    def _lost(self, member: Member) -> Judgement:
        silent = say("It has said nothing for half a minute: it may be down, or the network between.")
        closed = say("Its steersman ended, or was ended.")
        return Judgement(
            say("{machine} is gone.", machine=capital(member.title)),
            silent if member.line.gone == "silent" else closed,
            say("Start it again there, and resume here: {command}", command=self.command(member.rank)),
            fatal=True,
        )

    def _failed(self, member: Member) -> Judgement:
        said = member.ended or {}
        words = [str(said.get(key, "")) for key in ("what", "why", "remedy")]
        return Judgement(
            say("On {machine}: {what}", machine=member.title, what=words[0]), words[1], words[2], fatal=True
        )

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self._welcome, args=(connection,), daemon=True).start()

    def _welcome(self, connection: socket.socket) -> None:
        line = Line(connection)
        hello = line.wait(HELLO_SECONDS) or {}
        rank, name = hello.get("rank"), str(hello.get("name", ""))[:80]
        why = self._refusal(rank, str(hello.get("plan", "")))
        if why or not isinstance(rank, int):
            line.send(refused=why)
            line.close()
            return
        line.send(run=str(self.run.root), token=self._token)
        ready = line.wait(HELLO_SECONDS) or {}
        if not ready.get("ready"):
            self._news.append(
                join(
                    (
                        say("Machine {rank} ({name}) cannot join.", rank=rank, name=name),
                        str(ready.get("why", "")),
                    )
                )
            )
            line.close()
            return
        with self._lock:
            self.members[rank] = Member(rank, name, line)
        self._news.append(
            say("Machine {rank} of {nodes} ({name}) has joined.", rank=rank, nodes=self.nodes, name=name)
        )

    def _refusal(self, rank: Any, plan: str) -> str:
        if not isinstance(rank, int) or not 0 < rank < self.nodes:
            return say(
                "The run is on {nodes} machines: the others are 1 to {last}.",
                nodes=self.nodes,
                last=self.nodes - 1,
            )
        if plan and not same_plan(self.run, plan):
            return say("The first machine runs another plan: give every machine the same file.")
        if rank not in self.missing():
            return say("Machine {rank} has joined already: each needs a number of its own.", rank=rank)
        return ""


@contextlib.contextmanager
def first_of(run: RunFolder, nodes: int, master: str | None) -> Iterator[Others | None]:
    """Let other machines join a run; None for a run on one. Tells them at the end how it ended.

    Raises `BadInput` for several machines without an address at which to join.
    """
    if nodes == 1:
        yield None
        return
    place = place_of(nodes, master, 0 if master else None, {})
    assert place is not None  # that of several machines
    others = Others(run, place, nodes)
    try:
        yield others
    finally:
        status = read_status(run)
        code = CODES.get(status.view.state, ExitCode.STAGE_FAILED)
        error = status.view.error if status.view.state == "failed" else None
        others.over(status.view.state, error.what if error else status.view.reason, int(code))


def same_plan(run: RunFolder, text: str) -> bool:
    """Return whether a plan file says what the run's does, or did before it was replanned."""
    try:
        texts = [path.read_text(encoding="utf-8") for path in (run.plan, *run.earlier_plans()[:1])]
        return text in texts or yaml.safe_load(text) in map(yaml.safe_load, texts)
    except (OSError, ValueError, yaml.YAMLError):
        return False


def failed(member: Member) -> bool:
    """Return whether a machine's share of the stage ended badly."""
    return member.ended is not None and int(member.ended.get("ended", 0)) != 0


def capital(text: str) -> str:
    """Return text that begins a sentence."""
    return text[:1].upper() + text[1:]


def listen(place: Place) -> socket.socket:
    """Return a socket that listens at the first machine's address; `BadInput` if it is not this machine's."""
    server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        server.bind((socket.gethostbyname(place.host), place.port))
        server.listen()
    except OSError as error:
        server.close()
        raise BadInput(
            say(
                "This machine cannot listen at {master}: {reason}.",
                master=place.master,
                reason=error.strerror or error,
            ),
            remedy=say("--master is the address of machine 0, with a port that is free there."),
        ) from error
    return server


def free_port(address: str) -> int:
    """Return a port that nobody uses."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


def share(task: StageTask, master: str, rank: int, address: str, logs: str) -> StageTask:
    """Return a machine's share of a stage that Paddle's launcher starts on several.

    The launcher takes these variables before its options (paddle 3.3.1, launch/context/args_envs.py).
    """
    place = {"PADDLE_MASTER": master, "PADDLE_RANK": str(rank), "POD_IP": address, "PADDLE_LOG_DIR": logs}
    return replace(task, environment={**task.environment, **place})
