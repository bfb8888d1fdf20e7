"""What the app's own stages say: in the language of the run's plan, whoever started it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from planner.errors import BadInput
from planner.language import say, speaking
from runtime.acquire.report import News
from runtime.data.json_rows import whole_list
from runtime.data.tables import csv_header
from runtime.paths import PROJECT
from runtime.run.environment import stage_environment
from runtime.run.task import StageTask
from runtime.run.worker_language import SENTENCES
from runtime.stages.acquire import Reporter
from runtime.workers.emit import Emitter
from tests.tui.test_run_language import english


def test_broken_data_is_explained_in_chinese(tmp_path: Path) -> None:
    rows = tmp_path / "rows.json"
    rows.write_text('[{"a": 1} {"a": 2}]', encoding="utf-8")
    table = tmp_path / "rows.csv"
    table.write_text("a,a\n1,2\n", encoding="utf-8")
    with speaking("zh"):
        with pytest.raises(BadInput) as list_error:
            list(whole_list(rows))
        with pytest.raises(BadInput) as table_error:
            csv_header(table)
        for caught in (list_error, table_error):
            assert english(caught.value.sentence()) == []


def stage(tmp_path: Path, name: str, language: str, **spec: object) -> tuple[int, list[dict[str, object]]]:
    """Run a stage of a run whose plan is in `language`; return its exit code and its events."""
    folder = tmp_path / "run/stages" / name
    folder.mkdir(parents=True)
    (tmp_path / "run/plan.yaml").write_text(f"wishes: {{language: {language}}}\n", encoding="utf-8")
    file = folder / "spec.json"
    file.write_text(json.dumps({"stage": name, "stage_folder": str(folder), **spec}), encoding="utf-8")
    command = [sys.executable, "-m", f"runtime.stages.{name}", str(file)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, timeout=120, check=False)
    path = folder / "events-rank0.jsonl"
    return done.returncode, [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(("language", "words"), [("zh", "没有 config.json"), ("en", "has no config.json")])
def test_fetching_fails_in_the_language_of_the_plan(language: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    source = {"kind": "local", "id": str(tmp_path / "model")}
    code, events = stage(tmp_path, "acquire", language, source=source, models_folder=str(tmp_path / "m"))
    assert code != 0
    assert words in str(events[-1]), events


@pytest.mark.parametrize(
    ("language", "words"), [("zh", "有表头，但没有数据行。"), ("en", "has a header line but no rows")]
)
def test_preparing_fails_in_the_language_of_the_plan(language: str, words: str, tmp_path: Path) -> None:
    data = tmp_path / "rows.csv"
    data.write_text("src,tgt\n", encoding="utf-8")
    code, events = stage(
        tmp_path,
        "prepare",
        language,
        data=str(data),
        model_folder=str(tmp_path),
        max_length=64,
        src_length=32,
        seed=1,
        dev_fraction=0.1,
        destination=str(tmp_path / "out"),
    )
    assert code != 0
    assert words in str(events[-1]), events


@pytest.mark.parametrize(
    ("language", "logged"),
    [("en", "Waiting: another run is fetching this model."), ("zh", "等待：另一个运行正在下载这个模型。")],
)
def test_what_was_decided_is_logged_once_in_any_language(language: str, logged: str, tmp_path: Path) -> None:
    with speaking(language):
        report = Reporter(Emitter(str(tmp_path), "acquire"))
        for _ in range(2):
            report(0, 1, "files", News(say("waiting: another run is fetching this model")))
        report(1, 1, "files", say("fetching {model}", model="x"))
    lines = (tmp_path / "events-rank0.jsonl").read_text(encoding="utf-8").splitlines()
    assert [event["message"] for event in map(json.loads, lines) if event["kind"] == "log"] == [logged]


@pytest.mark.engine
def test_an_engine_speaks_the_language_of_the_plan(
    engine_python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The catalogue reaches the worker as a file that the standard library reads."""
    monkeypatch.setenv("STEERSMAN_HOME", str(tmp_path / "home"))
    folder = tmp_path / "convert"
    (tmp_path / "empty").mkdir()
    folder.mkdir()
    spec = {
        "stage": "convert",
        "stage_folder": str(folder),
        "source_folder": str(tmp_path / "empty"),
        "destination": str(tmp_path / "out"),
        "tolerance": 1e-4,
    }
    (folder / "spec.json").write_text(json.dumps(spec), encoding="utf-8")
    start = PROJECT / "runtime" / "workers" / "start.py"
    command = (str(engine_python), str(start), "convert", str(folder / "spec.json"))
    task = StageTask(stage="convert", command=command, spec=spec, inside_engine=True)
    with speaking("zh"):
        environment = stage_environment(task, folder)
    done = subprocess.run(command, env=environment, capture_output=True, timeout=120, check=False)
    assert done.returncode == 1
    lines = (folder / "events-rank0.jsonl").read_text(encoding="utf-8").splitlines()
    error = json.loads(lines[-1])
    assert (error["kind"], error["remedy"]) == ("error", "")
    assert "没有 config.json" in error["what"] and "不是" in error["why"]


def test_english_needs_no_catalogue(tmp_path: Path) -> None:
    task = StageTask(stage="convert", command=("true",), spec={}, inside_engine=True)
    assert SENTENCES not in stage_environment(task, tmp_path)
