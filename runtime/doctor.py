"""Looks this machine over: what it has, whether training will work, and what to do where it will not."""

from __future__ import annotations

import locale
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from planner.engine_builds import engines, pick_build
from planner.errors import NothingFeasible
from planner.facts import DeviceFacts, HardwareFacts
from planner.language import join, say
from planner.phrases import machine, size
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
    yield Finding(level="ok", subject="machine", sentence=say("{machine}.", machine=machine(hardware)))
    for device in hardware.devices:
        yield examine_device(device)
    flags = ", ".join(
        flag for flag in hardware.cpu.flags if flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
    )
    if hardware.cpu.vendor in ("amd", "intel") and "avx" not in hardware.cpu.flags:
        sentence = say("The processor has no AVX, which Paddle's wheels use.")
        remedy = say("Use another machine.")
        yield Finding(level="problem", subject="processor", sentence=sentence, remedy=remedy)
    elif flags:
        yield Finding(level="ok", subject="processor", sentence=say("It has {flags}.", flags=flags))
    for failure in seen.failures:
        yield Finding(
            level="warning",
            subject="probe",
            sentence=failure,
            remedy=say("See `nvidia-smi`, or the folder named."),
        )
    try:
        build, because, _ = pick_build(hardware, ENGINE)
        sentence = say("Engine build {build}. {because}", build=build, because=because)
        yield Finding(level="ok", subject="build", sentence=sentence)
    except NothingFeasible as nothing:
        sentence = " ".join(filter(None, (nothing.what, nothing.why)))
        yield Finding(level="problem", subject="build", sentence=sentence, remedy=nothing.remedy)


def examine_device(device: DeviceFacts) -> Finding:
    """Return how much memory of an accelerator is free, and which other processes hold the rest."""
    name = f"{device.count} x {device.name}" if device.count > 1 else device.name
    if device.free_bytes is None:
        sentence = say(
            "{device}: {memory} each; what is free was not told.",
            device=name,
            memory=size(device.memory_bytes),
        )
        return Finding(level="note", subject="device", sentence=sentence)
    figures = {"device": name, "free": size(device.free_bytes), "memory": size(device.memory_bytes)}
    least = say("{device}: {free} of {memory} are free on the fullest of them.", **figures)
    if device.count == 1:
        least = say("{device}: {free} of {memory} are free.", **figures)
    if not device.used_by:
        return Finding(level="ok", subject="device", sentence=least)
    return Finding(
        level="warning",
        subject="device",
        sentence=join(
            (least, say("Other processes use it: {processes}.", processes=", ".join(device.used_by)))
        ),
        remedy=say("A plan for this machine uses only what is free; end them, or wait, to have it all."),
    )


def examine_space(hardware: HardwareFacts) -> Iterator[Finding]:
    """Yield memory, disk, the writability of Steersman's folder, and shared memory."""
    yield _enough(
        "memory",
        say("{size} of memory.", size=_gb(hardware.memory_bytes)),
        hardware.memory_bytes >= LITTLE_MEMORY,
        say("Only the smallest models fit; close other programs, or give the container more memory."),
    )
    yield _enough(
        "disk",
        say("{size} free at {folder}.", size=_gb(hardware.disk_free_bytes), folder=home()),
        hardware.disk_free_bytes >= LITTLE_DISK,
        say("Free some space, or set STEERSMAN_HOME to a larger disk."),
    )
    if not os.access(existing(home()), os.W_OK):
        sentence = say("{folder} cannot be written to.", folder=home())
        yield Finding(
            level="problem",
            subject="disk",
            sentence=sentence,
            remedy=say("Set STEERSMAN_HOME to your own folder."),
        )
    yield _enough(
        "/dev/shm",
        say("/dev/shm holds {size}.", size=_gb(hardware.shm_bytes)),
        hardware.shm_bytes >= LITTLE_SHARED_MEMORY,
        say("Data is then loaded in the training process; in Docker, --shm-size=8g lifts this."),
    )


def examine_interpreters() -> Iterator[Finding]:
    """Yield the interpreters on which the engine can be built."""
    row = engines()[ENGINE]
    found = working_interpreters(row.python)
    span = say("Python {first} to {last}", first=row.python[0], last=row.python[-1])
    if found:
        listed = ", ".join(f"{each.version} ({each.path})" for each in found)
        yield Finding(
            level="ok",
            subject="Python",
            sentence=say("{span} for engines: {listed}.", span=span, listed=listed),
        )
        return
    built = any(each.state == "installed" for each in states())
    level: Level = "warning" if built else "problem"
    remedy = say("Install one, for example with `uv python install {version}`.", version=row.python[-1])
    sentence = say("There is no {span}, which engines need.", span=span)
    yield Finding(level=level, subject="Python", sentence=sentence, remedy=remedy)


def examine_engines(hardware: HardwareFacts) -> Iterator[Finding]:
    """Yield the state of each installed engine, proved unless it was before, and of the wanted one."""
    for each in states():
        name = f"{each.engine} ({each.build})"
        command = f"steersman engines install {each.engine} --build {each.build}"
        install = say("Run `{command}`.", command=command)
        if each.state == "outdated":
            sentence = say("Engine {name} was installed by another version of Steersman.", name=name)
            yield Finding(level="problem", subject="engine", sentence=sentence, remedy=install)
        elif each.state == "installed":
            report = check(each.engine, each.build)
            for problem in report.problems():
                sentence = say("Engine {name}: {problem}", name=name, problem=problem.sentence)
                yield problem.model_copy(update={"subject": "engine", "sentence": sentence})
            if report.ok:
                versions = ", ".join(f"{key} {value}" for key, value in report.versions.items())
                sentence = say("Engine {name} works: {versions}.", name=name, versions=versions)
                yield Finding(level="ok", subject="engine", sentence=sentence)
    try:
        wanted, _, _ = pick_build(hardware, ENGINE)
    except NothingFeasible:
        return
    if state(ENGINE, wanted).state == "absent":
        sentence = say(
            "Engine {name}, which this machine needs, is not installed.", name=f"{ENGINE} ({wanted})"
        )
        remedy = say("Run `{command}`.", command=f"steersman engines install {ENGINE}")
        yield Finding(level="problem", subject="engine", sentence=sentence, remedy=remedy)


def examine_tokens(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Yield for each service whether a login is present. Public models need none."""
    for service, (variables, file) in TOKENS.items():
        by = next((name for name in variables if environment.get(name)), "")
        if not by and Path(file).expanduser().exists():
            by = file
        sentence = say("{service}: no login.", service=service)
        remedy = say("Only if you need it: set {variable}.", variable=variables[0])
        if by:
            sentence, remedy = say("{service}: a login is present ({by}).", service=service, by=by), ""
        yield Finding(level="note", subject="login", sentence=sentence, remedy=remedy)


def examine_terminal(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Yield whether the terminal can show the app."""
    window = shutil.get_terminal_size()
    term = environment.get("TERM", "")
    encoding = locale.getpreferredencoding(False).upper().replace("-", "")
    if encoding != "UTF8":
        sentence = say(
            "The locale's encoding is {encoding}, so bars and boxes may show as question marks.",
            encoding=encoding,
        )
        remedy = say("Set LC_ALL=C.UTF-8.")
        yield Finding(level="warning", subject="terminal", sentence=sentence, remedy=remedy)
    if term in ("", "dumb"):
        sentence = say("There is no terminal type (TERM), so progress is shown as plain lines.")
        yield Finding(level="note", subject="terminal", sentence=sentence)
    elif window.columns < 80 or window.lines < 24:
        sentence = say(
            "The terminal is {columns} x {lines}; tables want 80 x 24.",
            columns=window.columns,
            lines=window.lines,
        )
        remedy = say("Make the window larger.")
        yield Finding(level="warning", subject="terminal", sentence=sentence, remedy=remedy)
    else:
        sentence = f"{term}, {window.columns} x {window.lines}, {encoding}."
        yield Finding(level="ok", subject="terminal", sentence=sentence)


def _enough(subject: str, sentence: str, enough: bool, remedy: str) -> Finding:
    level: Level = "ok" if enough else "warning"
    return Finding(level=level, subject=subject, sentence=sentence, remedy="" if enough else remedy)


def _gb(amount: int) -> str:
    return f"{amount / 1e9:.1f} GB"
