"""Several machines: which one this is, who may join, and what happens to all when something happens to one.

Each machine is a process of its own on the loopback, with the stand-in stages of the run engine.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from planner.errors import BadInput, ExitCode
from runtime.events import Error, Log
from runtime.run import machine_member
from runtime.run.layout import RunFolder, create_run
from runtime.run.machine_host import free_port
from runtime.run.machine_talk import Line
from runtime.run.machines import Place, first_host, place_of
from runtime.run.processes import Identity, members, send
from tests.runtime import stand_in_table
from tests.runtime.stand_in_run import events, states, wait_until

HERE = "127.0.0.1"

JOIN = """
import sys
from runtime.run.machine_member import join_run
from runtime.run.machines import Place
from planner.errors import SteersmanError
try:
    sys.exit(join_run(Place("127.0.0.1", int(sys.argv[1]), int(sys.argv[2])), sys.argv[3], print))
except SteersmanError as error:
    print(error.sentence(), flush=True)
    sys.exit(int(error.exit_code))
"""


@pytest.mark.parametrize(
    ("nodes", "master", "rank", "environment", "place"),
    [
        (1, None, None, {"SLURM_NNODES": "2", "SLURM_NODEID": "1"}, None),
        (2, "10.0.0.1:29300", 1, {}, Place("10.0.0.1", 29300, 1)),
        (2, None, None, {"PADDLE_MASTER": "http://a:80", "PADDLE_RANK": "0"}, Place("a", 80, 0)),
        (2, None, 1, {"PADDLE_MASTER": "a:80", "PADDLE_RANK": "0"}, Place("a", 80, 1)),
        (
            4,
            None,
            None,
            {
                "SLURM_NNODES": "4",
                "SLURM_NODEID": "3",
                "SLURM_JOB_NODELIST": "gpu[08-11]",
                "SLURM_JOB_ID": "71234",
            },
            Place("gpu08", 29534, 3),
        ),
    ],
)
def test_options_and_clusters_say_which_machine_this_is(
    nodes: int, master: str | None, rank: int | None, environment: dict[str, str], place: Place | None
) -> None:
    assert place_of(nodes, master, rank, environment) == place


@pytest.mark.parametrize(
    ("nodes", "master", "rank", "environment", "sentence"),
    [
        (1, "a:1", None, {}, "The plan is for one machine"),
        (2, None, None, {}, "nothing says which of them this is"),
        (2, "a:1", None, {}, "nothing says which of them this is"),
        (2, "a:1", 2, {}, "There is no machine 2: the plan's 2 are 0 to 1"),
        (2, "10.0.0.1", 0, {}, "'10.0.0.1' is no address"),
        (2, "10.0.0.1:99999", 0, {}, "is no address"),
        (
            2,
            None,
            None,
            {"SLURM_NNODES": "3", "SLURM_NODEID": "0"},
            "started 3 machines, and the plan is for 2",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(
    nodes: int, master: str | None, rank: int | None, environment: dict[str, str], sentence: str
) -> None:
    with pytest.raises(BadInput, match=sentence):
        place_of(nodes, master, rank, environment)


@pytest.mark.parametrize(
    ("listing", "host"),
    [("gpu[03-05,9],login", "gpu03"), ("a,b", "a"), ("n1", "n1"), ("r[1-2]-x,r9-x", "r1-x"), ("", "")],
)
def test_the_first_host_of_a_list_of_slurm(listing: str, host: str) -> None:
    assert first_host(listing) == host


class Machines:
    """Two machines with one run folder."""

    def __init__(self, root: Path, **train: Any) -> None:
        self.root = root
        stages = {"acquire": {}, "train": {"machines": 2, "stop_seconds": 20, **train}, "report": {}}
        self.plan = yaml.safe_dump({"name": "stand-in", "machines": 2, "stages": stages}, sort_keys=False)
        self.run: RunFolder = create_run(root / "run", self.plan)
        self.port = free_port(HERE)
        self.started: list[subprocess.Popen[bytes]] = []

    def first(self) -> subprocess.Popen[bytes]:
        self.run.stop_requests.unlink(missing_ok=True)
        command = ["-m", "runtime.run.supervise", str(self.run.root), "--master", f"{HERE}:{self.port}"]
        return self._start(command, self.run.supervisor_log)

    def member(self, rank: int = 1, plan: str = "") -> subprocess.Popen[bytes]:
        return self._start(["-c", JOIN, str(self.port), str(rank), plan], self.root / f"member-{rank}.txt")

    def _start(self, arguments: list[str], log: Path) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "STEERSMAN_STAGE_TABLE": stand_in_table.NAME, "PYTHONUNBUFFERED": "1"}
        with log.open("ab") as file:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                stdout=file,
                stderr=file,
                env=environment,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def said(self, rank: int = 1) -> str:
        """Return what a member told its person."""
        return (self.root / f"member-{rank}.txt").read_text()

    def journal(self) -> str:
        """Return the sentences of the run's journal."""
        found = [event for event in events(self.run) if isinstance(event, Log)]
        errors = [event for event in events(self.run) if isinstance(event, Error)]
        return "\n".join(
            [event.message for event in found] + [f"{one.what} {one.why} {one.remedy}" for one in errors]
        )

    def wait_for_step(self, step: int) -> None:
        path = self.run.stage("train").root / "checkpoint"
        wait_until(lambda: path.exists() and int(path.read_text()) >= step, f"step {step}")

    def share(self, before: Identity | None = None) -> Identity:
        """Return the process of the member's share once it runs; another one than `before`."""
        path = self.run.stage("train").root / "machine-1" / "process.json"
        wait_until(lambda: Identity.load(path) not in (None, before), "the member's share")
        identity = Identity.load(path)
        assert identity is not None
        return identity


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Any]:
    made: list[Machines] = []

    def make(**train: Any) -> Machines:
        made.append(Machines(tmp_path, **train))
        return made[-1]

    yield make
    for machines in made:
        for process in machines.started:
            process.kill()
            process.wait()
        stages = (machines.run.root / "stages").glob("**")
        send([one for folder in stages for one in members(folder, None)], signal.SIGKILL)


def test_two_machines_do_a_run_together(start: Any) -> None:
    machines = start(steps=3)
    member, first = machines.member(plan=machines.plan), machines.first()
    assert (first.wait(60), member.wait(60)) == (0, 0), machines.said()
    assert "Machine 1 of 2" in machines.journal() and "has joined" in machines.journal()
    assert (
        "train: started here" in machines.said() and "The run is over on the first machine" in machines.said()
    )
    folder = machines.run.stage("train").root / "machine-1"
    assert f"the first machine is at {HERE}:" in (folder / "log.txt").read_text()
    assert states(machines.run, "report")[-1] == "committed"
    assert not (machines.run.stage("acquire").root / "machine-1").exists()


LONG = {"steps": 400, "step_seconds": 0.05, "save_steps": 1}


def test_one_that_is_gone_is_named_and_resume_goes_on(start: Any) -> None:
    machines = start(**LONG)
    first, member = machines.first(), machines.member()
    share = machines.share()
    machines.wait_for_step(2)
    member.kill()
    assert first.wait(60) == ExitCode.STAGE_FAILED
    assert "Machine 1 (" in machines.journal() and "is gone." in machines.journal()
    assert "--machine-rank 1" in machines.journal()
    stopped = int((machines.run.stage("train").root / "checkpoint").read_text())
    first, member = machines.first(), machines.member()
    machines.wait_for_step(stopped + 2)
    machines.share(before=share)
    assert share.process() is None  # what the killed one left running
    first.send_signal(signal.SIGINT)
    assert (first.wait(60), member.wait(60)) == (ExitCode.INTERRUPTED, ExitCode.INTERRUPTED)
    assert "stopped" in machines.said()


def test_nobody_starts_a_run_on_several_machines_without_saying_where(start: Any) -> None:
    machines = start(steps=1)
    alone = subprocess.run(
        [sys.executable, "-m", "runtime.run.supervise", str(machines.run.root)],
        capture_output=True,
        env={**os.environ, "STEERSMAN_STAGE_TABLE": stand_in_table.NAME},
        check=False,
    )
    assert alone.returncode == ExitCode.BAD_INPUT
    assert b"nothing says which of them this is" in alone.stdout


def test_when_the_first_is_gone_the_others_end(start: Any) -> None:
    machines = start(**LONG)
    first, member = machines.first(), machines.member()
    share = machines.share()
    machines.wait_for_step(1)
    first.kill()
    assert member.wait(60) == ExitCode.STAGE_FAILED
    assert "The first machine is gone." in machines.said()
    assert share.process() is None
    machines.first(), machines.member()
    machines.share(before=share)


def test_a_failure_on_one_is_told_on_the_other(start: Any) -> None:
    machines = start(fails_elsewhere="the tide is out", steps=2000)
    first, member = machines.first(), machines.member()
    assert first.wait(60) == ExitCode.STAGE_FAILED
    assert member.wait(60) == ExitCode.STAGE_FAILED
    assert "On machine 1 (" in machines.journal()
    assert "the tide is out" in machines.journal()


def test_any_machine_may_stop_the_run(start: Any) -> None:
    machines = start(**LONG)
    first, member = machines.first(), machines.member()
    machines.share()
    machines.wait_for_step(1)
    member.send_signal(signal.SIGINT)
    assert (first.wait(60), member.wait(60)) == (ExitCode.INTERRUPTED, ExitCode.INTERRUPTED)
    assert "asks to stop" in machines.journal()


def test_who_does_not_belong_is_refused(start: Any) -> None:
    machines = start(steps=1)
    machines.first()
    other = machines.member(2)
    assert other.wait(60) == ExitCode.BAD_INPUT
    assert "the others are 1 to 1" in machines.said(2)
    wrong = machines.member(1, "name: other\nstages: {}\n")
    assert wrong.wait(60) == ExitCode.BAD_INPUT
    assert "runs another plan" in machines.said(1)
    wait_until(lambda: "Waiting for machine 1" in machines.journal(), "it is waited for")


def test_a_folder_that_is_not_shared_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine_member, "SEEING_SECONDS", 0.3)
    server = socket.create_server((HERE, 0))
    heard: list[Any] = []

    def first_machine() -> None:
        line = Line(server.accept()[0])
        line.wait(10)
        line.send(run=str(tmp_path / "elsewhere"), token="token")
        heard.append(line.wait(10))
        line.close()

    thread = threading.Thread(target=first_machine)
    thread.start()
    with pytest.raises(BadInput, match="of the first machine is not here") as refused:
        machine_member.join_run(Place(HERE, server.getsockname()[1], 1), "", print)
    thread.join(20)
    server.close()
    assert "file system that all machines share" in refused.value.remedy
    assert heard[0]["ready"] is False and "is not here" in heard[0]["why"]
