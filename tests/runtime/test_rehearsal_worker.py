"""The rehearsing worker itself, with real processes that stand in for a training and a merge."""

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

START = Path(__file__).resolve().parents[2] / "runtime" / "workers" / "start.py"

STAND_IN = """
import json, os, subprocess, sys, time
from pathlib import Path
spec = json.loads(Path(sys.argv[1]).read_text())
folder = Path(spec["stage_folder"])
def emit(kind, **fields):
    with (folder / "events-rank0.jsonl").open("a") as file:
        event = {"t": time.time(), "stage": spec["stage"], "rank": 0, "kind": kind, **fields}
        file.write(json.dumps(event) + "\\n")
def result(outputs):
    (folder / "result.json").write_text(json.dumps({"outputs": outputs, "figures": {}}))
if spec["stage"] == "preflight":
    result({})
elif spec["stage"] == "merge":
    sentence = "logits of " + Path(spec["adapter"]).name
    emit("proof", name="merge.logits", passed=spec["holds"], sentence=sentence, measured={})
    result({"model": str(folder)})
    sys.exit(0 if spec["holds"] else 1)
else:
    output = folder / "output"
    first = output / "checkpoint-1"
    if first.exists():
        emit("state", state="resumed", reason="from checkpoint-1")
        state = int((first / "state").read_text())
    else:
        rank = [sys.executable, "-c", "import time; time.sleep(600)"]
        subprocess.Popen(rank, start_new_session=True)
        if spec["broken"] == "starts":
            emit("error", what="The config is wrong.", why="", remedy="Mend it.")
            sys.exit(1)
        emit("metric", step=1, values={"loss": 3.0})
        first.mkdir(parents=True)
        state = 7
        (first / "state").write_text("6" if spec["broken"] == "state" else "7")
    emit("metric", step=2, values={"loss": 2.0 + state / 1000})
    if spec["broken"] == "resume" and first.exists() and (folder / "was").exists():
        sys.exit(3)
    (folder / "was").touch()
    (output / "saving").mkdir(parents=True, exist_ok=True)
    time.sleep(1.0)
    (output / "adapter").mkdir(exist_ok=True)
    result({"adapter": str(output / "adapter")})
"""


def spec_of(tmp_path: Path, **faults: Any) -> Path:
    script, stage = tmp_path / "stand_in.py", tmp_path / "preflight"
    script.write_text(STAND_IN)
    stage.mkdir()
    rehearsal = stage / "rehearsal"

    def part(name: str, **more: Any) -> dict[str, Any]:
        folder = str(rehearsal / name)
        spec = {"stage": name, "stage_folder": folder, **more}
        command = [sys.executable, str(script), f"{folder}/spec.json"]
        return {"folder": folder, "command": command, "environment": {}, "files": {}, "spec": spec}

    parts = {
        "train": part("train", broken=faults.get("broken", "")),
        "merge": part("merge", adapter="<train.adapter>", holds=faults.get("merges", True)),
    }
    values = {
        "stage": "preflight",
        "stage_folder": str(stage),
        "measure": [sys.executable, str(script), str(stage / "spec.json")],
        "rehearsal": {"folder": str(rehearsal), "steps": 2, "tolerance": 0.0, **parts},
    }
    (stage / "spec.json").write_text(json.dumps(values))
    return stage


def rehearse(stage: Path) -> tuple[int, dict[str, dict[str, Any]], list[dict[str, Any]]]:
    """Run the worker; return its exit code, its proofs by name, and its errors."""
    command = [sys.executable, str(START), "full_rehearsal", str(stage / "spec.json")]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    lines = (stage / "events-rank0.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    assert not (stage / "rehearsal").exists(), "nothing of it is kept"
    assert not marked(str(stage)), "no process is left"
    proofs = {event["name"]: event for event in events if event["kind"] == "proof"}
    return done.returncode, proofs, [event for event in events if event["kind"] == "error"]


def marked(folder: str) -> list[str]:
    """The processes of a rehearsal that still live."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                variables = (entry / "environ").read_bytes()
                state = (entry / "stat").read_text().rsplit(")", 1)[1].split()[0]
            except OSError:
                continue
            if f"STEERSMAN_REHEARSAL={folder}".encode() in variables and state != "Z":
                found.append(entry.name)
    return found


def test_what_holds_is_proven(tmp_path: Path) -> None:
    code, proofs, errors = rehearse(spec_of(tmp_path))
    assert (code, errors) == (0, [])
    assert (
        proofs["preflight.resume"]["passed"] and "from checkpoint-1" in proofs["preflight.resume"]["sentence"]
    )
    assert proofs["preflight.resume"]["measured"] == {"loss": 2.007, "difference": 0.0}
    assert (
        proofs["preflight.merge"]["passed"] and proofs["preflight.merge"]["sentence"] == "logits of adapter"
    )


@pytest.mark.parametrize(
    ("faults", "failed", "words"),
    [
        ({"broken": "state"}, "preflight.resume", "does not go on as it was"),
        ({"broken": "starts"}, "", "The rehearsed training failed."),
        ({"broken": "resume"}, "", "could not finish after a kill"),
        ({"merges": False}, "preflight.merge", "The rehearsed merge failed."),
    ],
    ids=["another loss", "never trains", "dies again", "wrong merge"],
)
def test_what_does_not_hold_stops_the_run_in_words(
    tmp_path: Path, faults: dict[str, Any], failed: str, words: str
) -> None:
    code, proofs, errors = rehearse(spec_of(tmp_path, **faults))
    assert code == 1
    assert [name for name, proof in proofs.items() if not proof["passed"]] == ([failed] if failed else [])
    assert words in errors[0]["what"]
    if faults.get("broken") == "starts":
        assert (errors[0]["why"], errors[0]["remedy"]) == ("The config is wrong.", "Mend it.")


def test_a_stop_ends_every_process_of_it(tmp_path: Path) -> None:
    stage = spec_of(tmp_path)
    process = subprocess.Popen([sys.executable, str(START), "full_rehearsal", str(stage / "spec.json")])
    end = time.monotonic() + 30
    while not (stage / "rehearsal" / "train" / "was").exists() and time.monotonic() < end:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(30) == 0
    events = [json.loads(line) for line in (stage / "events-rank0.jsonl").read_text().splitlines()]
    assert events[-1]["state"] == "stopped"
    assert not marked(str(stage)) and not (stage / "result.json").exists()
