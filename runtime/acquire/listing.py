"""What a hub says about a model before anything large is fetched, and which of its files are wanted."""

from __future__ import annotations

from fnmatch import fnmatch
from typing import NamedTuple

from planner.errors import BadInput
from planner.language import say, template

INDEX = "model.safetensors.index.json"
BIN_INDEX = "pytorch_model.bin.index.json"
SMALL_FILES = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
    "chat_template.jinja",
    "chat_template.json",
    "LICENSE*",
    "README.md",
)
"""Everything of a model that is not weights. No Python file is among them, on purpose."""


class RemoteFile(NamedTuple):
    """Size and, where the hub tells it, sha256 of a file."""

    size: int
    sha256: str | None = None


class Listing(NamedTuple):
    """The files of a model at one commit. `parameters` is the hub's own count of weights, if it has one."""

    revision: str
    files: dict[str, RemoteFile]
    parameters: int | None = None


def wanted_files(model: str, listing: Listing) -> dict[str, RemoteFile]:
    """Return the files of `listing` that make a Hugging Face folder, of those at the top level.

    Weights are safetensors, or else pytorch_model.bin, which is read without running it. Raises BadInput when
    the model has no config.json or neither of them.
    """
    names = list(listing.files)
    if "config.json" not in names:
        raise BadInput(
            say("{model} has no config.json at its top level.", model=model),
            why=say("It is not in the Hugging Face format."),
        )
    weights = ["model.safetensors"] if "model.safetensors" in names else []
    if INDEX in names:
        weights = [INDEX, *(name for name in names if fnmatch(name, "model-*-of-*.safetensors"))]
    if not weights and "pytorch_model.bin" in names:
        weights = ["pytorch_model.bin"]
    if not weights and BIN_INDEX in names:
        weights = [BIN_INDEX, *(name for name in names if fnmatch(name, "pytorch_model-*-of-*.bin"))]
    if not weights:
        others = sorted({name.rsplit(".", 1)[-1] for name in names} & {"pdparams", "gguf", "pt", "pth"})
        words = template("{model} has no safetensors weights.")
        words = template("{model} has no safetensors weights (only {others}).") if others else words
        raise BadInput(
            say(words, model=model, others=", ".join(f".{other}" for other in others)),
            why=say("Steersman trains from safetensors or pytorch_model.bin."),
            remedy=say("Choose a revision or a copy of the model with safetensors."),
        )
    small = [name for name in names if any(fnmatch(name, pattern) for pattern in SMALL_FILES)]
    return {name: listing.files[name] for name in sorted({*small, *weights}) if "/" not in name}
