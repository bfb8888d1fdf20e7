"""The prepare stage as a real process: what it writes, that it repeats, and that it never leaves half of it
behind.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from bench.data_preparation import generate
from planner.facts import DataFacts
from runtime.data.prepare import prepare
from runtime.data.scan import scan
from runtime.events import EVENT, AnyEvent, Error, Progress, Proof, State
from runtime.paths import PROJECT
from tests.runtime.data_files import row_in, write_rows
from tests.tiny_model import write_tokenizer


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    write_tokenizer(folder)
    return folder


def write_spec(folder: Path, data: str, model: Path, **changes: Any) -> Path:
    stage = folder / "stages" / "prepare"
    stage.mkdir(parents=True)
    spec = {
        "stage": "prepare",
        "stage_folder": str(stage),
        "data": data,
        "model_folder": str(model),
        "max_length": 200,
        "src_length": 100,
        "seed": 42,
        "dev_fraction": 0.05,
        "destination": str(stage / "data"),
        "fingerprint": "",
    }
    path = stage / "spec.json"
    path.write_text(json.dumps({**spec, **changes}), encoding="utf-8")
    return path


def start(spec: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "runtime.stages.prepare", str(spec)]
    return subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def events(stage: Path) -> list[AnyEvent]:
    path = stage / "events-rank0.jsonl"
    return [EVENT.validate_json(line) for line in path.read_text().splitlines()] if path.exists() else []


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_stage(model: Path, tmp_path: Path) -> None:
    rows: list[Any] = [row_in("messages", [(f"question {row}", "answer")]) for row in range(40)]
    rows.insert(3, {"messages": []})
    rows.append(row_in("messages", [("with a system prompt", "yes")], system="Sys"))
    data = write_rows(tmp_path / "data.jsonl", rows)
    spec = write_spec(tmp_path, str(data), model, fingerprint=scan(str(data), None).facts.fingerprint)
    assert start(spec).wait(60) == 0

    stage = spec.parent
    train, dev = lines(stage / "data" / "train.json"), lines(stage / "data" / "dev.json")
    assert (len(train), len(dev)) == (39, 2)
    for row in train + dev:
        assert set(row) == {"src", "tgt", "context", "system"}
        assert row["context"]["system"] == ("Sys" if row["src"] == ["with a system prompt"] else "")
    expected = {f"question {row}" for row in range(40)} | {"with a system prompt"}
    assert {row["src"][0] for row in train + dev} == expected

    report = json.loads((stage / "data" / "prepare.json").read_text())
    facts = DataFacts.model_validate(report["facts"])
    assert (facts.train_rows, facts.dev_rows, facts.unusable_rows) == (39, 2, 1)
    assert report["findings"]["counts"] == {"answer.missing": 1}
    assert [
        (entry["row"], entry["line"], entry["action"]) for entry in lines(stage / "data" / "findings.jsonl")
    ] == [(4, 4, "row dropped")]
    result = json.loads((stage / "result.json").read_text())
    assert result["outputs"] == {"data": str(stage / "data"), "report": str(stage / "data" / "prepare.json")}
    assert result["figures"]["train_rows"] == 39

    seen = events(stage)
    proofs = [event for event in seen if isinstance(event, Proof)]
    assert [(proof.name, proof.passed) for proof in proofs] == [("prepare.rows", True)]
    assert any(isinstance(event, Progress) and event.done == event.total for event in seen)
    assert any("there is no answer" in getattr(event, "message", "") for event in seen)


def test_rows_without_any_system_prompt_have_no_context(model: Path, tmp_path: Path) -> None:
    data = write_rows(tmp_path / "data.jsonl", [{"src": str(row), "tgt": "b"} for row in range(3)])
    assert start(write_spec(tmp_path, str(data), model)).wait(60) == 0
    for row in lines(tmp_path / "stages/prepare/data/train.json"):
        assert set(row) == {"src", "tgt"}
        assert isinstance(row["src"], list)


def prepared(data: Path, model: Path, destination: Path, seed: int = 42) -> dict[str, bytes]:
    prepare(
        str(data),
        model,
        destination,
        max_length=150,
        src_length=100,
        seed=seed,
        dev_fraction=0.1,
        expected_fingerprint=None,
    )
    return {path.name: path.read_bytes() for path in sorted(destination.iterdir())}


def test_same_seed_same_bytes(model: Path, tmp_path: Path) -> None:
    data = tmp_path / "data.jsonl"
    generate(data, 0.2)
    first = prepared(data, model, tmp_path / "a")
    assert list(first) == ["dev.json", "findings.jsonl", "prepare.json", "train.json"]
    assert prepared(data, model, tmp_path / "b") == first
    assert prepared(data, model, tmp_path / "a") == first
    other = prepared(data, model, tmp_path / "c", seed=7)
    assert other["dev.json"] != first["dev.json"]
    assert sorted((other["dev.json"] + other["train.json"]).splitlines()) == sorted(
        (first["dev.json"] + first["train.json"]).splitlines()
    )


def test_given_dev_file_is_used_as_it_is(model: Path, tmp_path: Path) -> None:
    write_rows(tmp_path / "set" / "train.json", [{"src": str(row), "tgt": "b"} for row in range(30)])
    write_rows(tmp_path / "set" / "dev.json", [{"src": f"dev {row}", "tgt": "b"} for row in range(2)])
    prepared(tmp_path / "set", model, tmp_path / "out")
    assert [row["src"] for row in lines(tmp_path / "out" / "train.json")] == [[str(row)] for row in range(30)]
    assert [row["src"] for row in lines(tmp_path / "out" / "dev.json")] == [["dev 0"], ["dev 1"]]


def test_planned_and_prepared_lengths_agree(model: Path, tmp_path: Path) -> None:
    data = tmp_path / "data.jsonl"
    generate(data, 0.1)
    planned = scan(str(data), model, max_length=150, src_length=100, dev_fraction=0.1).facts
    prepared(data, model, tmp_path / "out")
    assert json.loads((tmp_path / "out" / "prepare.json").read_text())["facts"] == planned.model_dump(
        mode="json"
    )
    rows = lines(tmp_path / "out" / "train.json")
    again = write_rows(tmp_path / "again.jsonl", rows)
    written = scan(str(again), model, max_length=150, src_length=100, dev_fraction=0).facts
    assert written.lengths == planned.lengths


def test_changed_data_is_refused(model: Path, tmp_path: Path) -> None:
    data = write_rows(tmp_path / "data.jsonl", [{"src": "a", "tgt": "b"}])
    spec = write_spec(tmp_path, str(data), model, fingerprint=scan(str(data), None).facts.fingerprint)
    write_rows(data, [{"src": "a", "tgt": "other"}])
    assert start(spec).wait(60) == 2
    (error,) = [event for event in events(spec.parent) if isinstance(event, Error)]
    assert "has changed since the plan was made" in error.what
    assert error.remedy == "Make the plan again: steersman plan."
    assert not (spec.parent / "result.json").exists()
    assert not list(spec.parent.glob("*data*"))


@pytest.mark.parametrize("how", ["SIGTERM", "stop file"])
def test_stopped_cleanly(how: str, model: Path, tmp_path: Path) -> None:
    data = tmp_path / "data.jsonl"
    generate(data, 15)
    spec = write_spec(tmp_path, str(data), model)
    process = start(spec)
    while not any(isinstance(event, Progress) for event in events(spec.parent)):
        assert process.poll() is None
        time.sleep(0.05)
    if how == "SIGTERM":
        process.send_signal(signal.SIGTERM)
    else:
        (spec.parent / "stop").touch()
    assert process.wait(60) == 0
    last = events(spec.parent)[-1]
    assert isinstance(last, State)
    assert last.state == "stopped"
    assert sorted(path.name for path in spec.parent.iterdir()) == sorted(
        ["events-rank0.jsonl", "spec.json", *(["stop"] if how == "stop file" else [])]
    )


def test_killed_then_started_again(model: Path, tmp_path: Path) -> None:
    data = tmp_path / "data.jsonl"
    generate(data, 3)
    spec = write_spec(tmp_path, str(data), model)
    process = start(spec)
    while not list(spec.parent.glob(".data.partial/usable.part")):
        assert process.poll() is None
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert not (spec.parent / "data").exists()
    assert start(spec).wait(120) == 0
    assert sorted(path.name for path in (spec.parent / "data").iterdir()) == [
        "dev.json",
        "findings.jsonl",
        "prepare.json",
        "train.json",
    ]
    assert not list(spec.parent.glob(".data*"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_unwritable_destination(model: Path, tmp_path: Path) -> None:
    data = write_rows(tmp_path / "data.jsonl", [{"src": "a", "tgt": "b"}])
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    spec = write_spec(tmp_path, str(data), model, destination=str(locked / "data"))
    assert start(spec).wait(60) == 4
    assert any(
        isinstance(event, Error) and "Permission denied" in event.what for event in events(spec.parent)
    )


MEASURE = """
import resource, sys
from pathlib import Path
from runtime.data.prepare import prepare

small, big, out = sys.argv[1:]
def run(path, folder):
    prepare(path, None, Path(out, folder), max_length=512, src_length=256, seed=42, dev_fraction=0.05,
            expected_fingerprint=None)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(run(small, "small"), run(big, "big"))
"""


@pytest.mark.parametrize("suffix", ["jsonl", "json", "csv", "parquet"])
def test_memory_stays_flat(suffix: str, tmp_path: Path) -> None:
    """Eleven times the file takes hardly more memory: some bytes a row to know duplicates by."""
    small, big = tmp_path / f"small.{suffix}", tmp_path / f"big.{suffix}"
    generate(small, 1)
    generate(big, 11)
    command = [sys.executable, "-c", MEASURE, str(small), str(big), str(tmp_path)]
    ended = subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, text=True, timeout=300)
    before, after = map(int, ended.stdout.split())
    assert after - before < 12e6


JOBS = """
import resource, sys
from pathlib import Path
from runtime.data.convert import convert
from runtime.data.mending import mend

small, big, out = sys.argv[1:]
def run(path, name):
    convert(path, Path(out, name + "-messages.jsonl"), "messages")
    mend(path, Path(out, name + "-fixed.jsonl"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(run(small, "small"), run(big, "big"))
"""


def test_memory_of_converting_and_fixing_stays_flat(tmp_path: Path) -> None:
    small, big = tmp_path / "small.jsonl", tmp_path / "big.jsonl"
    generate(small, 1)
    generate(big, 11)
    command = [sys.executable, "-c", JOBS, str(small), str(big), str(tmp_path)]
    ended = subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, text=True, timeout=300)
    before, after = map(int, ended.stdout.split())
    assert after - before < 12e6
