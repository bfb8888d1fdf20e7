"""Talking to a run's models: the worker, the command in a real terminal, and its refusals."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from planner.errors import BadInput, StageFailed
from planner.planfile import dumps
from runtime.chat import ChatPlace, ChatWorker, find_models
from runtime.engines.locks import lock_hash
from runtime.events import State
from runtime.line_worker import LineWorker
from runtime.paths import write_atomically
from runtime.run.journal import Journal
from runtime.run.layout import RunFolder, create_run
from tests.planner.scenes import plan
from tests.runtime.results_setup import CHATS, LEARNT, Trained

pytestmark = pytest.mark.engine

STEERSMAN = (sys.executable, "-m", "tui.command_line")


@pytest.fixture
def home(engine_python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of Steersman in which the engine is installed."""
    folder = tmp_path / "home"
    engine = folder / "engines" / "paddlenlp-cpu"
    engine.mkdir(parents=True)
    for name in ("bin", "lib", "pyvenv.cfg"):
        (engine / name).symlink_to(engine_python.parent.parent / name)
    manifest = {
        "engine": "paddlenlp",
        "build": "cpu",
        "lock_sha256": lock_hash("paddlenlp", "cpu"),
        "python": "3",
        "interpreter": str(engine_python),
        "packages": {},
        "installed_at": 0,
        "steersman": "0",
    }
    write_atomically(engine / "engine.json", json.dumps(manifest))
    monkeypatch.setenv("STEERSMAN_HOME", str(folder))
    return folder


def make_run(home: Path, taught: Trained, *, proven: tuple[str, ...] = ("convert", "merge")) -> RunFolder:
    """Make the run folder that a finished run of the taught model leaves."""
    run = create_run(home / "runs" / "tiny", dumps(plan()))
    paths = {"convert": taught.base, "merge": taught.root / "taught"}
    journal = Journal(run.journal)
    for stage in proven:
        outputs = {"model": {"path": str(paths[stage]), "files": {}, "bytes": 0}}
        journal.append(State(t=time.time(), stage=stage, state="committed", outputs=outputs))
    journal.close()
    return run


@pytest.fixture
def place(home: Path, taught: Trained) -> ChatPlace:
    """Where the models of such a run are."""
    return find_models(make_run(home, taught))


def test_the_worker_streams_answers_of_both_models(place: ChatPlace) -> None:
    """Pieces add up to the answer; the base model says something else; a wrong request ends nothing."""
    with ChatWorker(place) as worker:
        replies = list(worker.ask(CHATS[0], max_new_tokens=40))
        assert [reply["kind"] for reply in replies[:2]] == ["loading", "ready"]
        pieces = [reply["text"] for reply in replies if reply["kind"] == "piece"]
        assert len(pieces) > 5 and "".join(pieces) == LEARNT == replies[-1]["text"]
        assert replies[-1]["reason"] == "ended" and replies[-1]["tokens_per_second"] > 0
        with pytest.raises(StageFailed, match="must end with a message"):
            list(worker.ask([]))
        base = list(worker.ask(CHATS[0], "base", max_new_tokens=4))
        assert base[-1]["reason"] == "length" and base[-1]["tokens"] == 4
        assert not base[-1]["text"].startswith("I am")
        drawn = [
            list(worker.ask(CHATS[0], "base", temperature=2, seed=seed, max_new_tokens=9))[-1]["text"]
            for seed in (1, 1, 2)
        ]
        assert drawn[0] == drawn[1] != drawn[2]
    assert worker.process.returncode == 0


def test_a_model_makes_way_where_both_do_not_fit(place: ChatPlace) -> None:
    spec = {"base": str(place.base), "model": str(place.model), "free_bytes": 0}
    with LineWorker("chat", place.folder, place.python, place.environment, spec) as worker:
        asked = {"messages": CHATS[0], "max_new_tokens": 40}
        told = []
        for which in ("tuned", "base", "base", "tuned"):
            *replies, end = worker.request({**asked, "which": which})
            told.append([(one["kind"], one["which"]) for one in replies if one["kind"] != "piece"])
        assert told == [
            [("loading", "tuned"), ("ready", "tuned")],
            [("unloaded", "tuned"), ("loading", "base"), ("ready", "base")],
            [],
            [("unloaded", "base"), ("loading", "tuned"), ("ready", "tuned")],
        ]
        assert end["text"] == LEARNT


def test_an_interrupt_ends_the_answer_and_not_the_worker(place: ChatPlace) -> None:
    with ChatWorker(place) as worker:
        replies = worker.ask(CHATS[0], "base", max_new_tokens=400)
        for reply in replies:
            if reply["kind"] == "piece":
                worker.interrupt()
                break
        end = list(replies)[-1]
        assert end["reason"] == "interrupted" and 0 < end["tokens"] < 400
        assert list(worker.ask(CHATS[0], max_new_tokens=40))[-1]["text"] == LEARNT


def test_a_worker_that_dies_is_reported_with_its_log(place: ChatPlace) -> None:
    worker = ChatWorker(place)
    worker.process.kill()
    with pytest.raises(StageFailed, match="ended"):
        list(worker.ask(CHATS[0]))
    worker.close()


def test_one_shot_prints_the_answer_alone(place: ChatPlace) -> None:
    done = subprocess.run(
        [*STEERSMAN, "chat", "latest", "--prompt", CHATS[0][0]["content"]],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, f"{LEARNT}\n"), done.stderr
    assert "per second" in done.stderr
    line = json.loads(place.transcript.read_text())
    assert (line["which"], line["answer"], line["messages"]) == ("tuned", LEARNT, CHATS[0])


def test_a_conversation_can_be_piped_in(place: ChatPlace, tmp_path: Path) -> None:
    saved = tmp_path / "talk.md"
    lines = ["Hi", "/both", "Hi", f"/save {saved}", "/reset", "/nonsense", f"/save {saved}", "/quit", "never"]
    done = subprocess.run(
        [*STEERSMAN, "chat", str(place.run.root), "--max-new-tokens", "8"],
        input="\n".join(lines),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in place.transcript.read_text().splitlines()]
    assert [record["which"] for record in records] == ["tuned", "base", "tuned"]
    assert [len(record["messages"]) for record in records] == [1, 1, 3]
    assert "cut at --max-new-tokens" in done.stderr
    assert "There is no /nonsense" in done.stderr
    assert "Nothing has been said yet." in done.stderr
    assert saved.read_text().count("**user**\n\nHi") == 3


class Terminal:
    """The command in a pseudo-terminal."""

    def __init__(self, *arguments: str) -> None:
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:
            os.execv(sys.executable, [*STEERSMAN, *arguments])
        self.seen = ""

    def wait_for(self, pattern: str, seconds: float = 120) -> None:
        """Read until `pattern` is seen in what came since the last match."""
        deadline = time.monotonic() + seconds
        while not (found := re.search(pattern, self.seen)):
            assert time.monotonic() < deadline, f"no {pattern!r} in {self.seen!r}"
            if select.select([self.descriptor], [], [], 0.2)[0]:
                self.seen += os.read(self.descriptor, 65536).decode(errors="replace")
        self.seen = self.seen[found.end() :]

    def type(self, text: str) -> None:
        """Type something."""
        os.write(self.descriptor, text.encode())

    def exit_code(self) -> int:
        """Wait for the end."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_ctrl_c_ends_the_answer_and_ctrl_d_the_chat(place: ChatPlace) -> None:
    """In a real terminal; no process is left behind."""
    terminal = Terminal("chat", str(place.run.root), "--base", "--max-new-tokens", "450")
    terminal.wait_for("base> ")
    worker = psutil.Process(terminal.pid).children()[0]
    terminal.type("Hi\n")
    terminal.wait_for("Loading the base model")
    terminal.wait_for("\n.+")
    terminal.type("\x03")
    terminal.wait_for("interrupted")
    terminal.wait_for("base> ")
    time.sleep(0.5)  # Python's readline prints its prompt a moment before it listens for Ctrl-C
    terminal.type("\x03")
    terminal.wait_for("leaves")
    terminal.type("/tuned\n")
    terminal.wait_for("tuned> ")
    terminal.type("Hi\n")
    terminal.wait_for(re.escape(LEARNT))
    terminal.wait_for("tuned> ")
    terminal.type("\x04")
    assert terminal.exit_code() == 0
    psutil.wait_procs([worker], timeout=20)
    assert not worker.is_running()


def test_the_worker_ends_when_the_chat_is_killed(place: ChatPlace) -> None:
    terminal = Terminal("chat", str(place.run.root))
    terminal.wait_for("tuned> ")
    worker = psutil.Process(terminal.pid).children()[0]
    os.kill(terminal.pid, signal.SIGKILL)
    assert terminal.exit_code() == -signal.SIGKILL
    gone, _ = psutil.wait_procs([worker], timeout=60)
    assert gone


def test_a_run_without_a_proven_merge_is_refused(home: Path, taught: Trained) -> None:
    run = make_run(home, taught, proven=("convert",))
    with pytest.raises(BadInput, match="merge is not proven") as refusal:
        find_models(run)
    assert "steersman resume tiny" in refusal.value.remedy


def test_a_model_that_was_deleted_is_refused(home: Path, taught: Trained, tmp_path: Path) -> None:
    run = make_run(home, Trained(tmp_path))
    with pytest.raises(BadInput, match="is gone"):
        find_models(run)
