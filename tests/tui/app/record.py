"""Record the journals that the replay tests play: real runs of a tiny model with the real engine.

    python -m tests.tui.app.record [success|failed|lost|stopped ...]

writes `journals/<name>.jsonl` (times from 0, the run's folder as @RUN@), the plan, and the ends of the logs.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from planner.facts import Facts
from planner.planfile import dumps
from planner.solve import make_plan
from planner.wishes import Wishes
from runtime.acquire.resolve import resolve_model
from runtime.data.scan import scan
from runtime.paths import engines_folder
from runtime.probe import probe_hardware
from runtime.run import processes, stopping
from runtime.run.layout import RunFolder, create_run
from runtime.run.processes import Identity, members
from runtime.run.saving import request_checkpoint
from tests.runtime.stand_in_run import events, states, wait_until
from tests.tiny_model import write_tiny_llama

FOLDER = Path(__file__).with_name("journals")
LOG_BYTES = 6000
TOO_LITTLE_BYTES = 560 << 20
PINS = {
    "method": "full",
    "num_train_epochs": 8,
    "learning_rate": 0.003,
    "max_new_tokens": 200,
    "save_steps": 20,
    "eval_steps": 20,
    "logging_steps": 1,
}


def main() -> None:
    """Record everything."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        home = root / "home"
        home.mkdir()
        (home / "engines").symlink_to(engines_folder())
        os.environ["STEERSMAN_HOME"] = str(home)
        model = write_tiny_llama(root / "tiny-llama")
        plan = dumps(make_plan(facts(model), Wishes(pins=PINS)))
        FOLDER.mkdir(exist_ok=True)
        if not sys.argv[1:]:
            text = plan.replace(str(model), "/models/tiny-llama")
            (FOLDER / "plan.yaml").write_text(text, encoding="utf-8")
        wanted = sys.argv[1:]
        for scenario in (success, failed, lost, stopped):
            if wanted and scenario.__name__ not in wanted:
                continue
            run = create_run(root / "tiny-llama-run", plan)
            scenario(run)
            keep(run, scenario.__name__, root)
            shutil.rmtree(run.root)


def facts(model: Path) -> Facts:
    """Return the facts of a tiny plan on this machine."""
    data = scan("steersman-demo", model, max_length=512, src_length=256, seed=42, dev_fraction=0.1)
    return Facts(model=resolve_model(str(model)), data=data.facts, hardware=probe_hardware(model))


def supervise(
    run: RunFolder, *more: str, prepare: Callable[[], None] | None = None
) -> subprocess.Popen[bytes]:
    """Start a supervisor."""
    run.stop_requests.unlink(missing_ok=True)
    command = [sys.executable, "-m", "runtime.run.supervise", str(run.root), *more]
    with run.supervisor_log.open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, preexec_fn=prepare)


def success(run: RunFolder) -> None:
    """A run from its first stage to its report, with a checkpoint on request."""
    supervisor = supervise(run)
    wait_until(lambda: "saved" in states(run, "train"), "a checkpoint", 300)
    request_checkpoint(run)
    assert supervisor.wait(600) == 0


def failed(run: RunFolder) -> None:
    """Training that runs out of memory, and continues where there is enough."""
    assert supervise(run, "--until", "preflight").wait(600) == 0

    def starve() -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (TOO_LITTLE_BYTES, TOO_LITTLE_BYTES))

    assert supervise(run, prepare=starve).wait(600) == 4
    assert supervise(run).wait(600) == 0


def lost(run: RunFolder) -> None:
    """A run whose supervisor and workers are killed in the middle of its training."""
    supervisor = supervise(run)
    wait_until(lambda: "saved" in states(run, "train"), "a checkpoint", 300)
    folder = run.stage("train")
    victims = members(folder.root, Identity.load(folder.process))
    supervisor.kill()
    processes.send(victims, signal.SIGKILL)
    supervisor.wait()
    processes.wait_for_end(victims, 20)


def stopped(run: RunFolder) -> None:
    """A run that is stopped in its training."""
    supervisor = supervise(run)
    wait_until(
        lambda: any(event.kind == "metric" and event.step > 24 for event in events(run)), "training", 300
    )
    stopping.request(run)
    assert supervisor.wait(300) == 130


def keep(run: RunFolder, name: str, root: Path) -> None:
    """Write a journal and the ends of its logs without places and times of this machine."""
    lines = [json.loads(line) for line in run.journal.read_text(encoding="utf-8").splitlines()]
    begin = lines[0]["t"]
    for line in lines:
        line["t"] = round(line["t"] - begin, 3)
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    (FOLDER / f"{name}.jsonl").write_text(without_places(text, run, root), encoding="utf-8")
    for log in sorted(run.root.glob("stages/*/log.txt")):
        place = FOLDER / "logs" / name / f"{log.parent.name}.txt"
        place.parent.mkdir(parents=True, exist_ok=True)
        end = log.read_bytes()[-LOG_BYTES:].decode(errors="replace")
        place.write_text(without_places(end, run, root), encoding="utf-8")


def without_places(text: str, run: RunFolder, root: Path) -> str:
    """Return a text with this machine's folders called by their roles."""
    from runtime.paths import PROJECT

    for place, role in (
        (run.root, "@RUN@"),
        (root, "/work"),
        (PROJECT, "/steersman"),
        (engines_folder(), "/engines"),
    ):
        for spelling in dict.fromkeys((str(place.resolve()), str(place))):
            text = text.replace(spelling, role)
    return text


if __name__ == "__main__":
    main()
