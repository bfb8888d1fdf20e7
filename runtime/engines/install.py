"""Installs an engine: an environment of its own, from a pinned and hashed lock file, through uv.

The environment is built in a folder of its own under `engines/builds/`; its manifest is written last and
the link `engines/<engine>-<build>` is turned to it last of all. Killed at any moment, an installation
leaves either the old engine or none, never a half one that looks whole; the remains are cleared by the next
installation.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from planner.engine_builds import EngineBuild, build_of, engines
from planner.errors import BadInput
from planner.language import join, say
from runtime.engines.extras import install_extras
from runtime.engines.interpreter import Interpreter, find_interpreter
from runtime.engines.locks import lock_hash, lock_path
from runtime.engines.registry import (
    MANIFEST,
    Manifest,
    builds_folder,
    folders_of,
    link_of,
    name_of,
    state,
    users_of,
)
from runtime.engines.remedies import explain_installation
from runtime.engines.uv_tool import run_uv
from runtime.paths import engines_folder, write_atomically
from runtime.probe import existing

Report = Callable[[str], None]
SPOKEN = ("Downloading ", "Building ", "Prepared ", "Installed ")
"""Beginnings of uv's lines that tell a waiting person something."""
LEAVING_SECONDS = 5.0
"""Time that processes using an engine get to end before it is refused to replace it."""


def install(engine: str, build: str, report: Report, *, fresh: bool = False) -> Path:
    """Install an engine unless it is there already, and return its interpreter.

    `report` receives one sentence at a time. `fresh` installs again even if nothing changed. Raises
    `BadInput` when the disk is too small, no interpreter fits, or the packages cannot be had; what was
    there before stays as it was.
    """
    row, link = build_of(engine, build), link_of(engine, build)
    with _only_one_installation(report):
        found = state(engine, build)
        python = link / "bin/python"
        if found.state == "installed" and not fresh and _runs(python):
            report(
                say(
                    "Engine {engine} ({build}) is installed at {folder}; it is used as it is.",
                    engine=engine,
                    build=build,
                    folder=link,
                )
            )
            _clear(engine, build, keep=link.resolve())
            install_extras(engine, python, report)
            return python
        _refuse_if_in_use(engine, build)
        _clear(engine, build, keep=link.resolve() if found.state != "absent" else None)
        _check_disk(row, engine, build)
        if found.state == "outdated":
            report(
                say(
                    "Engine {engine} ({build}) has other versions than this Steersman pins; it is replaced.",
                    engine=engine,
                    build=build,
                )
            )
        folder = (
            builds_folder()
            / f"{name_of(engine, build)}-{lock_hash(engine, build)[:8]}-{secrets.token_hex(3)}"
        )
        try:
            _build(engine, build, row, folder, report)
            _turn_link(link, folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        _clear(engine, build, keep=folder)
        install_extras(engine, python, report)
    report(say("Engine {engine} ({build}) is ready at {folder}.", engine=engine, build=build, folder=link))
    return python


def remove(engine: str, build: str, report: Report) -> None:
    """Delete an engine and all remains of it; `BadInput` when there is nothing, or when it is in use."""
    link = link_of(engine, build)
    with _only_one_installation(report):
        if not link.is_symlink() and not link.exists() and not folders_of(engine, build):
            raise BadInput(
                say(
                    "Engine {engine} ({build}) is not installed; there is nothing to remove.",
                    engine=engine,
                    build=build,
                )
            )
        _refuse_if_in_use(engine, build)
        if link.is_symlink():
            link.unlink()
        elif link.exists():
            raise BadInput(_foreign(link), remedy=say("Remove it by hand."))
        _clear(engine, build, keep=None)
    report(
        say("Engine {engine} ({build}) is removed from {folder}.", engine=engine, build=build, folder=link)
    )


def _build(engine: str, build: str, row: EngineBuild, folder: Path, report: Report) -> None:
    """Make the environment in `folder`, install into it, and write its manifest."""
    interpreter = _interpreter(engine, report)
    log = engines_folder() / f"{name_of(engine, build)}.install.log"
    log.write_text("", encoding="utf-8")
    python = folder / "bin/python"
    report(
        say(
            "Creating an environment with Python {version} at {folder}.",
            version=interpreter.version,
            folder=folder,
        )
    )
    _uv(["venv", "--no-project", "--python", interpreter.path, str(folder)], log, report)
    lock = lock_path(engine, build)
    report(
        say("Installing the packages pinned in {lock}; uv's cache is used for those it has.", lock=lock.name)
    )
    into = ["pip", "install", "--python", str(python)]
    # The lock is complete, so nothing is resolved again. Only pure Python is built from source: the rest
    # would take a compiler and a quarter of an hour, where a sentence is due.
    wheels = ["--only-binary", ":all:", *(f"--no-binary={name}" for name in engines()[engine].from_source)]
    _uv([*into, *wheels, "--no-deps", "--require-hashes", "--requirements", str(lock)], log, report)
    if row.index:
        # The first step's packages stay: they satisfy what Paddle asks for. The best match of all registries
        # is wanted because Paddle's index holds some nvidia-* packages, but not always in the pinned version.
        report(
            say("Installing {package} from Paddle's own index, which gives no hashes.", package=row.paddle)
        )
        _uv([*into, "--index", row.index, "--index-strategy", "unsafe-best-match", row.paddle], log, report)
    manifest = Manifest(
        engine=engine,
        build=build,
        lock_sha256=lock_hash(engine, build),
        python=interpreter.version,
        interpreter=interpreter.path,
        packages=_packages(folder),
        installed_at=time.time(),
        steersman=version("steersman"),
    )
    write_atomically(folder / MANIFEST, json.dumps(manifest.model_dump(), indent=2, sort_keys=True))


def _interpreter(engine: str, report: Report) -> Interpreter:
    """Find an interpreter; where there is none, let uv fetch one, which needs a network."""
    row = engines()[engine]
    try:
        return find_interpreter(row.python, row.python_because)
    except BadInput as none_found:
        wanted = row.python[len(row.python) // 2]
        fetching = say("Fetching Python {version} with uv (about 30 MB).", version=wanted)
        report(join((none_found.what, fetching)))
        log = engines_folder() / "python.install.log"
        if run_uv(["python", "install", wanted], cwd=engines_folder(), log=log, hear=lambda _: None):
            raise
        return find_interpreter(row.python, row.python_because)


def _uv(arguments: list[str], log: Path, report: Report) -> None:
    """Run uv, pass on its lines that matter to a person, and turn a failure into one sentence."""
    heard: list[str] = []

    def hear(line: str) -> None:
        heard.append(line)
        if line.strip().startswith(SPOKEN):
            report(f"  {line.strip()}")

    if run_uv(arguments, cwd=engines_folder(), log=log, hear=hear):
        raise explain_installation("\n".join(heard), log)


def _packages(folder: Path) -> dict[str, str]:
    """Return the installed packages by the names of their metadata folders."""
    found: dict[str, str] = {}
    for metadata in folder.glob("lib/python*/site-packages/*.dist-info"):
        name, _, number = metadata.name.removesuffix(".dist-info").rpartition("-")
        found[name.lower().replace("_", "-")] = number
    return dict(sorted(found.items()))


def _turn_link(link: Path, folder: Path) -> None:
    """Point `link` at `folder` in one step."""
    if link.exists() and not link.is_symlink():
        raise BadInput(_foreign(link), remedy=say("Move it away and try again."))
    beside = link.with_name(f".{link.name}.{secrets.token_hex(3)}")
    beside.symlink_to(os.path.relpath(folder, link.parent), target_is_directory=True)
    beside.replace(link)


def _clear(engine: str, build: str, keep: Path | None) -> None:
    """Delete environments of this build other than `keep`: remains of killed installations and old ones."""
    for folder in folders_of(engine, build):
        if keep is None or folder.resolve() != keep:
            (folder / MANIFEST).unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)


def _foreign(link: Path) -> str:
    return say("{path} is not something that Steersman installed.", path=link)


def _check_disk(row: EngineBuild, engine: str, build: str) -> None:
    free = shutil.disk_usage(existing(engines_folder())).free
    if free < row.disk_gb * 1e9:
        raise BadInput(
            say(
                "Engine {engine} ({build}) needs {size:.1f} GB of disk.",
                engine=engine,
                build=build,
                size=row.disk_gb,
            ),
            why=say("{folder} has {size:.1f} GB free.", folder=engines_folder(), size=free / 1e9),
            remedy=say("Free some space, or set STEERSMAN_HOME to a folder on a larger disk."),
        )


def _refuse_if_in_use(engine: str, build: str) -> None:
    """Refuse when processes use the engine; what a killed installation left running ends by itself."""
    deadline = time.monotonic() + LEAVING_SECONDS
    while (users := users_of(engine, build)) and time.monotonic() < deadline:
        time.sleep(0.1)
    if users:
        raise BadInput(
            say(
                "Engine {engine} ({build}) is in use by process {users}.",
                engine=engine,
                build=build,
                users=", ".join(map(str, users)),
            ),
            remedy=say("Wait for it, or stop the run with `steersman stop`, and try again."),
        )


def _runs(python: Path) -> bool:
    """Whether the interpreter still starts; the Python below it may have been removed."""
    try:
        return (
            subprocess.run(
                [str(python), "-I", "-c", ""], capture_output=True, timeout=60, check=False
            ).returncode
            == 0
        )
    except (OSError, subprocess.SubprocessError):
        return False


@contextmanager
def _only_one_installation(report: Report) -> Iterator[None]:
    """Hold the lock of the engines folder; the system releases it when this process ends, however it ends."""
    engines_folder().mkdir(parents=True, exist_ok=True)
    with (engines_folder() / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report(say("Another Steersman is installing an engine; waiting for it."))
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
