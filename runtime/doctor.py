"""Looks this machine over: what it has, whether training will work, and what to do where it will not."""

from __future__ import annotations

import locale
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from planner.engine_builds import engines, pick_build
from planner.errors import NothingFeasible
from planner.facts import HardwareFacts
from runtime.engines.check import check
from runtime.engines.interpreter import working_interpreters
from runtime.engines.registry import state, states
from runtime.health import Finding, Level
from runtime.paths import home
from runtime.probe import Probe, existing, probe

ENGINE = "paddlenlp"
LITTLE_MEMORY = 4e9
"""Bytes. A 135 M-parameter model with its optimizer and Paddle itself peak at about 3 GB."""

LITTLE_SHARED_MEMORY = 1e9
"""Bytes. Docker's default of 64 MB makes data-loader workers die with a bus error."""

LITTLE_DISK = 5e9
"""Bytes. An engine takes 2 GB, a small model with its checkpoints and result about as much again."""

TOKENS = {
    "Hugging Face": (("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"), "~/.cache/huggingface/token"),
    "ModelScope": (("MODELSCOPE_API_TOKEN",), "~/.modelscope/credentials"),
    "AI Studio": (("AISTUDIO_ACCESS_TOKEN",), "~/.cache/aistudio/.auth/token"),
    "SwanLab": (("SWANLAB_API_KEY",), "~/.swanlab/.netrc"),
}
"""Service -> environment variables and the file of its login.

Only their presence is looked at, never their value.
"""


def examine() -> Iterator[Finding]:
    """Yield the findings one by one; the engines come late because proving one takes some seconds."""
    seen = probe(home())
    yield from examine_machine(seen)
    yield from examine_space(seen.hardware)
    yield from examine_interpreters()
    yield from examine_engines(seen.hardware)
    yield from examine_tokens(os.environ)
    yield from examine_terminal(os.environ)


def examine_machine(seen: Probe) -> Iterator[Finding]:
    """Yield the processor, the GPUs and every probe that failed."""
    hardware = seen.hardware
    yield Finding(level="ok", subject="machine", sentence=f"{hardware.description}.")
    flags = ", ".join(
        flag for flag in hardware.cpu.flags if flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
    )
    if hardware.cpu.vendor in ("amd", "intel") and "avx" not in hardware.cpu.flags:
        sentence = "The processor has no AVX, which Paddle's wheels use."
        yield Finding(level="problem", subject="processor", sentence=sentence, remedy="Use another machine.")
    elif flags:
        yield Finding(level="ok", subject="processor", sentence=f"It has {flags}.")
    for failure in seen.failures:
        yield Finding(
            level="warning",
            subject="probe",
            sentence=failure,
            remedy="See `nvidia-smi`, or the folder named.",
        )
    try:
        build, because, _ = pick_build(hardware, ENGINE)
        yield Finding(level="ok", subject="build", sentence=f"Engine build {build}. {because}")
    except NothingFeasible as nothing:
        sentence = " ".join(filter(None, (nothing.what, nothing.why)))
        yield Finding(level="problem", subject="build", sentence=sentence, remedy=nothing.remedy)


def examine_space(hardware: HardwareFacts) -> Iterator[Finding]:
    """Yield memory, disk, the writability of Steersman's folder, and shared memory."""
    yield _enough(
        "memory",
        f"{_gb(hardware.memory_bytes)} of memory.",
        hardware.memory_bytes >= LITTLE_MEMORY,
        "Only the smallest models fit; close other programs, or give the container more memory.",
    )
    yield _enough(
        "disk",
        f"{_gb(hardware.disk_free_bytes)} free at {home()}.",
        hardware.disk_free_bytes >= LITTLE_DISK,
        "Free some space, or set STEERSMAN_HOME to a larger disk.",
    )
    if not os.access(existing(home()), os.W_OK):
        sentence = f"{home()} cannot be written to."
        yield Finding(
            level="problem",
            subject="disk",
            sentence=sentence,
            remedy="Set STEERSMAN_HOME to your own folder.",
        )
    yield _enough(
        "/dev/shm",
        f"/dev/shm holds {_gb(hardware.shm_bytes)}.",
        hardware.shm_bytes >= LITTLE_SHARED_MEMORY,
        "Data is then loaded in the training process; in Docker, --shm-size=8g lifts this.",
    )


def examine_interpreters() -> Iterator[Finding]:
    """Yield the interpreters on which the engine can be built."""
    row = engines()[ENGINE]
    found = working_interpreters(row.python)
    span = f"Python {row.python[0]} to {row.python[-1]}"
    if found:
        listed = ", ".join(f"{each.version} ({each.path})" for each in found)
        yield Finding(level="ok", subject="Python", sentence=f"{span} for engines: {listed}.")
        return
    built = any(each.state == "installed" for each in states())
    level: Level = "warning" if built else "problem"
    remedy = f"Install one, for example with `uv python install {row.python[-1]}`."
    yield Finding(
        level=level, subject="Python", sentence=f"There is no {span}, which engines need.", remedy=remedy
    )


def examine_engines(hardware: HardwareFacts) -> Iterator[Finding]:
    """Yield the state of each installed engine, proved unless it was before, and of the wanted one."""
    for each in states():
        name = f"{each.engine} ({each.build})"
        install = f"Run `steersman engines install {each.engine} --build {each.build}`."
        if each.state == "outdated":
            sentence = f"Engine {name} was installed by another version of Steersman."
            yield Finding(level="problem", subject="engine", sentence=sentence, remedy=install)
        elif each.state == "installed":
            report = check(each.engine, each.build)
            for problem in report.problems():
                yield problem.model_copy(
                    update={"subject": "engine", "sentence": f"Engine {name}: {problem.sentence}"}
                )
            if report.ok:
                versions = ", ".join(f"{key} {value}" for key, value in report.versions.items())
                yield Finding(level="ok", subject="engine", sentence=f"Engine {name} works: {versions}.")
    try:
        wanted, _, _ = pick_build(hardware, ENGINE)
    except NothingFeasible:
        return
    if state(ENGINE, wanted).state == "absent":
        sentence = f"Engine {ENGINE} ({wanted}), which this machine needs, is not installed."
        remedy = f"Run `steersman engines install {ENGINE}`."
        yield Finding(level="problem", subject="engine", sentence=sentence, remedy=remedy)


def examine_tokens(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Yield for each service whether a login is present. Public models need none."""
    for service, (variables, file) in TOKENS.items():
        by = next((name for name in variables if environment.get(name)), "")
        if not by and Path(file).expanduser().exists():
            by = file
        sentence = f"{service}: a login is present ({by})." if by else f"{service}: no login."
        remedy = "" if by else f"Only if you need it: set {variables[0]}."
        yield Finding(level="note", subject="login", sentence=sentence, remedy=remedy)


def examine_terminal(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Yield whether the terminal can show the app."""
    size = shutil.get_terminal_size()
    term = environment.get("TERM", "")
    encoding = locale.getpreferredencoding(False).upper().replace("-", "")
    if encoding != "UTF8":
        sentence = f"The locale's encoding is {encoding}, so bars and boxes may show as question marks."
        yield Finding(level="warning", subject="terminal", sentence=sentence, remedy="Set LC_ALL=C.UTF-8.")
    if term in ("", "dumb"):
        sentence = "There is no terminal type (TERM), so progress is shown as plain lines."
        yield Finding(level="note", subject="terminal", sentence=sentence)
    elif size.columns < 80 or size.lines < 24:
        sentence = f"The terminal is {size.columns} x {size.lines}; tables want 80 x 24."
        yield Finding(
            level="warning", subject="terminal", sentence=sentence, remedy="Make the window larger."
        )
    else:
        sentence = f"{term}, {size.columns} x {size.lines}, {encoding}."
        yield Finding(level="ok", subject="terminal", sentence=sentence)


def _enough(subject: str, sentence: str, enough: bool, remedy: str) -> Finding:
    level: Level = "ok" if enough else "warning"
    return Finding(level=level, subject=subject, sentence=sentence, remedy="" if enough else remedy)


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
