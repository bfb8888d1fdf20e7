"""Makes the app's own environment, `.venv`, from nothing but a Python: `python3 -m runtime.app_environment`.

Standard library only, because it runs before anything is installed. Steps that are done already are
skipped, so the second call is instant; a call that was interrupted starts over where it matters, because
the stamp is written last.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
VENV = PROJECT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCK = PROJECT / "requirements.lock"
STAMP = VENV / "steersman.json"
OLDEST, NEWEST = (3, 10), (3, 13)


def main() -> int:
    """Bring `.venv` up to date and return 0, or say in one sentence what is in the way and return 2.

    With the argument `--ready`, only tell by the exit code whether anything is to be done.
    """
    ready = _stamp() == _wanted()
    if ready or "--ready" in sys.argv:
        return int(not ready)
    try:
        _check_version()
        moved = _stamp().get("project", str(PROJECT)) != str(
            PROJECT
        )  # Its scripts hold the old place's path.
        STAMP.unlink(missing_ok=True)
        if moved or not _works(PYTHON):
            _create()
        _bootstrap_uv()
        _install()
        STAMP.write_text(json.dumps(_wanted()), encoding="utf-8")
    except InTheWayError as error:
        print(f"steersman: {error}", file=sys.stderr)
        return 2
    _say("The app is ready: .venv/bin/steersman")
    return 0


class InTheWayError(Exception):
    """Something that the person has to put right; the message says what and how."""


def _check_version() -> None:
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        found = ".".join(map(str, sys.version_info[:3]))
        raise InTheWayError(
            f"Steersman needs Python 3.10 to 3.13; this is {found}. Say `make PYTHON=python3.12 ...`."
        )


def _create() -> None:
    """Make an empty environment; a Debian without python3-venv gets the name of the missing package."""
    _say(f"Making the app's environment at {VENV} with Python {sys.version.split()[0]}.")
    shutil.rmtree(VENV, ignore_errors=True)
    made = subprocess.run(
        [sys.executable, "-m", "venv", str(VENV)], capture_output=True, text=True, check=False
    )
    if made.returncode == 0 and _works(PYTHON):
        return
    shutil.rmtree(VENV, ignore_errors=True)
    if shutil.which("uv"):
        command = ["uv", "venv", "--quiet", "--no-project", "--python", sys.executable, str(VENV)]
        if subprocess.run(command, check=False).returncode == 0 and _works(PYTHON):
            return
    package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
    reason = (made.stderr or made.stdout).strip().splitlines()
    raise InTheWayError(
        f"{sys.executable} cannot make environments: its `venv` module is not complete. On Debian or Ubuntu:"
        f" `sudo apt install {package}`; then run make again. ({reason[-1] if reason else 'no message'})"
    )


def _bootstrap_uv() -> None:
    """Put the pinned `uv` into the environment with pip, unless it is there."""
    pinned = re.search(r"^uv==([^\s;\\]+)", LOCK.read_text(encoding="utf-8"), re.MULTILINE)
    if pinned is None:
        raise InTheWayError(f"{LOCK.name} does not pin uv; run `make lock`.")
    if _quiet([str(PYTHON), "-c", "import uv; uv.find_uv_bin()"]):
        return
    _say("Fetching uv, which installs everything else.")
    if not _quiet([str(PYTHON), "-m", "pip", "--version"]):
        _run([str(PYTHON), "-m", "ensurepip", "--default-pip"], "pip is missing and could not be set up")
    command = [
        str(PYTHON),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        f"uv=={pinned[1]}",
    ]
    _run(command, "uv could not be fetched with pip; check the network, or pip's index settings")


def _install() -> None:
    """Install the locked packages and the project itself, editable."""
    _say(f"Installing the packages pinned in {LOCK.name}.")
    uv = [str(PYTHON), "-m", "runtime.engines.uv_tool", "pip", "install", "--quiet", "--python", str(PYTHON)]
    failed = "the app's packages could not be installed; the lines above say which"
    _run([*uv, "--require-hashes", "--requirements", str(LOCK)], failed)
    _run([*uv, "--no-deps", "--editable", str(PROJECT)], failed)


def _wanted() -> dict[str, str]:
    """Return what a finished environment was made from."""
    contents = LOCK.read_bytes() + (PROJECT / "pyproject.toml").read_bytes()
    return {"inputs": hashlib.sha256(contents).hexdigest(), "project": str(PROJECT)}


def _stamp() -> dict[str, str]:
    """Return what the environment says it was made from; empty if it was never finished."""
    try:
        return dict(json.loads(STAMP.read_text(encoding="utf-8"))) if PYTHON.exists() else {}
    except (OSError, ValueError):
        return {}


def _works(python: Path) -> bool:
    return _quiet([str(python), "-c", "import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))"])


def _quiet(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False, env=_environment()).returncode == 0
    except OSError:
        return False


def _run(command: list[str], what_failed: str) -> None:
    if subprocess.run(command, cwd=PROJECT, check=False, env=_environment()).returncode != 0:
        raise InTheWayError(f"{what_failed}. The command was: {' '.join(command)}")


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}


def _say(sentence: str) -> None:
    print(sentence, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
