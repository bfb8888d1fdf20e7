"""Which engines there are, where they lie, and what state they are in. All of it is read from disk.

`engines/<engine>-<build>` is a link to a folder under `engines/builds/`, set in one step when an
installation is complete. So an engine that was killed half way has no link, and an update that fails leaves
the old engine working. An environment cannot be moved (its scripts hold absolute paths), which is why the
link moves instead.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import psutil
from pydantic import Field, ValidationError

from planner.engine_builds import build_of, engines
from planner.errors import BadInput
from planner.language import say
from planner.schema import Record
from runtime.engines.locks import lock_hash
from runtime.paths import engines_folder

MANIFEST = "engine.json"
StateName = Literal["installed", "outdated", "absent"]


class Manifest(Record):
    """What an installation writes last into its folder; without it the folder is not an engine."""

    engine: str
    build: str
    lock_sha256: str = Field(description="Hash of what it was installed from.")
    python: str = Field(description="Version of its interpreter.")
    interpreter: str = Field(description="The interpreter that it was built on, which must stay.")
    packages: dict[str, str] = Field(description="Installed package -> version.")
    installed_at: float = Field(description="Seconds since the epoch.")
    steersman: str = Field(description="Version of Steersman that installed it.")


class Installed(Record):
    """State of one engine and build on this machine."""

    engine: str
    build: str
    title: str
    state: StateName = Field(description="outdated: installed from other versions than this Steersman pins.")
    folder: str = Field(description="Where it is or would be.")
    manifest: Manifest | None = None
    disk_bytes: int = Field(
        0, description="Space taken, shared with uv's cache where that is on the same disk."
    )


def name_of(engine: str, build: str) -> str:
    """Return the folder name of an engine's build."""
    return f"{engine}-{build}"


def link_of(engine: str, build: str) -> Path:
    """Return the stable path of an engine, such as `engines/paddlenlp-cpu`; it need not exist."""
    build_of(engine, build)
    return engines_folder() / name_of(engine, build)


def builds_folder() -> Path:
    """Return the folder that holds the environments themselves."""
    return engines_folder() / "builds"


def folders_of(engine: str, build: str) -> list[Path]:
    """Return every environment of this build, complete or not."""
    return sorted(builds_folder().glob(f"{name_of(engine, build)}-*"))


def read_manifest(folder: Path) -> Manifest | None:
    """Return the manifest of a complete environment, or None."""
    try:
        return Manifest.model_validate(json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError):
        return None


def state(engine: str, build: str, measure: bool = False) -> Installed:
    """Return the state of one engine; `measure` adds up its disk space, which takes a moment."""
    link = link_of(engine, build)
    manifest = read_manifest(link)
    if manifest is None or not (link / "bin/python").exists():
        name: StateName = "absent"
    else:
        name = "installed" if manifest.lock_sha256 == lock_hash(engine, build) else "outdated"
    used = sum(disk_bytes(folder) for folder in folders_of(engine, build)) if measure else 0
    title = engines()[engine].title
    return Installed(
        engine=engine,
        build=build,
        title=title,
        state=name,
        folder=str(link),
        manifest=manifest,
        disk_bytes=used,
    )


def states(measure: bool = False) -> list[Installed]:
    """Return the state of every known engine and build."""
    return [state(engine, build, measure) for engine, row in engines().items() for build in row.builds]


def python_of(engine: str, build: str) -> Path:
    """Return an installed engine's interpreter; otherwise `BadInput` with the command that installs it."""
    found = state(engine, build)
    remedy = say("Run `steersman engines install {engine} --build {build}`.", engine=engine, build=build)
    if found.state == "absent":
        raise BadInput(
            say(
                "Engine {engine} ({build}) is not installed at {folder}.",
                engine=engine,
                build=build,
                folder=found.folder,
            ),
            remedy=remedy,
        )
    if found.state == "outdated":
        raise BadInput(
            say("Engine {engine} ({build}) is out of date.", engine=engine, build=build),
            why=say("It was installed by another version of Steersman, with other package versions."),
            remedy=remedy,
        )
    return Path(found.folder) / "bin/python"


def users_of(engine: str, build: str) -> list[int]:
    """Return the ids of processes that run on this engine now."""
    places = [str(path) + "/" for path in (link_of(engine, build), *folders_of(engine, build))]
    users: list[int] = []
    for process in psutil.process_iter(["pid", "cmdline"]):
        command = process.info["cmdline"] or [""]
        if any(command[0].startswith(place) for place in places):
            users.append(int(process.info["pid"]))
    return users


def disk_bytes(folder: Path) -> int:
    """Return the space that a folder takes, in bytes; a file with two names in it counts once."""
    seen: set[tuple[int, int]] = set()
    total = 0
    for path in folder.rglob("*"):
        facts = path.lstat()
        if (facts.st_dev, facts.st_ino) not in seen:
            seen.add((facts.st_dev, facts.st_ino))
            total += facts.st_blocks * 512
    return total
