"""What a run was made with, as data: Steersman, plan, packages of the engine, model, data, machine.

Written into the run folder (`versions.json`) when the run starts, completed when the model is there. Later
the same is collected anew and compared. No path, no name of a person and no address is in it.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from pydantic import Field, ValidationError

from planner.calibration import device_name
from planner.errors import BadInput, SteersmanError
from planner.language import say, template
from planner.plan import Plan
from planner.schema import Record
from runtime.data.bundled import resolve_data
from runtime.data.sources import fingerprint, open_source
from runtime.engines.registry import link_of
from runtime.paths import write_atomically
from runtime.probe import probe_hardware
from runtime.run.layout import RunFolder
from runtime.run.task import Committed

SUBJECTS = {
    "steersman": template("Steersman"),
    "plan": template("plan"),
    "engine": template("engine"),
    "packages": template("package"),
    "model": template("model"),
    "data": template("data"),
    "machine": template("machine"),
}
"""Subject -> its word, in the order in which differences are told."""

ABSENT = "-"
"""Stands for what is not there."""


class Versions(Record):
    """Subject -> name -> value; every value is a short text."""

    format: int = Field(1, description="Layout of this file.")
    found: dict[str, dict[str, str]] = Field(description="Subject -> name -> value.")


class Difference(Record):
    """One thing that is not as it was."""

    subject: str
    name: str
    then: str
    now: str

    def sentence(self) -> str:
        """Return it in words."""
        return say(
            "{subject} {name}: {now} now, {then} then.",
            subject=say(SUBJECTS[self.subject]),
            name=self.name,
            then=short(self.then),
            now=short(self.now),
        )


def short(value: str) -> str:
    """Return a hash as its first digits, anything else as it is."""
    return value[:12] if len(value) == 64 else value


def collect(plan: Plan, plan_digest: str, model: Mapping[str, str], data: str) -> Versions:
    """Return what holds now; `model` is file -> sha256, `data` the hash over the data's files."""
    source = plan.facts.model.source
    engine, build = str(plan.value("engine")), str(plan.value("engine_build"))
    environment = link_of(engine, build)
    return Versions(
        found={
            "steersman": {"version": metadata.version("steersman")},
            "plan": {"sha256": plan_digest},
            "engine": {"name": engine, "build": build, "python": python_version(environment)},
            "packages": packages(environment),
            "model": {
                "source": source.kind,
                "revision": str(getattr(source, "revision", None) or ABSENT),
                **model,
            },
            "data": {"sha256": data},
            "machine": machine(),
        }
    )


def packages(environment: Path) -> dict[str, str]:
    """Return the packages of an engine: name -> version."""
    folders = [str(path) for path in environment.glob("lib/python*/site-packages")]
    found = metadata.distributions(path=folders)
    return dict(sorted((str(one.name).lower(), str(one.version)) for one in found if one.name))


def python_version(environment: Path) -> str:
    """Return the version of an engine's Python as its environment notes it."""
    try:
        lines = (environment / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ABSENT
    values = dict(line.split(" = ", 1) for line in lines if " = " in line)
    return values.get("version_info", values.get("version", ABSENT))


def machine() -> dict[str, str]:
    """Return what of this machine can change a float: processor, cores, accelerators, system."""
    hardware = probe_hardware(Path("/"))
    devices = ", ".join(f"{device.count} x {device.name}" for device in hardware.devices)
    return {
        "processor": hardware.cpu.name,
        "cores": str(hardware.cpu.cores),
        "device": device_name(hardware) if hardware.devices else ABSENT,
        "devices": devices or ABSENT,
        "system": f"{platform.system()} {platform.machine()} {platform.libc_ver()[1]}".strip(),
    }


def write(run: RunFolder, plan: Plan, done: Mapping[str, Committed]) -> None:
    """Write down what a run is made with when it starts; add the model's files once they are there.

    What it started with stays, whatever a later session finds: those are the versions of its first steps.
    """
    files, digest = model_files(done), plan_digest(run)
    try:
        before = load(run)
    except BadInput:
        before = collect(plan, digest, files, plan.facts.data.fingerprint)
    found = {**before.found, "plan": {"sha256": digest}, "model": {**before.found["model"], **files}}
    text = before.model_copy(update={"found": found}).model_dump_json(indent=2) + "\n"
    if not run.versions.exists() or run.versions.read_text(encoding="utf-8") != text:
        write_atomically(run.versions, text)


def model_files(done: Mapping[str, Committed]) -> dict[str, str]:
    """Return file -> sha256 of the model that was acquired; empty before that."""
    return dict(done["acquire"].outputs["model"].files) if "acquire" in done else {}


def plan_digest(run: RunFolder) -> str:
    """Return the sha256 of the plan that a run executes."""
    return hashlib.sha256(run.plan.read_bytes()).hexdigest()


def load(run: RunFolder) -> Versions:
    """Return what a run was made with. BadInput for a run that did not write it down."""
    try:
        return Versions.model_validate_json(run.versions.read_bytes())
    except FileNotFoundError as error:
        raise BadInput(
            say("The run {run} did not note what it was made with.", run=run.name),
            remedy=say("Only runs that were started by this version of Steersman, or a later one, do."),
        ) from error
    except (OSError, ValidationError) as error:
        raise BadInput(
            say("{path} cannot be read: {reason}.", path=run.versions, reason=str(error)[:200])
        ) from error


def data_hash(run: RunFolder, plan: Plan) -> str:
    """Return the hash over the data as it is now; `-` where it cannot be read."""
    path = run.started_in() / plan.facts.data.path
    try:
        return fingerprint(open_source(path if path.exists() else resolve_data(plan.facts.data.path)))
    except (SteersmanError, OSError):
        return ABSENT


def differences(then: Versions, now: Versions) -> list[Difference]:
    """Return everything that is not as it was, by subject."""
    found = []
    for subject in SUBJECTS:
        old, new = then.found.get(subject, {}), now.found.get(subject, {})
        for name in sorted({*old, *new}):
            before, after = old.get(name, ABSENT), new.get(name, ABSENT)
            if before != after:
                found.append(Difference(subject=subject, name=name, then=before, now=after))
    return found
