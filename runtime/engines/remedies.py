"""Known failures of engines: the words by which each is recognised, and the one sentence that helps.

Two tables, tried from the top: what uv says when an installation fails, and what Python or Paddle says when
an installed engine is checked. Sources are named where the failure was first seen elsewhere.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from planner.errors import BadInput

AGAIN = "`steersman engines install {engine} --build {build} --fresh`"


class Known(NamedTuple):
    """One known failure."""

    pattern: str
    sentence: str
    remedy: str


INSTALLATION = (
    Known(
        r"No space left on device|os error 28",
        "The disk is full.",
        "Free some space, or set STEERSMAN_HOME and UV_CACHE_DIR to a larger disk; then run it again.",
    ),
    Known(
        r"Hash mismatch",
        "A downloaded package is not the one that was pinned: its hash differs.",
        "Clear it with `uv cache clean` and try again; if it persists, your registry serves altered files.",
    ),
    Known(
        r"has no (usable )?wheels|no wheels with a matching|doesn't have a source distribution or wheel",
        "A pinned package has no build for this processor or Python.",
        "Engines are pinned for Linux on x86_64 with Python 3.10 to 3.12; see the log for the package.",
    ),
    Known(
        r"not found in the package registry|no version of|there is no version|was not found in the cache",
        "Your registry does not have a pinned package.",
        "If you use a mirror, it may lag behind: set UV_DEFAULT_INDEX to another registry and try again.",
    ),
    Known(
        r"invalid peer certificate|UnknownIssuer|certificate",
        "The registry's certificate is not trusted.",
        "Behind a company proxy, set SSL_CERT_FILE to its certificate, and try again.",
    ),
    Known(
        r"Failed to fetch|error sending request|dns error|timed out|Connection (refused|reset)|client error",
        "The package registry cannot be reached.",
        "Check the network or the proxy (HTTPS_PROXY), or set UV_DEFAULT_INDEX to a mirror, and run it again:"
        " what was fetched is kept.",
    ),
    Known(
        r"Permission denied|os error 13",
        "A folder cannot be written to.",
        "Set STEERSMAN_HOME to a folder of your own.",
    ),
    Known(
        r"Failed to build",
        "A package that comes as source could not be built.",
        "See the log; it needs the registry for setuptools, and no compiler.",
    ),
)

CHECK = (
    Known(
        r"cannot import name 'download' from 'aistudio_sdk",
        "aistudio-sdk is too new for paddlenlp: version 0.3 removed a function that it imports.",
        f"Put the pinned versions back with {AGAIN}.",
    ),
    Known(
        r"No module named 'pip'",
        "pip is missing from the engine, and paddlenlp imports it.",
        f"Put it back with {AGAIN}.",
    ),
    Known(
        r"framework paddle is invalid|has no attribute 'paddle'|safetensors\.paddle",
        "The engine's safetensors cannot read Paddle tensors.",
        f"Put the pinned version back with {AGAIN}.",
    ),
    Known(
        r"multiarray failed|np\.sctypes|compiled using NumPy 1|_ARRAY_API not found|numpy.dtype size changed",
        "NumPy in the engine is not the version that its libraries were compiled for.",
        f"Put NumPy 1.26 back with {AGAIN}.",
    ),
    Known(
        r"Mismatched GPU Architecture|Unsupported GPU architecture|not compatible with Paddle installation",
        "This build of Paddle has no kernels for the GPU.",
        "Install the build that fits: `steersman engines install {engine}` chooses it.",
    ),
    Known(
        r"Paddle sees no GPU",
        "Paddle sees no GPU: the driver is too old for this build, or CUDA_VISIBLE_DEVICES hides the cards.",
        "See `nvidia-smi`; `steersman doctor` names the build that fits the driver.",
    ),
    Known(
        r"(?P<operation>Paddle's .+) differs from NumPy's by (?P<error>\S+)",
        "{operation} differs from NumPy's by {error}: this build computes wrong numbers on this machine.",
        "Do not train with it; `steersman doctor` names the build that fits.",
    ),
    Known(
        r"libcuda\.so|CUDA driver version is insufficient|CUDA error\(35\)|CUDA error 35",
        "The NVIDIA driver is missing or too old for this build.",
        "Update the driver, or install a build for it: `steersman engines install {engine}` chooses one.",
    ),
    Known(
        r"libgomp\.so|libstdc\+\+|GLIBC(XX)?_|version `",
        "A system library that Paddle needs is missing or too old.",
        "On Debian or Ubuntu: `apt install libgomp1 libstdc++6`; otherwise use a newer distribution.",
    ),
    Known(
        r"No module named '(?P<module>[^']+)'",
        "A package is missing from the engine: {module}.",
        f"Put it back with {AGAIN}.",
    ),
)

SIGNALS = {
    4: (
        "The processor lacks an instruction that Paddle uses (illegal instruction).",
        "Paddle's wheels want AVX; use another machine, or compile Paddle for this one.",
    ),
    7: (
        "Paddle ended with a bus error.",
        "/dev/shm or the disk may be full; make room (in Docker: --shm-size=8g) and check again.",
    ),
    9: (
        "The check was killed, probably for want of memory.",
        "Close other programs, or give the container more memory.",
    ),
    11: ("Paddle crashed (segmentation fault).", f"Install the engine again with {AGAIN}."),
}
"""Signal number -> sentence and remedy. Illegal instruction: PaddlePaddle/PaddleNLP#9194."""


def explain_installation(output: str, log: Path) -> BadInput:
    """Return the error for uv's `output`, in words; everything it said is in `log`."""
    for known in INSTALLATION:
        if re.search(known.pattern, output):
            return BadInput(known.sentence, remedy=f"{known.remedy} Log: {log}.", details=output)
    last = next((line for line in reversed(output.splitlines()) if line.strip()), "it said nothing")
    return BadInput(f"uv could not install the engine: {last.strip()}", remedy=f"Log: {log}.", details=output)


def explain_check(text: str, engine: str, build: str) -> tuple[str, str]:
    """Return (sentence, remedy) for a checked engine's error text; its last line when it is not known."""
    for known in CHECK:
        found = re.search(known.pattern, text)
        if found:
            names = {"engine": engine, "build": build, **found.groupdict()}
            return known.sentence.format(**names), known.remedy.format(**names)
    last = next((line for line in reversed(text.splitlines()) if line.strip()), "it ended without a word")
    return last.strip(), f"Install the engine again with {AGAIN.format(engine=engine, build=build)}."


def explain_signal(number: int, engine: str, build: str) -> tuple[str, str]:
    """Return (sentence, remedy) for a check that a signal ended."""
    sentence, remedy = SIGNALS.get(
        number, (f"Paddle was ended by signal {number}.", f"Install again with {AGAIN}.")
    )
    return sentence, remedy.format(engine=engine, build=build)
