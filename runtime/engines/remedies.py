"""Known failures of engines: the words by which each is recognised, and the one sentence that helps.

Two tables, tried from the top: what uv says when an installation fails, and what Python or Paddle says when
an installed engine is checked. Sources are named where the failure was first seen elsewhere.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from planner.errors import BadInput
from planner.language import join, say, template

AGAIN = "`steersman engines install {engine} --build {build} --fresh`"
"""The command that puts an engine back as it was pinned; sentences name it `{again}`."""


class Known(NamedTuple):
    """One known failure; sentence and remedy are templates of the catalogue."""

    pattern: str
    sentence: str
    remedy: str


INSTALLATION = (
    Known(
        r"No space left on device|os error 28",
        template("The disk is full."),
        template(
            "Free some space, or set STEERSMAN_HOME and UV_CACHE_DIR to a larger disk; then run it again."
        ),
    ),
    Known(
        r"Hash mismatch",
        template("A downloaded package is not the one that was pinned: its hash differs."),
        template(
            "Clear it with `uv cache clean` and try again; if it persists, your registry serves altered"
            " files."
        ),
    ),
    Known(
        r"has no (usable )?wheels|no wheels with a matching|doesn't have a source distribution or wheel",
        template("A pinned package has no build for this processor or Python."),
        template(
            "Engines are pinned for Linux on x86_64 with Python 3.10 to 3.12; see the log for the package."
        ),
    ),
    Known(
        r"not found in the package registry|no version of|there is no version|was not found in the cache",
        template("Your registry does not have a pinned package."),
        template(
            "If you use a mirror, it may lag behind: set UV_DEFAULT_INDEX to another registry and try again."
        ),
    ),
    Known(
        r"invalid peer certificate|UnknownIssuer|certificate",
        template("The registry's certificate is not trusted."),
        template("Behind a company proxy, set SSL_CERT_FILE to its certificate, and try again."),
    ),
    Known(
        r"Failed to fetch|error sending request|dns error|timed out|Connection (refused|reset)|client error",
        template("The package registry cannot be reached."),
        template(
            "Check the network or the proxy (HTTPS_PROXY), or set UV_DEFAULT_INDEX to a mirror, and run it"
            " again: what was fetched is kept."
        ),
    ),
    Known(
        r"Permission denied|os error 13",
        template("A folder cannot be written to."),
        template("Set STEERSMAN_HOME to a folder of your own."),
    ),
    Known(
        r"Failed to build",
        template("A package that comes as source could not be built."),
        template("See the log; it needs the registry for setuptools, and no compiler."),
    ),
)

CHECK = (
    Known(
        r"cannot import name 'download' from 'aistudio_sdk",
        template("aistudio-sdk is too new for paddlenlp: version 0.3 removed a function that it imports."),
        template("Put the pinned versions back with {again}."),
    ),
    Known(
        r"No module named 'pip'",
        template("pip is missing from the engine, and paddlenlp imports it."),
        template("Put it back with {again}."),
    ),
    Known(
        r"framework paddle is invalid|has no attribute 'paddle'|safetensors\.paddle",
        template("The engine's safetensors cannot read Paddle tensors."),
        template("Put the pinned version back with {again}."),
    ),
    Known(
        r"multiarray failed|np\.sctypes|compiled using NumPy 1|_ARRAY_API not found|numpy.dtype size changed",
        template("NumPy in the engine is not the version that its libraries were compiled for."),
        template("Put NumPy 1.26 back with {again}."),
    ),
    Known(
        r"Mismatched GPU Architecture|Unsupported GPU architecture|not compatible with Paddle installation",
        template("This build of Paddle has no kernels for the GPU."),
        template("Install the build that fits: `steersman engines install {engine}` chooses it."),
    ),
    Known(
        r"Paddle sees no GPU",
        template(
            "Paddle sees no GPU: the driver is too old for this build, or CUDA_VISIBLE_DEVICES hides the"
            " cards."
        ),
        template("See `nvidia-smi`; `steersman doctor` names the build that fits the driver."),
    ),
    Known(
        r"(?P<operation>Paddle's .+) differs from NumPy's by (?P<error>\S+)",
        template(
            "{operation} differs from NumPy's by {error}: this build computes wrong numbers on this machine."
        ),
        template("Do not train with it; `steersman doctor` names the build that fits."),
    ),
    Known(
        r"libcuda\.so|CUDA driver version is insufficient|CUDA error\(35\)|CUDA error 35",
        template("The NVIDIA driver is missing or too old for this build."),
        template(
            "Update the driver, or install a build for it: `steersman engines install {engine}` chooses one."
        ),
    ),
    Known(
        r"libgomp\.so|libstdc\+\+|GLIBC(XX)?_|version `",
        template("A system library that Paddle needs is missing or too old."),
        template(
            "On Debian or Ubuntu: `apt install libgomp1 libstdc++6`; otherwise use a newer distribution."
        ),
    ),
    Known(
        r"No module named '(?P<module>[^']+)'",
        template("A package is missing from the engine: {module}."),
        template("Put it back with {again}."),
    ),
)

SIGNALS = {
    4: (
        template("The processor lacks an instruction that Paddle uses (illegal instruction)."),
        template("Paddle's wheels want AVX; use another machine, or compile Paddle for this one."),
    ),
    7: (
        template("Paddle ended with a bus error."),
        template("/dev/shm or the disk may be full; make room (in Docker: --shm-size=8g) and check again."),
    ),
    9: (
        template("The check was killed, probably for want of memory."),
        template("Close other programs, or give the container more memory."),
    ),
    11: (
        template("Paddle crashed (segmentation fault)."),
        template("Install the engine again with {again}."),
    ),
}
"""Signal number -> sentence and remedy. Illegal instruction: PaddlePaddle/PaddleNLP#9194."""


def explain_installation(output: str, log: Path) -> BadInput:
    """Return the error for uv's `output`, in words; everything it said is in `log`."""
    where = say("Log: {path}.", path=log)
    for known in INSTALLATION:
        if re.search(known.pattern, output):
            remedy = join((say(known.remedy), where))
            return BadInput(say(known.sentence), remedy=remedy, details=output)
    last = _last_line(output) or say("it said nothing")
    what = say("uv could not install the engine: {reason}", reason=last)
    return BadInput(what, remedy=where, details=output)


def explain_check(text: str, engine: str, build: str) -> tuple[str, str]:
    """Return (sentence, remedy) for a checked engine's error text; its last line when it is not known."""
    again = AGAIN.format(engine=engine, build=build)
    for known in CHECK:
        found = re.search(known.pattern, text)
        if found:
            names = {"engine": engine, "again": again, **found.groupdict()}
            return say(known.sentence, **names), say(known.remedy, **names)
    last = _last_line(text) or say("it ended without a word")
    return last, say("Install the engine again with {again}.", again=again)


def explain_signal(number: int, engine: str, build: str) -> tuple[str, str]:
    """Return (sentence, remedy) for a check that a signal ended."""
    again = AGAIN.format(engine=engine, build=build)
    if number in SIGNALS:
        sentence, remedy = SIGNALS[number]
        return say(sentence), say(remedy, again=again)
    what = say("Paddle was ended by signal {number}.", number=number)
    return what, say("Install again with {again}.", again=again)


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
