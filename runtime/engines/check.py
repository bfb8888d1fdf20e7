"""Proves an installed engine in a child process, and remembers the proof while nothing changed.

A child, because a wheel that does not suit the processor ends its process with a signal that no code can
catch.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import tempfile
import time
from pathlib import Path

from pydantic import Field, ValidationError

from planner.language import say
from planner.schema import Record
from runtime.engines.probe_words import spoken
from runtime.engines.registry import python_of, read_manifest
from runtime.engines.remedies import explain_check, explain_signal
from runtime.events import EVENT, AnyEvent, Progress, Proof
from runtime.health import Finding
from runtime.paths import PROJECT, write_atomically

REPORT = "check.json"
START = PROJECT / "runtime/workers/start.py"
WORKER = PROJECT / "runtime/workers/check.py"
TIME_LIMIT = 600
"""Seconds. The first import from a cold disk may take a minute; longer than this it hangs."""

OPTIONAL = {"tracker"}
"""Probes without which training still works."""


class CheckReport(Record):
    """Whether an engine works here, and what to do if it does not."""

    engine: str
    build: str
    ok: bool
    findings: tuple[Finding, ...]
    versions: dict[str, str] = Field(default_factory=dict, description="python, paddle, paddlenlp, swanlab.")
    seconds: float = Field(description="Wall time of the check.")
    key: str = Field(description="Fingerprint of the engine's packages, this machine and the check itself.")
    proved: dict[str, str] = Field(
        default_factory=dict, description="Probe that passed -> the worker's words, for readers to come."
    )
    cached: bool = Field(False, description="True when an earlier proof still holds.")

    def problems(self) -> list[Finding]:
        """Return what keeps the engine from working."""
        return [finding for finding in self.findings if finding.level == "problem"]

    def said_again(self, finding: Finding) -> Finding:
        """Return a finding in the language of the moment, whatever it was when the engine was checked."""
        words = self.proved.get(finding.subject)
        return finding if words is None else finding.model_copy(update={"sentence": spoken(words)})


def check(engine: str, build: str, fresh: bool = False) -> CheckReport:
    """Check an engine, or return the earlier good report if nothing changed since; `fresh` always checks.

    Raises `BadInput` when the engine is not installed. A failure is never remembered: its cause may lie
    outside.
    """
    python = python_of(engine, build)
    folder = python.parent.parent
    key = _key(folder)
    if not fresh and (earlier := _earlier(folder, key)) is not None:
        return earlier
    report = check_python(python, engine, build, key)
    if report.ok:
        write_atomically(folder / REPORT, report.model_dump_json(indent=2))
    return report


def check_python(python: Path, engine: str, build: str, key: str = "") -> CheckReport:
    """Run the check worker with this interpreter, whatever installed it, and translate what it says."""
    manifest = read_manifest(python.parent.parent)
    with tempfile.TemporaryDirectory(prefix="steersman-check-") as name:
        folder = Path(name)
        spec = {
            "stage": "check",
            "stage_folder": name,
            "engine": engine,
            "build": build,
            "packages": manifest.packages if manifest else {},
        }
        (folder / "spec.json").write_text(json.dumps(spec), encoding="utf-8")
        started = time.monotonic()
        code, errors = _run([str(python), str(START), "check", str(folder / "spec.json")], folder)
        seconds = time.monotonic() - started
        events = _events(folder / "events-rank0.jsonl")
        findings = _findings(events, code, errors, engine, build)
        figures = json.loads((folder / "result.json").read_text("utf-8"))["figures"] if code == 0 else {}
    return CheckReport(
        engine=engine,
        build=build,
        ok=bool(findings) and all(finding.level != "problem" for finding in findings),
        findings=tuple(findings),
        versions={name: str(value) for name, value in figures.items() if isinstance(value, str)},
        seconds=round(seconds, 2),
        key=key,
        proved={event.name: event.sentence for event in events if isinstance(event, Proof) and event.passed},
    )


def _run(command: list[str], folder: Path) -> tuple[int | None, str]:
    """Return the exit code (negative for a signal, None for no end in time) and what was written."""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")
    }
    environment["PYTHONNOUSERSITE"] = "1"
    with (folder / "errors.txt").open("w+", encoding="utf-8", errors="replace") as errors:
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                timeout=TIME_LIMIT,
                check=False,
            )
            code: int | None = done.returncode
        except subprocess.TimeoutExpired:
            code = None
        except OSError as error:
            return 127, str(error)
        errors.seek(0)
        return code, errors.read()


def _events(path: Path) -> list[AnyEvent]:
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    return [EVENT.validate_json(line) for line in lines]


def _findings(
    events: list[AnyEvent], code: int | None, errors: str, engine: str, build: str
) -> list[Finding]:
    """Turn the worker's events and its end into findings."""
    findings: list[Finding] = []
    under_way = ""
    for event in events:
        if isinstance(event, Progress):
            under_way = event.message
        elif isinstance(event, Proof):
            under_way = ""
            findings.append(_finding(event, engine, build))
    if code in (0, 1) and findings:
        return findings
    subject = under_way or "start"
    if code is None:
        sentence, remedy = (
            say("The check did not end within {limit} seconds.", limit=TIME_LIMIT),
            say("See whether the disk or a GPU hangs."),
        )
    elif code < 0 or code in (128 + 4, 128 + 7, 128 + 11):
        sentence, remedy = explain_signal(-code if code < 0 else code - 128, engine, build)
    else:
        sentence, remedy = explain_check(errors, engine, build)
    return [*findings, Finding(level="problem", subject=subject, sentence=sentence, remedy=remedy)]


def _finding(proof: Proof, engine: str, build: str) -> Finding:
    if proof.passed:
        return Finding(level="ok", subject=proof.name, sentence=spoken(proof.sentence))
    sentence, remedy = explain_check(proof.sentence, engine, build)
    level = "warning" if proof.name in OPTIONAL else "problem"
    return Finding(level=level, subject=proof.name, sentence=spoken(sentence), remedy=remedy)


def _earlier(folder: Path, key: str) -> CheckReport | None:
    try:
        report = CheckReport.model_validate_json((folder / REPORT).read_text("utf-8"))
    except (OSError, ValidationError):
        return None
    if report.key != key or not report.ok:
        return None
    return report.model_copy(
        update={"cached": True, "findings": tuple(map(report.said_again, report.findings))}
    )


def _key(folder: Path) -> str:
    """Fingerprint what a proof depends on; the metadata folders' names show every later `pip install`."""
    manifest = read_manifest(folder)
    packages = sorted(path.name for path in folder.glob("lib/python*/site-packages/*.dist-info"))
    driver = Path("/proc/driver/nvidia/version")
    parts = [
        manifest.lock_sha256 if manifest else "",
        *packages,
        platform.node(),
        driver.read_text("utf-8", errors="replace") if driver.exists() else "",
        os.environ.get("CUDA_VISIBLE_DEVICES", ""),
        hashlib.sha256(WORKER.read_bytes()).hexdigest(),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
