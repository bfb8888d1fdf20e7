"""Finds a Python interpreter that an engine can be built on.

Every candidate is run before it is believed: version managers put commands on PATH that exist and fail (a
pyenv shim of a version that is not selected exits with 127), and uv's own search stops at the first of
those.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from planner.errors import BadInput
from planner.language import say

ASK = (
    "import platform, struct, sys\n"
    "print(platform.python_implementation(), '%d.%d' % sys.version_info[:2], platform.python_version(),"
    " struct.calcsize('P') * 8, sys._base_executable or sys.executable, sep='\\n')\n"
    "import ctypes, ssl, venv, zlib\n"
)
"""What a candidate must print, and the parts of the standard library that home-made builds tend to lack."""

INSTALLATIONS = (
    "${PYENV_ROOT:-~/.pyenv}/versions/{version}*/bin/python3",
    "${UV_PYTHON_INSTALL_DIR:-~/.local/share/uv/python}/cpython-{version}*/bin/python3",
    "~/.asdf/installs/python/{version}*/bin/python3",
    "~/.local/share/mise/installs/python/{version}*/bin/python3",
    "/opt/python{version}/bin/python3",
    "/usr/local/bin/python{version}",
    "/opt/conda/bin/python3",
)
"""Where interpreters lie that are not on PATH."""


class Interpreter(NamedTuple):
    """A working CPython."""

    path: str
    version: str


def find_interpreter(versions: Iterable[str], because: str) -> Interpreter:
    """Return the first working CPython of one of `versions` (such as `3.11`); `BadInput` when there is none.

    The app's own interpreter comes first, so that one Python serves both wherever it can. `because`: why it
    must be one of these, a sentence of the catalogue without its full stop.
    """
    wanted = tuple(versions)
    for candidate in candidates(wanted):
        found = ask(candidate)
        if found is not None and found.version.rpartition(".")[0] in wanted:
            return found
    first, last = wanted[0], wanted[-1]
    raise BadInput(
        say("No Python {first} to {last} was found on this machine.", first=first, last=last),
        why=say("The engine needs one: {because}.", because=say(because)),
        remedy=say(
            "Install one, for example with `apt install python{last}` or `uv python install {last}`.",
            last=last,
        ),
    )


def working_interpreters(versions: Iterable[str]) -> list[Interpreter]:
    """Return every different working CPython of these versions, in the order of preference."""
    wanted = tuple(versions)
    found: dict[Path, Interpreter] = {}
    for each in map(ask, candidates(wanted)):
        if each is not None and each.version.rpartition(".")[0] in wanted:
            found.setdefault(Path(each.path).resolve(), each)
    return list(found.values())


def ask(path: str) -> Interpreter | None:
    """Run an interpreter and return its real path and version; None if it fails or is no 64-bit CPython."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    try:
        answer = subprocess.run(
            [path, "-I", "-c", ASK], capture_output=True, text=True, timeout=30, check=True, env=environment
        )
    except (OSError, subprocess.SubprocessError):
        return None
    lines = answer.stdout.splitlines()
    if len(lines) != 5 or lines[0] != "CPython" or lines[3] != "64":
        return None
    return Interpreter(path=lines[4], version=lines[2])


def candidates(versions: tuple[str, ...]) -> Iterator[str]:
    """Yield paths worth asking, each once: this interpreter, then PATH, then version managers' places."""
    seen: set[str] = set()
    for path in _candidates(versions):
        if path not in seen and Path(path).exists():
            seen.add(path)
            yield path


def _candidates(versions: tuple[str, ...]) -> Iterator[str]:
    yield getattr(sys, "_base_executable", None) or sys.executable
    folders = [folder for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    for name in [*(f"python{version}" for version in _preferred(versions)), "python3", "python"]:
        yield from (str(Path(folder, name)) for folder in folders)
    for version in _preferred(versions):
        for pattern in INSTALLATIONS:
            places = Path("/").glob(_expand(pattern).replace("{version}", version).lstrip("/"))
            yield from sorted(map(str, places), reverse=True)


def _preferred(versions: tuple[str, ...]) -> list[str]:
    """The middle version first: it is neither about to lose its wheels nor still waiting for some."""
    middle = versions[len(versions) // 2]
    return [middle, *(version for version in reversed(versions) if version != middle)]


def _expand(pattern: str) -> str:
    """Expand `~` and `${NAME:-default}`."""
    if pattern.startswith("${"):
        name, _, rest = pattern[2:].partition(":-")
        default, _, tail = rest.partition("}")
        pattern = (os.environ.get(name) or default) + tail
    return str(Path(pattern).expanduser())
