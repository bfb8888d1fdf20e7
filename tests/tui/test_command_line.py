"""The outermost layer: help, unknown commands, the headless flag, and errors that nobody foresaw."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tui.command_line import COMMANDS, SECTIONS


def steersman(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "STEERSMAN_HOME": str(home)}
    command = [sys.executable, "-m", "tui.command_line", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)


def test_bare_call_prints_help_that_names_every_command(tmp_path: Path) -> None:
    done = steersman(home=tmp_path)
    assert done.returncode == 0
    assert all(name in done.stdout for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name: str, tmp_path: Path) -> None:
    done = steersman(name, "--help", home=tmp_path)
    assert done.returncode == 0
    assert f"steersman {name}" in done.stdout
    assert "Example" in done.stdout


def test_unknown_command_is_bad_input(tmp_path: Path) -> None:
    done = steersman("plna", home=tmp_path)
    assert done.returncode == 2
    assert "plna" in done.stderr


@pytest.mark.parametrize("way", [("run",), ("--plan-file",)])
def test_missing_plan_file_is_one_sentence(way: tuple[str, ...], tmp_path: Path) -> None:
    done = steersman(*way, str(tmp_path / "no-such-plan.yaml"), home=tmp_path)
    assert done.returncode == 2
    assert "no-such-plan.yaml" in done.stderr
    assert "Traceback" not in done.stderr


def test_unforeseen_error_names_a_log_that_holds_the_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from tui.command_line import fail

    monkeypatch.setenv("STEERSMAN_HOME", str(tmp_path))
    try:
        raise ZeroDivisionError("in the test")
    except ZeroDivisionError as error:
        assert fail(error) == 4
    shown = capsys.readouterr().err
    log = next((tmp_path / "logs").glob("unforeseen-*.txt"))
    assert str(log) in shown
    assert "Traceback" not in shown
    assert "ZeroDivisionError: in the test" in log.read_text()


def test_help_lists_the_commands_under_their_headings(tmp_path: Path) -> None:
    shown = steersman("--help", home=tmp_path).stdout
    places = [shown.index(f"\n{heading}:\n") for heading in SECTIONS]
    assert places == sorted(places)
    for heading, commands in SECTIONS.items():
        section = shown.partition(f"\n{heading}:\n")[2].partition("\n\n")[0]
        listed = [line.split()[0] for line in section.splitlines() if line[2] != " "]
        assert listed == list(commands)
