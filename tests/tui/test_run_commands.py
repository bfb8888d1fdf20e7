"""The run commands as a person or a script uses them: real processes, real signals, real terminals."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from runtime.events import EVENT
from runtime.run.layout import RunFolder
from runtime.run.status import read_status
from tests.runtime import stand_in_table
from tests.runtime.stand_in_run import events, executions, plan_text, wait_until, worker

STEERSMAN = [sys.executable, "-m", "tui.command_line"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STEERSMAN_STAGE_TABLE", stand_in_table.NAME)
    monkeypatch.setenv("STEERSMAN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


def plan(folder: Path, **stages: dict[str, Any]) -> Path:
    path = folder / "plan.yaml"
    path.write_text(plan_text(**stages), encoding="utf-8")
    return path


def steersman(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [*STEERSMAN, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def started(*arguments: str | Path) -> subprocess.Popen[str]:
    command = [*STEERSMAN, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_run_to_its_end_then_again(tmp_path: Path) -> None:
    file = plan(tmp_path, a={}, b={"steps": 3})
    first = steersman("run", file, "--run", "mine")
    assert first.returncode == 0, first.stderr
    assert "b: done in" in first.stderr
    assert "Run folder" in first.stdout
    assert str(tmp_path / "mine") in first.stdout
    again = steersman("run", file, "--run", "mine")
    assert again.returncode == 0
    assert "Continuing the run" in again.stderr
    assert "b: skipped: proven" in again.stderr
    assert executions(RunFolder(tmp_path / "mine")) == ["a", "b"]


def test_a_comment_in_the_plan_does_not_make_it_another(tmp_path: Path) -> None:
    file = plan(tmp_path, a={})
    assert steersman("run", file, "--run", "mine").returncode == 0
    file.write_text("# mine\n" + file.read_text())
    assert steersman("run", file, "--run", "mine").returncode == 0


def test_another_plan_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    assert steersman("run", plan(tmp_path, a={}), "--run", "mine").returncode == 0
    refused = steersman("run", plan(tmp_path, a={"value": 2}), "--run", "mine")
    assert refused.returncode == 2
    assert "holds a run of another plan. Name another folder with --run" in refused.stderr


def test_without_a_folder_each_plan_gets_its_own_in_the_runs_folder(tmp_path: Path, home: Path) -> None:
    for value in (1, 2, 1):
        assert steersman("run", plan(tmp_path, a={"value": value})).returncode == 0
    assert sorted(path.name for path in (home / "runs").iterdir()) == ["stand-in", "stand-in-2"]
    rows = json.loads(steersman("runs", "--json").stdout)
    assert [(row["run"], row["state"]) for row in rows] == [
        ("stand-in", "finished"),
        ("stand-in-2", "finished"),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [(None, "cannot be read"), (b"\xff\xfe\x00", "not a text file"), (b"hello", "is not a plan")],
)
def test_a_file_that_is_no_plan_is_one_sentence_and_exit_code_2(
    tmp_path: Path, text: bytes | None, words: str
) -> None:
    file = tmp_path / "plan.yaml"
    if text is not None:
        file.write_bytes(text)
    done = steersman("run", file)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert str(file) in done.stderr


def test_a_failed_stage_is_exit_code_4_with_the_log_and_the_way_on(tmp_path: Path) -> None:
    done = steersman("run", plan(tmp_path, a={}, train={"raise": "moon"}), "--run", "mine")
    assert done.returncode == 4
    assert "RuntimeError: moon" in done.stderr
    assert f"Log: {tmp_path / 'mine/stages/train/log.txt'}" in done.stderr
    assert f"steersman resume {tmp_path / 'mine'}" in done.stderr
    assert "Traceback" not in done.stderr
    log = steersman("logs", "mine")
    assert "RuntimeError: moon" in log.stdout, "the failed stage's log is the default"


def test_a_missing_engine_is_exit_code_2_before_anything_starts(tmp_path: Path) -> None:
    done = steersman("run", plan(tmp_path, broken={}), "--run", "mine")
    assert (done.returncode, done.stdout) == (2, "")
    assert "The engine is not installed. Run: steersman engines install paddlenlp" in done.stderr
    assert not (tmp_path / "mine" / "journal.jsonl").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_gracefully_and_resume_continues(tmp_path: Path, number: signal.Signals) -> None:
    file = plan(tmp_path, train={"steps": 25, "step_seconds": 0.1, "stop_seconds": 60})
    front = started("run", file, "--run", "mine")
    run = RunFolder(tmp_path / "mine")
    wait_until(lambda: any(e.kind == "metric" for e in events(run)), "training")
    front.send_signal(number)
    _, talk = front.communicate(timeout=60)
    assert front.returncode == 130
    assert "Stopping train gracefully; asking again ends it at once" in talk
    assert f"Continue with: steersman resume {run.root}" in talk
    done = steersman("resume", "mine")
    assert done.returncode == 0, done.stderr
    assert [e.step for e in events(run) if e.kind == "metric"] == list(range(1, 26))


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    behaviour = {"wait_for": str(tmp_path / "never"), "stop_seconds": 600}
    front = started("run", plan(tmp_path, train=behaviour), "--run", "mine")
    run = RunFolder(tmp_path / "mine")
    worker(run, "train")
    for count in (1, 2):
        front.send_signal(signal.SIGINT)
        stopping = lambda: [e for e in events(run) if e.kind == "state" and e.state == "stopping"]  # noqa: E731
        wait_until(lambda: len(stopping()) >= count, f"signal {count} was heard")  # noqa: B023
    front.communicate(timeout=60)
    assert front.returncode == 130


def test_a_killed_front_end_takes_nothing_with_it(tmp_path: Path) -> None:
    front = started("run", plan(tmp_path, a={"wait_for": str(tmp_path / "go")}, b={}), "--run", "mine")
    run = RunFolder(tmp_path / "mine")
    worker(run, "a")
    front.kill()
    front.communicate()
    assert read_status(run).state == "running"
    (tmp_path / "go").touch()
    wait_until(lambda: read_status(run).state == "finished", "the run went on")


def test_detach_returns_at_once_and_stop_works_from_elsewhere(tmp_path: Path) -> None:
    file = plan(tmp_path, train={"steps": 400, "step_seconds": 0.05, "stop_seconds": 60})
    done = steersman("run", file, "--run", "mine", "--detach")
    assert (done.returncode, done.stdout.strip()) == (0, str(tmp_path / "mine"))
    run = RunFolder(tmp_path / "mine")
    wait_until(lambda: any(e.kind == "metric" for e in events(run)), "training")
    status = json.loads(steersman("status", "mine", "--json").stdout)
    assert (status["state"], status["stages"][0]["state"]) == ("running", "running")
    assert status["stages"][0]["metric"]["values"]["loss"] > 0
    twice = steersman("run", file, "--run", "mine")
    assert twice.returncode == 2
    assert "is already running" in twice.stderr
    assert steersman("stop", "mine").returncode == 0
    wait_until(lambda: read_status(run).state == "stopped", "stopped")
    late = steersman("stop", "mine")
    assert late.returncode == 2
    assert "is not running" in late.stderr


def test_events_are_json_lines_on_stdout_and_nothing_else(tmp_path: Path) -> None:
    done = steersman("run", plan(tmp_path, a={"steps": 3, "nan": True}), "--run", "mine", "--events")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    parsed = [EVENT.validate_json(line) for line in lines]
    assert parsed[0].kind == "state"
    assert (parsed[-1].kind, parsed[-1].stage) == ("state", "")
    assert sum(event.kind == "metric" for event in parsed) == 3
    for line in lines:
        json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def test_a_reader_that_goes_away_stops_the_run_gracefully(tmp_path: Path) -> None:
    file = plan(tmp_path, train={"steps": 400, "step_seconds": 0.05, "stop_seconds": 60})
    front = started("run", file, "--run", "mine", "--events")
    assert front.stdout is not None
    front.stdout.readline()
    front.stdout.close()
    front.wait(timeout=60)
    assert read_status(RunFolder(tmp_path / "mine")).state == "stopped"


def test_a_dry_run_shows_configs_and_commands_and_touches_nothing(tmp_path: Path) -> None:
    file = plan(tmp_path, a={"value": 7}, b={})
    done = steersman("run", file, "--run", "mine", "--dry-run")
    assert done.returncode == 0
    assert "# a: run, not done yet" in done.stdout
    assert '"value": 7' in done.stdout
    assert "stand_in_stage.py" in done.stdout
    assert not (tmp_path / "mine").exists()


def test_a_dry_run_of_an_existing_run_gives_the_reasons_of_the_real_one(tmp_path: Path) -> None:
    assert steersman("run", plan(tmp_path, a={}, b={"value": 1}, c={}), "--run", "mine").returncode == 0
    (tmp_path / "mine" / "plan.yaml").write_text(plan_text(a={}, b={"value": 2}, c={}))
    foreseen = steersman("resume", "mine", "--dry-run").stdout
    assert "# a: skip, proven at" in foreseen
    assert "# b: redo, its settings changed: value 1 -> 2" in foreseen
    assert "# c: redo, unless b gives the same result as before" in foreseen
    real = steersman("resume", "mine")
    assert "b: is done again: its settings changed: value 1 -> 2" in real.stderr


def test_until_and_an_unknown_stage(tmp_path: Path) -> None:
    file = plan(tmp_path, convert={}, train={})
    wrong = steersman("run", file, "--until", "trian")
    assert wrong.returncode == 2
    assert "There is no stage trian. Did you mean train?" in wrong.stderr
    assert steersman("run", file, "--run", "mine", "--until", "convert").returncode == 0
    assert executions(RunFolder(tmp_path / "mine")) == ["convert"]


def test_a_lost_run_is_called_lost(tmp_path: Path) -> None:
    behaviour = {"wait_for": str(tmp_path / "go"), "stops_waiting": True}
    front = started("run", plan(tmp_path, a=behaviour), "--run", "mine")
    run = RunFolder(tmp_path / "mine")
    pid = worker(run, "a")
    supervisor = json.loads(run.supervisor.read_text())["pid"]
    os.kill(supervisor, signal.SIGKILL)
    _, talk = front.communicate(timeout=60)
    assert front.returncode == 4
    assert "The supervisor of mine was ended from outside. Continue with: steersman resume" in talk
    status = steersman("status", "mine")
    assert "mine: lost" in status.stdout
    assert str(pid) in status.stdout
    stopped = steersman("stop", "mine")
    assert stopped.returncode == 0
    assert not read_status(run).orphans
    (tmp_path / "go").touch()
    assert steersman("resume", "mine").returncode == 0


@pytest.mark.parametrize("command", ["resume", "status", "stop", "logs", "watch"])
def test_a_run_that_does_not_exist_is_one_sentence(command: str, tmp_path: Path) -> None:
    done = steersman(command, "nothing-here")
    assert done.returncode == 2
    assert "There is no run 'nothing-here'" in done.stderr
    assert "Traceback" not in done.stderr
    done = steersman(command, tmp_path)
    assert done.returncode == 2
    assert "is not a run folder" in done.stderr


def test_logs_follow_until_the_run_ends(tmp_path: Path) -> None:
    file = plan(
        tmp_path, a={"prints": ["first line"]}, b={"wait_for": str(tmp_path / "go"), "prints": ["last"]}
    )
    assert steersman("run", file, "--run", "mine", "--detach").returncode == 0
    follower = started("logs", "mine", "--follow")
    worker(RunFolder(tmp_path / "mine"), "b")
    (tmp_path / "go").touch()
    text, _ = follower.communicate(timeout=60)
    assert "first line" in text
    assert "hello from b" in text


@pytest.mark.parametrize("command", ["run", "resume", "status", "runs", "stop", "logs", "watch"])
def test_help_has_examples(command: str) -> None:
    done = steersman(command, "--help")
    assert done.returncode == 0
    assert "Examples:" in done.stdout
    assert f"steersman {command}" in done.stdout


def test_in_a_terminal_the_picture_is_live_fits_80_columns_and_ctrl_c_stops(tmp_path: Path) -> None:
    file = plan(tmp_path, a={}, train={"steps": 200, "step_seconds": 0.05, "stop_seconds": 60}, report={})
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "xterm-256color"
        os.execv(sys.executable, [*STEERSMAN[:1], *STEERSMAN[1:], "run", str(file), "--run", "mine"])
    shown = b""
    pressed = False
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        ready, _, _ = select.select([terminal], [], [], 0.2)
        try:
            chunk = os.read(terminal, 1 << 16) if ready else b""
        except OSError:
            break
        shown += chunk
        if not pressed and "━".encode() in shown:
            os.write(terminal, b"\x03")
            pressed = True
    _, code = os.waitpid(pid, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(code) == 130
    text = shown.decode(errors="replace")
    assert "▶" in text
    assert "running" in text
    assert "━" in text
    assert "Continue with: steersman resume" in text.replace("\r\n", " ")


def test_plan_file_is_the_same_as_run(tmp_path: Path, home: Path) -> None:
    done = steersman("--plan-file", plan(tmp_path, a={}))
    assert done.returncode == 0, done.stderr
    assert executions(RunFolder(home / "runs" / "stand-in")) == ["a"]
    failed = steersman("--plan-file", plan(tmp_path, a={"exit": 3}))
    assert failed.returncode == 4
