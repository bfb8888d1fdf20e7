"""Write events and the result of a stage. Standard library only: engine and app workers share this file.

Events are JSON lines, appended to `events-rank<N>.jsonl` in the stage's folder and flushed at once; the
supervisor copies them into the run's journal. `runtime.events` describes the kinds and their fields.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any


class Emitter:
    """Appends events of one stage and rank. Safe to call from any thread of one process."""

    def __init__(self, stage_folder: str | Path, stage: str, rank: int = 0) -> None:
        self.folder = Path(stage_folder)
        self.stage = stage
        self.rank = rank
        self.path = self.folder / f"events-rank{rank}.jsonl"

    def emit(self, kind: str, **fields: Any) -> None:
        """Append one event; `kind` and `fields` as in `runtime.events`."""
        event = {"t": round(time.time(), 3), "stage": self.stage, "rank": self.rank, "kind": kind, **fields}
        line = (json.dumps(event, ensure_ascii=False) + "\n").encode()
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, line)
        finally:
            os.close(descriptor)

    def progress(self, done: float, total: float, unit: str, message: str = "") -> None:
        """Say how far the stage is: `done` of `total` `unit`s (bytes, rows, steps, prompts)."""
        self.emit("progress", done=done, total=total, unit=unit, message=message)

    def metric(self, step: int, **values: float) -> None:
        """Record training or evaluation figures (loss, learning_rate, ...) at an optimizer step."""
        self.emit("metric", step=step, values=values)

    def log(self, message: str, level: str = "info") -> None:
        """Say one sentence to the person; `level` is info or warning."""
        self.emit("log", level=level, message=message)

    def artifact(self, name: str, path: str | Path) -> None:
        """Announce a file or folder that the person may want to open."""
        self.emit("artifact", name=name, path=str(path))

    def proof(self, name: str, passed: bool, sentence: str, **measured: float | int | str) -> None:
        """Record a proof: its name, whether it holds, one sentence, and the measured figures."""
        self.emit("proof", name=name, passed=passed, sentence=sentence, measured=measured)

    def state(self, state: str, reason: str = "") -> None:
        """Record a change of state: `saving`, `saved`, `stopping`, `stopped`..."""
        self.emit("state", state=state, reason=reason)

    def error(self, what: str, why: str = "", remedy: str = "") -> None:
        """Record the failure of this rank in words; the traceback belongs on stderr."""
        self.emit("error", what=what, why=why, remedy=remedy)


def write_result(
    stage_folder: str | Path, outputs: dict[str, str], figures: dict[str, Any] | None = None
) -> None:
    """Declare the stage's work complete, atomically: named output paths and measured figures.

    A worker writes this last, once its outputs are renamed into place and its proofs have been emitted.
    Without this file a stage has not succeeded, whatever its exit code.
    """
    folder = Path(stage_folder)
    text = json.dumps({"outputs": outputs, "figures": figures or {}}, ensure_ascii=False, indent=2)
    partial = folder / ".result.json.partial"
    with partial.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(folder / "result.json")


def take_save_request(stage_folder: str | Path) -> bool:
    """Return whether a checkpoint was asked for (the file `save` in the stage's folder), and forget it."""
    try:
        (Path(stage_folder) / "save").unlink()
    except FileNotFoundError:
        return False
    return True


def stop_requested(stage_folder: str | Path) -> bool:
    """Return whether the supervisor asked for a graceful stop (the file `stop` in the stage's folder)."""
    return (Path(stage_folder) / "stop").exists()
