"""What the probes of an engine say, in the person's language.

The worker runs inside the engine, without the app's catalogue, so it speaks English and leaves out the full
stop; its sentences are recognised here by their fixed words. Any other text is shown as it is.
"""

from __future__ import annotations

import re

from planner.language import say, template

SENTENCES = (
    (r"(?P<number>\d+) packages are .+", template("{number} packages are as they were installed.")),
    (r"Paddle (?P<version>\S+) starts", template("Paddle {version} starts.")),
    (r"The CPU is its device", template("The CPU is its device.")),
    (r"Paddle sees 1 GPU", template("Paddle sees 1 GPU.")),
    (r"Paddle sees (?P<number>\d+) GPUs", template("Paddle sees {number} GPUs.")),
    (
        r"Matrix product, .+ within (?P<error>\S+)",
        template("Matrix product, a * b and a / b equal NumPy's within {error}."),
    ),
    (r"Paddle tensors survive safetensors", template("Paddle tensors survive safetensors.")),
    (r"(?P<package>\S+) (?P<version>\S+) imports", template("{package} {version} imports.")),
    (
        r"Both paddlepaddle and paddlepaddle-gpu are .+",
        template("Both paddlepaddle and paddlepaddle-gpu are installed; they overwrite each other's files."),
    ),
    (
        r"Packages were changed after the installation: (?P<changes>.+) and (?P<number>\d+) more",
        template("Packages were changed after the installation: {changes} and {number} more."),
    ),
    (
        r"Packages were changed after the installation: (?P<changes>.+)",
        template("Packages were changed after the installation: {changes}."),
    ),
    (
        r"This Paddle is compiled with CUDA, but the build is (?P<build>\S+)",
        template("This Paddle is compiled with CUDA, but the build is {build}."),
    ),
    (
        r"This Paddle is compiled without CUDA, but the build is (?P<build>\S+)",
        template("This Paddle is compiled without CUDA, but the build is {build}."),
    ),
    (
        r"safetensors returned other values .+",
        template("safetensors returned other values than were written."),
    ),
)
"""What runtime/workers/check.py says -> the sentence in the catalogue."""

CHANGE = re.compile(r"(?P<name>\S+) is (?P<found>\S+), not (?P<expected>\S+)")
"""One package that is not as it was installed."""


def spoken(words: str) -> str:
    """Return a probe's words as a sentence with its full stop."""
    for pattern, sentence in SENTENCES:
        if found := re.fullmatch(pattern, words):
            parts = found.groupdict()
            if "changes" in parts:
                parts["changes"] = "; ".join(map(_change, parts["changes"].split("; ")))
            return say(sentence, **parts) if parts else say(sentence)
    return words if words.endswith("。") else f"{words.rstrip('.')}."


def _change(words: str) -> str:
    found = CHANGE.fullmatch(words)
    if found is None:
        return words
    name, version, expected = found.groups()
    if version == "gone":
        return say("{package} is gone, not {expected}", package=name, expected=expected)
    return say("{package} is {found}, not {expected}", package=name, found=version, expected=expected)
