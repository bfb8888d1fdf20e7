"""The lock files: one per engine and build, and one for the app. Pinned and hashed, without any address.

`python -m runtime.engines.locks` (`make lock`) makes them again; versions already in a lock are kept unless
they no longer fit. Add `--upgrade` to take the newest.
"""

from __future__ import annotations

import hashlib
import re
import sys
import tempfile
from pathlib import Path

from planner.engine_builds import TABLE, build_of, engines
from planner.errors import BadInput, SteersmanError
from planner.language import say
from runtime.engines.extras import EXTRAS, extra_lock
from runtime.engines.uv_tool import run_uv
from runtime.paths import PROJECT, write_atomically

FOLDER = TABLE.parent
APP_LOCK = PROJECT / "requirements.lock"
APP_HEADER = "# Made by `make lock` from pyproject.toml: the app and its tools, for Python 3.10 to 3.13.\n"
SECOND_STEP = """\
# {paddle} is missing here on purpose: it exists only on Paddle's own index, from which no hash could be
# recorded. It is installed afterwards by version alone, with the nvidia-* libraries that it pins.
"""


def lock_path(engine: str, build: str) -> Path:
    """Return the lock file of an engine's build; `BadInput` for an unknown name or a missing file."""
    build_of(engine, build)
    path = FOLDER / f"{engine}-{build}.txt"
    if not path.exists():
        raise BadInput(
            say("The lock file {path} is missing.", path=path),
            remedy=say("Install Steersman again, or run `make lock`."),
        )
    return path


def lock_hash(engine: str, build: str) -> str:
    """Return the sha256 of what a build is installed from: its lock, Paddle's pin and Paddle's index."""
    row = build_of(engine, build)
    origin = f"{row.paddle} {row.index or ''}\n".encode()
    return hashlib.sha256(origin + lock_path(engine, build).read_bytes()).hexdigest()


def pins(text: str) -> dict[str, list[str]]:
    """Return package -> pinned versions of a lock file's text; several where they differ by interpreter."""
    found: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", text, re.MULTILINE):
        found.setdefault(name.lower(), []).append(version)
    return found


def make_locks(upgrade: bool = False) -> list[Path]:
    """Resolve every engine build and the app again, and return the files written."""
    written = [_compile(["pyproject.toml", "--group", "dev"], APP_LOCK, APP_HEADER, upgrade)]
    for engine, row in engines().items():
        gpu_text = ""
        overrides = ["--override", f"recipes/engines/{engine}.override"]
        for build, details in row.builds.items():
            target = FOLDER / f"{engine}-{build}.txt"
            source = f"recipes/engines/{engine}-{'gpu' if details.index else 'cpu'}.in"
            span = f"Python {row.python[0]} to {row.python[-1]}"
            header = f"# Made by `make lock` from {source}, for {span} on Linux.\n"
            if not details.index:
                written.append(_compile([source, *overrides], target, header, upgrade))
                continue
            if not gpu_text:
                _compile([source, *overrides], target, "", upgrade)
                gpu_text = _without_header(target.read_text("utf-8"))
            write_atomically(target, header + SECOND_STEP.format(paddle=details.paddle) + gpu_text)
            written.append(target)
    for name in sorted({name for names in EXTRAS.values() for name in names}):
        source = f"recipes/engines/extras/{name}.in"
        header = f"# Made by `make lock` from {source}, for Python 3.10 to 3.12 on Linux.\n"
        written.append(_compile([source, "--no-deps"], extra_lock(name), header, upgrade))
    return written


def _compile(sources: list[str], target: Path, header: str, upgrade: bool) -> Path:
    """Resolve `sources` for every interpreter from 3.10 on and write `target` with `header` above."""
    arguments = ["pip", "compile", *sources, "--universal", "--python-version", "3.10", "--generate-hashes"]
    arguments += ["--no-header", "--no-annotate", "--quiet", *(["--upgrade"] if upgrade else [])]
    with tempfile.TemporaryDirectory() as folder:
        output, log = Path(folder, "lock.txt"), Path(folder, "log.txt")
        if target.exists():
            output.write_text(_without_header(target.read_text("utf-8")), encoding="utf-8")
        if run_uv([*arguments, "--output-file", str(output)], cwd=PROJECT, log=log, hear=lambda _: None):
            what = say("uv could not resolve {source}.", source=sources[0])
            raise SteersmanError(what, details=log.read_text("utf-8"))
        write_atomically(target, header + _without_header(output.read_text("utf-8")))
    return target


def _without_header(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))


if __name__ == "__main__":
    try:
        for path in make_locks(upgrade="--upgrade" in sys.argv):
            print(path.relative_to(PROJECT))
    except SteersmanError as error:
        sys.exit(f"{error.sentence()}\n{error.details}")
