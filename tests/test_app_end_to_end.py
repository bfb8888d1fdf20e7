"""The app as a person meets it: in tmux, from the first question to a finished training with real Paddle."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runtime.engines.locks import lock_hash
from runtime.paths import write_atomically
from runtime.run.layout import RunFolder
from runtime.run.status import read_status
from tests.tui.app.conversing import prepare

pytestmark = [
    pytest.mark.engine,
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("tmux"), reason="needs tmux"),
]

TRAINING_SECONDS = 480.0


class Tmux:
    """The app in a tmux window of a server of its own."""

    def __init__(self, socket: str, columns: int = 120, rows: int = 40) -> None:
        self.socket = socket
        self.size = (str(columns), str(rows))

    def __call__(self, *arguments: str) -> str:
        done = subprocess.run(
            ["tmux", "-L", self.socket, *arguments], capture_output=True, text=True, check=True, timeout=30
        )
        return done.stdout

    def start(self, command: str, folder: Path) -> None:
        columns, rows = self.size
        self("-f", "/dev/null", "new-session", "-d", "-x", columns, "-y", rows, "-c", str(folder), command)

    def lose(self) -> None:
        """Lose the terminal, as with a connection: everything in it is hung up. The next one is another."""
        self("kill-server")
        self.socket += "-again"

    def keys(self, *keys: str) -> None:
        self("send-keys", *keys)

    def type(self, text: str) -> None:
        self("send-keys", "-l", text)
        self("send-keys", "Enter")

    @property
    def screen(self) -> str:
        return self("capture-pane", "-p")

    def wait_for(self, pattern: str, seconds: float = 90) -> str:
        """Wait until the screen shows `pattern`."""
        return self.wait_until(lambda: re.search(pattern, self.screen), f"no {pattern!r}", seconds)

    def wait_until(self, condition: Callable[[], object], what: str, seconds: float = 90) -> str:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"{what} on:\n{self.screen}"
            time.sleep(0.2)
        return self.screen


@pytest.fixture
def home(engine_python: Path, tmp_path: Path) -> Path:
    """A fresh data folder in which the real engine is installed."""
    folder = tmp_path / "home"
    engine = folder / "engines" / "paddlenlp-cpu"
    engine.mkdir(parents=True)
    real = engine_python.parent.parent
    for name in ("bin", "lib", "pyvenv.cfg"):
        (engine / name).symlink_to(real / name)
    manifest = (real / "engine.json").read_text(encoding="utf-8") if (real / "engine.json").exists() else ""
    assert lock_hash("paddlenlp", "cpu") in manifest, "the installed engine is of other pins"
    write_atomically(engine / "engine.json", manifest)
    return folder


@pytest.fixture
def tmux(home: Path) -> Iterator[Tmux]:
    window = Tmux(f"steersman-test-{os.getpid()}")
    yield window
    subprocess.run(["tmux", "-L", window.socket, "kill-server"], capture_output=True, check=False)


def run_of(home: Path) -> RunFolder | None:
    folders = [path for path in (home / "runs").glob("*") if (path / "plan.yaml").exists()]
    return RunFolder(folders[0].resolve()) if folders else None


def settled(tmux: Tmux, seconds: float = 30) -> str:
    """Return the screen once it has stood still for a second: nothing is being read or worked out."""
    deadline, since, before = time.monotonic() + seconds, time.monotonic(), tmux.screen
    while time.monotonic() - since < 1 and time.monotonic() < deadline:
        time.sleep(0.1)
        now = tmux.screen
        if now != before:
            before, since = now, time.monotonic()
    return before


def test_from_the_first_question_to_a_finished_training(tmux: Tmux, home: Path, tmp_path: Path) -> None:
    """Answers in own words, defaults for the rest, two settings by `/set`, a lost terminal, the report."""
    folder = prepare(tmp_path / "work")
    variables = {"STEERSMAN_HOME": str(home), "LC_ALL": "C.UTF-8", "PYTHONPATH": str(Path.cwd())}
    setting = " ".join(f"{name}={shlex.quote(value)}" for name, value in variables.items())
    command = f"env -u COLUMNS -u LINES {setting} {shlex.quote(sys.executable)} -m tui.command_line"
    tmux.start(f"sh -c {shlex.quote(command + '; sleep 600')}", folder)

    tmux.wait_for("Make a plan")
    tmux.keys("n")
    tmux.wait_for("Which model do you want to fine-tune")
    tmux.type("./tiny")
    tmux.wait_for("What should it learn from")
    tmux.wait_for(r"Model +\S*/tiny \(\d+K weights")  # another model would be trained for minutes
    tmux.type("chats.jsonl")
    tmux.wait_for(r"✓ Data")
    tmux.wait_until(lambda: "Which data" not in tmux.screen and "Memory" in tmux.screen, "no plan")
    tmux.type("/set method=full")  # so small a model learns to end its answers only with all its weights
    tmux.wait_for(r"Method +full")
    tmux.type("/set max_steps=160")
    tmux.wait_for(r"Steps +160")
    for _ in range(20):  # every other default
        if "What now?" in settled(tmux):
            break
        tmux.keys("Enter")
    tmux.wait_for("What now?")
    tmux.keys("a", "Enter")
    tmux.wait_until(lambda: run_of(home), "no run was started")
    run = run_of(home)
    assert run is not None
    tmux.wait_for("✓ .*done", 120)

    # Losing the connection loses nothing: the app is killed, the run goes on, and is found again.
    tmux.lose()
    tmux.start(f"sh -c {shlex.quote(command + '; sleep 600')}", folder)
    ended = ("finished", "failed", "stopped", "lost")
    tmux.wait_until(lambda: read_status(run).state in ended, "the run did not end", TRAINING_SECONDS)
    status = read_status(run)
    assert status.state == "finished", f"{status.reason}\n{tmux.screen}"
    proofs = [proof for stage in status.view.stages.values() for proof in stage.proofs.values()]
    assert len(proofs) >= 6 and all(proof.passed for proof in proofs)
    assert (run.root / "report.html").read_text(encoding="utf-8").count("<svg") == 3

    tmux.wait_for(re.escape(run.name[:12]))
    tmux.wait_for(r"(?i)done")
    tmux.keys("C-q")
    tmux.keys("C-q")
