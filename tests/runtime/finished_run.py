"""What a finished run of a tiny model leaves, and a home in which the engine is installed."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from planner.planfile import dumps
from runtime.engines.locks import lock_hash
from runtime.events import State
from runtime.paths import write_atomically
from runtime.run.journal import Journal
from runtime.run.layout import RunFolder, create_run
from tests.planner.scenes import plan


def engine_home(folder: Path, engine_python: Path) -> Path:
    """Make a data folder of Steersman in which the engine is installed, and return it."""
    engine = folder / "engines" / "paddlenlp-cpu"
    engine.mkdir(parents=True)
    for name in ("bin", "lib", "pyvenv.cfg"):
        (engine / name).symlink_to(engine_python.parent.parent / name)
    manifest = {
        "engine": "paddlenlp",
        "build": "cpu",
        "lock_sha256": lock_hash("paddlenlp", "cpu"),
        "python": "3",
        "interpreter": str(engine_python),
        "packages": {},
        "installed_at": 0,
        "steersman": "0",
    }
    write_atomically(engine / "engine.json", json.dumps(manifest))
    return folder


def finished_run(folder: Path, outputs: dict[str, tuple[str, Path]], **wishes: Any) -> RunFolder:
    """Make a run folder in which each stage -> (output, path) is proven."""
    run = create_run(folder, dumps(plan(**wishes)))
    journal = Journal(run.journal)
    for stage, (name, path) in outputs.items():
        known = {name: {"path": str(path), "files": {}, "bytes": 0}}
        journal.append(State(t=time.time(), stage=stage, state="committed", outputs=known))
    journal.close()
    return run
