"""`steersman engines` and `steersman doctor`: data on stdout, talk on stderr, exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from planner.facts import HardwareFacts
from runtime.doctor import TOKENS, examine_machine, examine_terminal, examine_tokens
from runtime.probe import Probe, probe
from tui.command_line import cli, main


def steersman(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    import os

    environment = {**os.environ, "STEERSMAN_HOME": str(home)}
    command = [sys.executable, "-m", "tui.command_line", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_list_shows_every_build_and_json_is_pure_data(tmp_path: Path) -> None:
    done = steersman("engines", "list", "--json", home=tmp_path)
    assert done.returncode == 0 and done.stderr == ""
    rows = json.loads(done.stdout)
    assert {(row["engine"], row["build"]) for row in rows} >= {("paddlenlp", "cpu"), ("paddlenlp", "cu129")}
    assert {row["state"] for row in rows} == {"absent"}
    assert "paddlenlp" in steersman("engines", "list", home=tmp_path).stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["engines", "check", "--build", "cpu"], "steersman engines install paddlenlp --build cpu"),
        (["engines", "check", "nonsense"], "Known engines: paddlenlp, paddleformers."),
        (["engines", "install", "--build", "cu999"], "Known builds: cpu, cu118, cu126, cu129."),
        (["engines", "remove", "--build", "cpu", "-y"], "nothing to remove"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(arguments: list[str], words: str, tmp_path: Path) -> None:
    done = steersman(*arguments, home=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "command", [["engines"], ["engines", "install"], ["engines", "check"], ["doctor"], ["demo"]]
)
def test_help_has_examples(command: list[str]) -> None:
    text = CliRunner().invoke(cli, [*command, "--help"]).output
    assert "Examples:" in text
    assert f"steersman {command[0]}" in text


def test_doctor_without_an_engine_says_how_to_get_one_and_exits_with_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STEERSMAN_HOME", str(tmp_path))
    assert main(["doctor", "--json"]) == 2
    findings = json.loads(capsys.readouterr().out)
    (engine,) = [finding for finding in findings if finding["subject"] == "engine"]
    assert engine["level"] == "problem"
    assert engine["remedy"] == "Run `steersman engines install paddlenlp`."
    assert {"machine", "memory", "disk", "/dev/shm", "Python", "login", "terminal"} <= {
        finding["subject"] for finding in findings
    }


def test_doctor_tells_that_a_login_is_there_and_never_what_it_is() -> None:
    secret = "hf_do_not_print_me"
    environment = {variables[0]: secret for variables, _ in TOKENS.values()}
    found = list(examine_tokens(environment))
    assert len(found) == len(TOKENS)
    assert all("login is present" in finding.sentence for finding in found)
    assert not any(secret in finding.model_dump_json() for finding in found)


def test_doctor_repeats_what_could_not_be_probed(tmp_path: Path) -> None:
    seen = probe(tmp_path)
    failed = Probe(seen.hardware, ("NVIDIA's driver sleeps.",))
    assert "NVIDIA's driver sleeps." in [finding.sentence for finding in examine_machine(failed)]


def test_doctor_refuses_a_processor_that_paddle_crashes_on(tmp_path: Path) -> None:
    hardware: HardwareFacts = probe(tmp_path).hardware
    old = hardware.model_copy(
        update={"cpu": hardware.cpu.model_copy(update={"flags": (), "vendor": "intel"})}
    )
    levels = {finding.subject: finding.level for finding in examine_machine(Probe(old, ()))}
    assert levels["processor"] == "problem"


def test_doctor_notes_a_dumb_terminal() -> None:
    assert any("plain lines" in finding.sentence for finding in examine_terminal({"TERM": "dumb"}))
