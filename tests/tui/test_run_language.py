"""A run in Chinese: what the engine records and what the commands print holds no English sentence of ours."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from planner.language import speaking
from runtime.events import Error, Log, State
from runtime.run.layout import RunFolder
from runtime.run.speech import language_of
from runtime.run.stopping import request
from tests.runtime import stand_in_table
from tests.runtime.stand_in_run import events, reason, wait_until, worker
from tui.progress_lines import said, sentence

WORDS = re.compile(r"\b[A-Za-z]*[a-z]{2,} [a-z]{2,}\b")
"""Two English words side by side."""
NOT_OURS = re.compile(
    r"steersman( +[\w./:-]+)*"  # a command to type
    r"|/\S+"  # a path
    r"|checkpoint of step \d+|it holds|saved a checkpoint at step \d+"  # what the stand-in's worker says
)


def english(text: str) -> list[str]:
    """What is left of our own in English."""
    return [line for line in text.splitlines() if WORDS.search(NOT_OURS.sub("", line))]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEERSMAN_STAGE_TABLE", stand_in_table.NAME)
    monkeypatch.setenv("STEERSMAN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("PYTHONUTF8", "1")
    monkeypatch.chdir(tmp_path)


def plan(folder: Path, **stages: dict[str, Any]) -> Path:
    path = folder / "plan.yaml"
    values = {"name": "stand-in", "wishes": {"language": "zh"}, "stages": stages}
    path.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    return path


def steersman(*arguments: str | Path, locale: str = "zh_CN.UTF-8") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tui.command_line", *map(str, arguments)]
    environment = {**os.environ, "LC_ALL": locale}
    return subprocess.run(
        command, capture_output=True, encoding="utf-8", timeout=120, check=False, env=environment
    )


def recorded(run: RunFolder) -> str:
    """All sentences of the journal."""
    found = []
    for event in events(run):
        if isinstance(event, State):
            found.append(event.reason)
        elif isinstance(event, Log):
            found.append(event.message)
        elif isinstance(event, Error):
            found += [event.what, event.why, event.remedy]
    return "\n".join(found)


def test_a_run_to_its_end_and_again_with_a_change(tmp_path: Path) -> None:
    first = steersman("run", plan(tmp_path, a={}, b={"steps": 3, "value": 1}), "--run", "mine")
    assert first.returncode == 0, first.stderr
    run = RunFolder(tmp_path / "mine")
    plan(run.root, a={}, b={"steps": 3, "value": 2})
    foreseen = steersman("resume", "mine", "--dry-run")
    assert "b: 重做" in foreseen.stdout
    again = steersman("resume", "mine")
    assert again.returncode == 0, again.stderr
    assert reason(run, "", "finished") == "每个阶段都已验证"
    assert reason(run, "a", "skipped").startswith("已于 ")
    assert reason(run, "b", "redone").startswith("它的设置变了：value 1 -> 2")
    status, runs = steersman("status", "mine"), steersman("runs")
    assert "mine: 已完成, 每个阶段都已验证" in status.stdout
    assert "已完成" in runs.stdout
    stopped = steersman("stop", "mine")
    assert "没有在进行：每个阶段都已验证。" in stopped.stderr
    for done in (first, again, status, runs, stopped):
        assert english(done.stdout + done.stderr) == []
    assert english(recorded(run)) == []
    assert english(run.supervisor_log.read_text(encoding="utf-8")) == []


def test_a_run_that_is_stopped_twice(tmp_path: Path) -> None:
    stages = {"a": {}, "train": {"steps": 600, "step_seconds": 0.1, "stop_seconds": 60, "ignore_stop": True}}
    started = steersman("run", plan(tmp_path, **stages), "--run", "mine", "--detach")
    assert started.returncode == 0, started.stderr
    run = RunFolder(tmp_path / "mine")
    worker(run, "train")
    asked = steersman("stop", "mine")
    assert "已要求 mine 平稳停止" in asked.stderr
    request(run)
    wait_until(lambda: any(isinstance(e, State) and e.state == "stopped" for e in events(run)), "stopped")
    wait_until(
        lambda: any(isinstance(e, State) and not e.stage and e.state == "stopped" for e in events(run)), "end"
    )
    assert reason(run, "train", "stopping") == "再次收到要求：正在终止 train 的进程（SIGTERM）。"
    assert reason(run, "", "stopped") == "按要求，在 train 期间：已被立即结束"
    assert english(recorded(run) + started.stderr + asked.stderr) == []


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ({"raise": "[Errno 28] No space left on device"}, "磁盘已满。"),
        ({"signal": 9}, "有一个进程被外部杀死（信号 9）；内存用尽时系统会这样做。"),
        ({"exit": 3}, "阶段 train 失败：它的进程以退出码 3 结束。"),
        ({"fail_proof": True}, "验证 holds 失败：off by 3"),
        ({"no_result": True}, "阶段 train 失败：它的进程以退出码 0 结束。"),
        ({"disk_bytes": 1 << 60}, "阶段 train 约需磁盘"),
    ],
)
def test_a_failure_is_explained_in_chinese(tmp_path: Path, behaviour: dict[str, Any], words: str) -> None:
    done = steersman("run", plan(tmp_path, a={}, train=behaviour), "--run", "mine")
    assert done.returncode == 4
    assert words in done.stderr
    assert f"之后继续请用：steersman resume {tmp_path / 'mine'}" in done.stderr
    theirs = re.compile(r"\[Errno 28\] No space left on device|off by 3")
    run = RunFolder(tmp_path / "mine")
    assert english(theirs.sub("", done.stderr + recorded(run))) == []


def test_the_journal_speaks_the_plan_s_language_whoever_starts_it(tmp_path: Path) -> None:
    done = steersman("run", plan(tmp_path, a={}), "--run", "mine", locale="C.UTF-8")
    assert done.returncode == 0
    run = RunFolder(tmp_path / "mine")
    assert english(recorded(run)) == []
    assert "mine: finished" in done.stderr, "the person who started it reads English"
    assert [sentence(event) for event in events(run) if isinstance(event, State)][1] == "a: started"


def test_a_reason_is_said_in_the_reader_s_language_whatever_it_was_recorded_in() -> None:
    assert said("每个阶段都已验证") == "every stage is proven"
    assert said("only here") == "only here"
    assert said("只在这里") == "只在这里"
    with speaking("zh"):
        assert said("it was interrupted") == said("曾被中断") == "曾被中断"


@pytest.mark.parametrize(
    "text", ["", "name: x", "wishes: 3", "wishes: {language: fr}", "wishes: {language: [zh]}", "a: [", "\x00"]
)
def test_a_plan_that_does_not_say_its_language_is_english(tmp_path: Path, text: str) -> None:
    (tmp_path / "plan.yaml").write_text(text, encoding="utf-8")
    assert language_of(RunFolder(tmp_path)) == "en"
    (tmp_path / "plan.yaml").write_text("wishes: {language: zh}", encoding="utf-8")
    assert language_of(RunFolder(tmp_path)) == "zh"
    (tmp_path / "plan.yaml").unlink()
    assert language_of(RunFolder(tmp_path)) == "en"
