"""The preflight of a long run: measure two steps, then save, kill, resume and merge them for real.

The training that is rehearsed is the run's own command with its own processes, two steps long. It is
killed (as a power cut would) once both steps are done; what it left goes on from the checkpoint of the first
step and has to give the loss of the second again; the result is merged with the merge stage's own proofs. A
fault in any of that shows here in minutes, not at the end of days. Standard library only: the memory is the
children's.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runtime.workers.emit import Emitter
from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say
from runtime.workers.stop import StopRequest

MARK = "STEERSMAN_REHEARSAL"
"""Set for every process of a rehearsed stage, so that all are found, whatever sessions they have made."""

POLL_SECONDS = 0.1
TAIL_BYTES = 16 << 10


class StoppedError(Exception):
    """Someone asked for a stop."""


def main(spec: dict[str, Any], arguments: list[str]) -> int:
    """Measure, rehearse; return 0 when the long run can start, 1 when not."""
    emitter, stop = Emitter(spec["stage_folder"], spec["stage"]), StopRequest(spec["stage_folder"])
    stop.listen()
    part = spec["rehearsal"]
    code = 0
    try:
        code = measure(spec, stop)
        if code == 0 and (Path(spec["stage_folder"]) / "result.json").exists():
            rehearse(part, emitter, stop)
    except StoppedError:
        emitter.state("stopped", stop.reason())
        (Path(spec["stage_folder"]) / "result.json").unlink(missing_ok=True)
    except RefusedError as refused:
        emitter.error(refused.what, refused.why, refused.remedy)
        code = 1
    finally:
        end_all(part["folder"])
        shutil.rmtree(part["folder"], ignore_errors=True)
    return code


def measure(spec: dict[str, Any], stop: StopRequest) -> int:
    """Run the ordinary preflight in a process of its own and return its exit code."""
    process = subprocess.Popen(spec["measure"], env=os.environ | {MARK: spec["rehearsal"]["folder"]})
    return wait(process, stop, lambda: False)


def rehearse(part: dict[str, Any], emitter: Emitter, stop: StopRequest) -> None:
    """Train two steps, kill, resume, compare, merge. RefusedError for whatever does not hold."""
    train, last = part["train"], int(part["steps"])
    write(train)
    log = Path(train["folder"]) / "events-rank0.jsonl"
    emitter.progress(0, 3, "parts", say("rehearsing: two steps and a kill"))
    code = run(train, stop, lambda: last in losses(log))
    if last not in losses(log):
        raise failed(train, code, say("The rehearsed training failed."))
    first = losses(log)[last]
    forget_after_first_step(Path(train["folder"]))
    emitter.progress(1, 3, "parts", say("rehearsing: resuming after the kill"))
    begun = len(events(log))
    code = run(train, stop, lambda: False)
    said = events(log)[begun:]
    prove_resume(part, emitter, said, first, last)
    result = Path(train["folder"]) / "result.json"
    if code != 0 or not result.exists():
        raise failed(train, code, say("The rehearsed training could not finish after a kill."))
    if "merge" in part:
        emitter.progress(2, 3, "parts", say("rehearsing: merging"))
        rehearse_merge(
            part["merge"], json.loads(result.read_text(encoding="utf-8"))["outputs"], emitter, stop
        )
    emitter.progress(3, 3, "parts", say("save, kill, resume and merge were rehearsed"))


def prove_resume(
    part: dict[str, Any], emitter: Emitter, said: list[dict[str, Any]], first: float, last: int
) -> None:
    """Prove that the second step after a kill is the second step without one."""
    resumed = [event.get("reason", "") for event in said if event.get("state") == "resumed"]
    again = losses_in(said).get(last)
    difference = abs(again - first) if again is not None else float("nan")
    holds = bool(resumed) and difference <= part["tolerance"] * max(1.0, abs(first))
    emitter.proof(
        "preflight.resume",
        holds,
        say(
            "Killed after step {last} and resumed {where}, step {last} gives the loss {again} again, as it "
            "was: {first}.",
            last=last,
            where=resumed[0] if resumed else say("from the beginning"),
            again=again,
            first=first,
        )
        if holds
        else say(
            "Killed and resumed, step {last} gives the loss {again}, and it was {first}.",
            last=last,
            again=again,
            first=first,
        ),
        loss=first,
        difference=difference,
    )
    if not holds:
        raise RefusedError(
            say("A training that is killed and resumed does not go on as it was."),
            say(
                "The loss of step {last} was {first}, and {again} after the resume.",
                last=last,
                first=first,
                again=again,
            ),
            say("The log of this stage shows both; to start all the same, set rehearsal to false."),
        )


def rehearse_merge(
    merge: dict[str, Any], outputs: dict[str, str], emitter: Emitter, stop: StopRequest
) -> None:
    """Merge what was trained, with the proofs of the merge stage."""
    spec = merge["spec"]
    for key in ("adapter", "trained_model"):
        if key in spec:
            spec[key] = next(iter(outputs.values()))
    write(merge)
    code = run(merge, stop, lambda: False)
    proofs = [one for one in events(Path(merge["folder"]) / "events-rank0.jsonl") if one["kind"] == "proof"]
    holds = code == 0 and bool(proofs) and all(proof["passed"] for proof in proofs)
    told = " ".join(proof["sentence"] for proof in proofs) or say("The merge ended without a proof.")
    emitter.proof("preflight.merge", holds, told, proofs=len(proofs))
    if not holds:
        raise failed(merge, code, say("The rehearsed merge failed."))


def write(part: dict[str, Any]) -> None:
    """Write specification and files of a rehearsed stage."""
    folder = Path(part["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in part["files"].items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "spec.json").write_text(json.dumps(part["spec"], ensure_ascii=False), encoding="utf-8")


def run(part: dict[str, Any], stop: StopRequest, enough: Callable[[], bool]) -> int:
    """Run a rehearsed stage until it ends, or kill it (-9) once it is `enough`; return its exit code."""
    folder = Path(part["folder"])
    environment = os.environ | part["environment"] | {MARK: str(folder)}
    with (folder / "log.txt").open("ab") as log:
        process = subprocess.Popen(
            part["command"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder, env=environment
        )
    code = wait(process, stop, enough)
    end_all(str(folder))
    return code


def wait(process: subprocess.Popen[bytes], stop: StopRequest, enough: Callable[[], bool]) -> int:
    """Return the exit code; StoppedError once a stop is asked for."""
    while (code := process.poll()) is None:
        if enough():
            end_all(process_mark(process))
            return process.wait()
        if stop.requested():
            end_all(process_mark(process))
            process.wait()
            raise StoppedError
        time.sleep(POLL_SECONDS)
    return code


def process_mark(process: subprocess.Popen[bytes]) -> str:
    """Return the mark that a process was given."""
    return variables(process.pid).get(MARK, "")


def end_all(mark: str) -> None:
    """Kill (-9) every process of a rehearsal, until none is left: of its folder and all folders below."""
    while mark:
        left = [pid for pid in living() if variables(pid).get(MARK, "").startswith(mark) and not is_dead(pid)]
        if not left:
            return
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def living() -> list[int]:
    """Return the ids of all other processes."""
    names = [path.name for path in Path("/proc").iterdir()]
    return [int(name) for name in names if name.isdigit() and int(name) != os.getpid()]


def variables(pid: int) -> dict[str, str]:
    """Return the environment of a process; empty for one that is gone or somebody else's."""
    try:
        text = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
    except OSError:
        return {}
    return dict(entry.split("=", 1) for entry in text.split("\0") if "=" in entry)


def is_dead(pid: int) -> bool:
    """Return whether a process has ended and only waits to be collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0] == "Z"
    except (OSError, IndexError, ValueError):
        return True


def forget_after_first_step(folder: Path) -> None:
    """Leave the checkpoint of the first step alone, as a kill during the second step does."""
    (folder / "result.json").unlink(missing_ok=True)
    for path in (folder / "output").glob("*"):
        if path.is_dir() and path.name != "checkpoint-1":
            shutil.rmtree(path, ignore_errors=True)


def events(path: Path) -> list[dict[str, Any]]:
    """Return the events in a file; a torn last line, as a kill leaves it, is no event."""
    found = []
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    for line in lines:
        with contextlib.suppress(ValueError):
            found.append(json.loads(line))
    return found


def losses(path: Path) -> dict[int, float]:
    """Return step -> loss."""
    return losses_in(events(path))


def losses_in(said: list[dict[str, Any]]) -> dict[int, float]:
    """Return step -> loss of some events."""
    metrics = [event for event in said if event.get("kind") == "metric" and "loss" in event["values"]]
    return {int(event["step"]): float(event["values"]["loss"]) for event in metrics}


def failed(part: dict[str, Any], code: int, what: str) -> RefusedError:
    """Return the failure of a rehearsed stage in its own words; its log goes to this stage's log, too."""
    folder = Path(part["folder"])
    for log in (folder / "log.txt", *sorted((folder / "launch").glob("workerlog.*"))):
        with contextlib.suppress(OSError):
            print(
                f"--- {log.name}\n{log.read_bytes()[-TAIL_BYTES:].decode(errors='replace')}", file=sys.stderr
            )
    said = [one for one in events(folder / "events-rank0.jsonl") if one.get("kind") == "error"]
    if said:
        return RefusedError(
            what, " ".join(filter(None, (said[0]["what"], said[0]["why"]))), said[0]["remedy"]
        )
    return RefusedError(what, say("It ended with exit code {code}.", code=code), "")
