"""Packages beside an engine: pinned like it, installed with it, seen only by the worker that asks for them.

They lie below the engine's own folder, off its import path. PaddleSlim is such a one: where it can be
imported, `import paddlenlp` imports it too and takes two to three seconds more in every process (measured;
paddlenlp 3.0.0b4, quantization/qlora.py:16).
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

from planner.engine_builds import TABLE
from planner.errors import BadInput
from planner.language import say
from runtime.engines.uv_tool import run_uv
from runtime.paths import engines_folder

Report = Callable[[str], None]

EXTRAS: dict[str, tuple[str, ...]] = {"paddlenlp": ("paddleslim",)}
"""Engine -> what is installed beside it."""

TITLES = {"paddleslim": "PaddleSlim"}


def extra_lock(name: str) -> Path:
    """Return the lock file of an extra: pinned and hashed, made from the `.in` file beside it."""
    return TABLE.parent / "extras" / f"{name}.txt"


def extra_folder(python: Path, name: str) -> Path:
    """Return where an extra of the engine with this interpreter lies, in the version that is pinned now.

    The path is below `lib`, as all that an environment holds; it goes into `sys.path` of who needs it.
    """
    pinned = hashlib.sha256(extra_lock(name).read_bytes()).hexdigest()[:8]
    return python.parent.parent / "lib" / "steersman" / f"{name}-{pinned}"


def find_extra(python: Path, name: str) -> Path:
    """Return the folder of an installed extra; `BadInput` with the command that installs it."""
    folder = extra_folder(python, name)
    if not folder.is_dir():
        raise BadInput(
            say("{title} is not installed beside the engine.", title=TITLES[name]),
            remedy=say("Run `steersman engines install paddlenlp`; the engine itself stays as it is."),
        )
    return folder


def install_extras(engine: str, python: Path, report: Report) -> None:
    """Install what is missing beside an engine; it works without what cannot be had, which is reported."""
    for name in EXTRAS.get(engine, ()):
        folder = extra_folder(python, name)
        if not folder.is_dir() and not _install(name, python, folder):
            report(
                say(
                    "{title} could not be installed beside the engine; what needs it will say so. "
                    "Details: {log}",
                    title=TITLES[name],
                    log=_log(name),
                )
            )


def _install(name: str, python: Path, folder: Path) -> bool:
    """Install an extra into a folder beside its own, and rename it; older versions are removed."""
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    into = ["pip", "install", "--python", str(python), "--target", str(partial), "--no-deps"]
    pinned = ["--only-binary", ":all:", "--require-hashes", "--requirements", str(extra_lock(name))]
    if run_uv([*into, *pinned], cwd=engines_folder(), log=_log(name), hear=lambda _: None):
        shutil.rmtree(partial, ignore_errors=True)
        return False
    partial.rename(folder)
    for older in folder.parent.glob(f"{name}-*"):
        if older != folder:
            shutil.rmtree(older, ignore_errors=True)
    return True


def _log(name: str) -> Path:
    return engines_folder() / f"{name}.install.log"
