"""`steersman plan --ask`: through a pipe, and in a real terminal with a person who errs and leaves."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from planner.interview.interview import Interview
from planner.planfile import loads
from runtime import saved_answers
from tests.tui.terminal import Terminal
from tui.ask_completion import candidates
from tui.command_line import main

PLAN = [sys.executable, "-m", "tui.command_line", "plan"]


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEERSMAN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def model(tiny_hf_model: Path) -> str:
    return str(tiny_hf_model)


def piped(monkeypatch: pytest.MonkeyPatch, text: str, *arguments: object) -> int:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    return int(main(["plan", "--ask", *map(str, arguments)]))


def test_at_the_end_of_a_pipe_the_rest_takes_its_defaults(
    model: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert piped(monkeypatch, f"{model}\n", "-o", "plan.yaml") == 0
    plan = loads(Path("plan.yaml").read_text(encoding="utf-8"))
    out = capsys.readouterr().out
    assert plan.facts.data.path == "steersman-demo"
    assert plan.facts.model.source.id == model
    assert "No more input" in out
    assert "I found" in out
    assert not Path(plan.name + ".yaml").exists()


def test_flags_are_answers_and_are_not_asked(
    model: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ("--model", model, "--data", "steersman-demo", "--goal", "memory", "--time-limit", "90")
    fixed = ("--set", "lora_rank=4", "--method", "lora", "--cost-per-hour", "2", "-o", "plan.yaml")
    assert piped(monkeypatch, "\n", *flags, *fixed) == 0
    out = capsys.readouterr().out
    wishes = loads(Path("plan.yaml").read_text(encoding="utf-8")).wishes
    assert (wishes.goal, wishes.time_limit_minutes, wishes.cost_per_device_hour) == ("memory", 90, 2)
    assert wishes.pins == {"lora_rank": 4, "method": "lora"}
    assert out.count("Empty line:") == 1
    assert "Where will the finished model be used?" in out


def test_everything_can_be_typed_in_words(
    model: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = (
        model,
        "2000 rows of 100 tokens",
        "fine-tune",
        "best quality",
        "not sure",
        "two hours",
        "vllm",
        "no",
    )
    assert piped(monkeypatch, "\n".join(lines) + "\n", "--hardware", "two 4090s", "--json") == 0
    out, err = capsys.readouterr()
    plan = json.loads(out)
    assert plan["facts"]["hardware"]["devices"][0]["count"] == 2
    assert plan["facts"]["data"]["typed"]
    assert (plan["wishes"]["goal"], plan["wishes"]["time_limit_minutes"]) == ("quality", 120)
    assert "It compares every way that fits" in err


def test_bad_answers_are_explained_and_asked_again(
    model: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ("smolm2-135m", "z", model, "nowhere.jsonl", "?", "why?", "steersman-demo", "back", "demo")
    assert piped(monkeypatch, "\n".join(lines) + "\n", "-o", "plan.yaml") == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "Did you mean `smollm2-135m`" in out
    assert "There is no choice z" in out
    assert "There is no data set nowhere.jsonl" in out
    assert "Everywhere: why?" in out
    assert out.count("What should it learn from?") == 3


def test_answers_that_fit_in_no_way_are_changed_one_by_one(
    model: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ("--model", "qwen2.5-72b", "--data-rows", 1000, "--data-tokens", 300, "--hardware", "4090")
    monkeypatch.setattr("runtime.find_facts.pinned", lambda facts, report: facts)
    lines = ("sft", "", "", "", "", "", "nonsense", "model", "smollm2", "", "no")
    assert piped(monkeypatch, "\n".join(lines) + "\n", *flags) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "does not fit with method" in out
    assert "Which answer do you want to change?" in out
    assert "smollm2-135m-instruct-described-lora" in out


def test_an_end_of_input_with_answers_that_fit_in_no_way_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ("--model", "qwen2.5-72b", "--data-rows", 1000, "--data-tokens", 300, "--hardware", "4090")
    monkeypatch.setattr("runtime.find_facts.pinned", lambda facts, report: facts)
    assert piped(monkeypatch, "", *flags) == 3
    assert "does not fit" in capsys.readouterr().err


def test_it_speaks_chinese(
    model: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    lines = (model, "示例", "省显存", "不知道", "两个小时", "为什么？", "", "不要")
    assert piped(monkeypatch, "\n".join(lines) + "\n") == 0
    out = capsys.readouterr().out
    asked = out[: out.index("-steersman-demo-")]
    english = [line for line in asked.splitlines() if re.match(r"(I found|[A-Z][a-z]+ [a-z]+ [a-z]+ )", line)]
    assert english == []
    assert asked.count("？") >= 5


Open = Callable[..., Terminal]
"""Starts `steersman plan` with arguments in a terminal of its own."""


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Open]:
    opened: list[Terminal] = []

    def start(*arguments: str) -> Terminal:
        opened.append(Terminal([*PLAN, *arguments], tmp_path))
        return opened[-1]

    yield start
    for one in opened:
        if one.process.poll() is None:
            one.process.send_signal(signal.SIGKILL)
            one.process.wait()
        os.close(one.master)


def test_a_novice_presses_enter_until_the_plan_is_written(model: str, tmp_path: Path, terminal: Open) -> None:
    person = terminal("--ask", "--model", model)
    person.until("I found")
    for question in ("What should it learn from?", "What matters most", "How should it be trained?",
                     "By when", "Where will the finished model"):  # fmt: skip
        person.until(question)
        person.until("> ")
        person.type("")
    assert "Forecast" in person.until("Save it as ")
    person.until("> ")
    person.type("")
    assert person.end() == 0
    (file,) = tmp_path.glob("*.yaml")
    plan = loads(file.read_text(encoding="utf-8"))
    assert plan.facts.hardware.origin == "probed"
    assert plan.facts.data.lengths.counted


def test_ctrl_c_keeps_the_answers_and_the_next_start_goes_on_with_them(
    model: str, tmp_path: Path, terminal: Open
) -> None:
    person = terminal("--ask")
    person.until("Which model")
    person.until("> ")
    person.type(model)
    person.until("What should it learn from?")
    person.until("> ")
    person.interrupt()
    assert person.end() == 130
    assert "Your answers are kept" in person.text
    assert saved_answers.kept()["answers"] == {"model": model}

    again = terminal("--ask")
    again.until("I kept 1 answer from last time.")
    again.until("> ")
    again.type("y")
    again.until("What should it learn from?")
    again.until("> ")
    again.type("quit")
    assert again.end() == 130

    fresh = terminal("--ask")
    fresh.until("> ")
    fresh.type("n")
    fresh.until("Which model")
    fresh.until("> ")
    fresh.interrupt()
    assert fresh.end() == 130
    assert saved_answers.kept() is None


def test_a_plan_without_a_model_suggests_to_be_asked_in_a_terminal(terminal: Open) -> None:
    person = terminal()
    assert person.end() == 2
    assert "steersman plan --ask" in person.text


def test_a_saved_plan_forgets_the_answers(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    saved_answers.keep({"version": 1, "answers": {"goal": "memory"}, "pins": {}})
    assert piped(monkeypatch, f"y\n{model}\n", "-o", "plan.yaml") == 0
    assert loads(Path("plan.yaml").read_text(encoding="utf-8")).wishes.goal == "memory"
    assert saved_answers.kept() is None


def test_tab_completes_paths_and_names(tmp_path: Path, terminal: Open) -> None:
    (tmp_path / "conversations_of_may.txt").write_text("")
    person = terminal("--ask", "--model", "smollm2", "--hardware", "4090")
    person.until("What should it learn from?")
    person.until("> ")
    os.write(person.master, b"conversations\t")
    person.until("conversations_of_may.txt")
    person.interrupt()
    assert person.end() == 130


def test_completions_begin_with_what_was_typed(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.jsonl").write_text("")
    (tmp_path / ".hidden").write_text("")
    interview = Interview()
    model = interview.question("model")
    assert "qwen2.5-7b-instruct" in candidates("qwen2.5-7b", model, interview)
    data = interview.question("data")
    assert candidates("da", data, interview) == ["data/"]
    assert candidates("data/", data, interview) == ["data/a.jsonl"]
    assert candidates(f"{tmp_path}/da", data, interview) == [f"{tmp_path}/data/"]
    assert ".hidden" not in candidates("", data, interview)
    assert candidates("4090", interview.question("hardware"), interview) == []
    assert "RTX 4090" in candidates("rtx 40", interview.question("hardware"), interview)
