"""A stage for tests of the run engine: a real process that behaves as its specification says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from runtime.workers.emit import Emitter, stop_requested, take_save_request, write_result


def main() -> int:
    spec: dict[str, Any] = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    folder = Path(spec["stage_folder"])
    rank = int(os.environ.get("PADDLE_RANK", "0"))
    emitter = Emitter(folder, spec["stage"], rank)
    if rank:
        return share_of_another_machine(spec, folder)
    print("hello from", spec["stage"], flush=True)
    if spec.get("ignore_sigterm"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if spec.get("grandchild"):  # in a session of its own, like a trainer of Paddle's launcher
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    if spec.get("stderr_bytes"):
        sys.stderr.write("x" * int(spec["stderr_bytes"]) + "\n")
    if spec.get("environment_to"):
        Path(spec["environment_to"]).write_text(json.dumps(dict(os.environ)), encoding="utf-8")
    done = int((folder / "checkpoint").read_text()) if (folder / "checkpoint").exists() else 0
    if done:
        emitter.state("resumed", f"from step {done}")
    for step in range(done, int(spec.get("steps", 0))):
        if "room" in spec and step >= int(spec.get("short_from", 0)) and spec["size"] > spec["room"]:
            raise RuntimeError(spec["out_of_memory"])
        emitter.progress(step + 1, spec["steps"], "steps")
        losses = [float(value) for value in spec.get("losses", [])]
        emitter.metric(step + 1, loss=losses[step] if step < len(losses) else 1.0 / (step + 1))
        time.sleep(spec.get("step_seconds", 0.05))
        if spec.get("save_steps"):
            keep(folder, step + 1)
        if take_save_request(folder):
            emitter.state("saving", f"step {step + 1}")
            keep(folder, step + 1)
            emitter.state("saved", f"step {step + 1}")
        if stop_requested(folder) and not spec.get("ignore_stop"):
            emitter.state("saving")
            keep(folder, step + 1)
            emitter.state("saved", f"checkpoint of step {step + 1}")
            emitter.state("stopped", f"saved a checkpoint at step {step + 1}")
            return 0
    for number in range(int(spec.get("chatter", 0))):
        emitter.progress(1, 2, "parts")
        emitter.log(f"still at it, {number}")
        time.sleep(0.05)
    for line in spec.get("prints", []):
        print(line, flush=True)
    if spec.get("wait_for"):
        while not Path(spec["wait_for"]).exists():
            time.sleep(0.02)
            if spec.get("stops_waiting") and stop_requested(folder):
                emitter.state("stopped", "nobody waits any more")
                return 0
    if spec.get("error"):
        emitter.error(*spec["error"])
    if spec.get("raise"):
        raise RuntimeError(spec["raise"])
    if spec.get("fill"):
        with (folder / "big").open("wb") as file:
            file.write(b"0" * int(spec["fill"]))
    if spec.get("signal"):
        os.kill(os.getpid(), int(spec["signal"]))
    if spec.get("exit"):
        return int(spec["exit"])
    output = folder / "output"
    output.mkdir(exist_ok=True)
    (output / "data.txt").write_text(
        f"{spec['stage']} {spec.get('value')}\n" + spec.get("source", ""), encoding="utf-8"
    )
    with (Path(spec["run_folder"]) / "executions").open("a") as file:
        file.write(spec["stage"] + "\n")
    emitter.proof(
        "holds", not spec.get("fail_proof"), "it holds" if not spec.get("fail_proof") else "off by 3"
    )
    if not spec.get("no_result"):
        write_result(folder, {"output": str(output)}, {"value": spec.get("value")})
    if spec.get("signal_after_result"):
        os.kill(os.getpid(), int(spec["signal_after_result"]))
    return 1 if spec.get("fail_proof") else 0


def keep(folder: Path, step: int) -> None:
    """Save a checkpoint, whole or not at all."""
    partial = folder / ".checkpoint"
    partial.write_text(str(step))
    partial.replace(folder / "checkpoint")


def share_of_another_machine(spec: dict[str, Any], folder: Path) -> int:
    """Go on until the first machine's share is done, or the specification says how this one fails."""
    print(
        "the first machine is at",
        os.environ["PADDLE_MASTER"],
        "and this one at",
        os.environ["POD_IP"],
        flush=True,
    )
    if spec.get("fails_elsewhere"):
        raise RuntimeError(spec["fails_elsewhere"])
    while not (folder / "result.json").exists() and not stop_requested(folder):
        time.sleep(0.02)
    return 0


if __name__ == "__main__":
    sys.exit(main())
