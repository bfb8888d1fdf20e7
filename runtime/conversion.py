"""Convert a model folder from what it is to what is wanted, in proven steps; the source is only read.

What a folder is shows in its files: `.gguf`, `pytorch_model.bin` or Hugging Face's safetensors on one side;
PaddleNLP's safetensors, its .pdparams (one, or one per process) and distributed checkpoints on the other.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Literal

from safetensors import SafetensorError, safe_open

from planner.errors import BadInput
from planner.language import say
from runtime.acquire.gguf_to_hf import gguf_to_hf
from runtime.acquire.listing import SMALL_FILES
from runtime.acquire.local import PADDLE_LAYOUT, check_complete
from runtime.acquire.torch_folder import has_only_bins, write_weights
from runtime.one_worker import Outcome, Show, check_destination, run_worker

Kind = Literal["gguf", "bin", "huggingface", "paddlenlp"]
Target = Literal["huggingface", "paddlenlp"]
TOLERANCE = 1e-4
"""Largest difference of logits, as in a run."""


def kind_of(source: Path) -> Kind:
    """Return what lies at `source`; BadInput if it is no model that is known."""
    if source.is_file() and source.suffix == ".gguf":
        return "gguf"
    if not source.is_dir():
        raise BadInput(
            say("There is no model at {path}.", path=source),
            remedy=say("Give a model folder or a .gguf file."),
        )
    for pattern in ("model_state*.pdparams", "*.metadata", "dist_ckpt/*.metadata"):
        if any(source.glob(pattern)):
            return "paddlenlp"
    if has_only_bins(source):
        return "bin"
    first = next(iter(sorted(source.glob("model*.safetensors"))), None)
    if first is not None:
        return "paddlenlp" if _layout(first) in PADDLE_LAYOUT else "huggingface"
    if len(files := list(source.glob("*.gguf"))) == 1:
        raise BadInput(
            say("{folder} holds a GGUF file.", folder=source), remedy=say("Name it: {path}", path=files[0])
        )
    raise BadInput(
        say("{folder} holds no weights that can be converted.", folder=source),
        why=say("Known are safetensors, pytorch_model.bin, .pdparams, .distcp and .gguf files."),
    )


def _layout(path: Path) -> str:
    try:
        with safe_open(path, framework="numpy") as file:
            return str((file.metadata() or {}).get("format"))
    except (SafetensorError, OSError) as error:
        raise BadInput(
            say("{path} is not a readable safetensors file.", path=path), why=f"{error}."
        ) from None


def convert(source: Path, destination: Path, to: Target, show: Show, original: Path | None = None) -> Outcome:
    """Write the model at `source` into the new folder `destination`; see `kind_of` for what it may be.

    `original` is a Hugging Face folder whose config and tokenizer a converted PaddleNLP model gets. Raises
    BadInput, and StageFailed when a proof fails; then there is no destination.
    """
    source, destination = source.expanduser().resolve(), destination.expanduser().resolve()
    kind = kind_of(source)
    check_destination(destination, source)
    if kind == to == "huggingface":
        raise BadInput(
            say("{folder} is a Hugging Face folder already.", folder=source),
            remedy=say("Use it as it is, or ask for --to paddlenlp."),
        )
    destination.parent.mkdir(parents=True, exist_ok=True)
    if kind == "paddlenlp":
        if original is not None:
            original = original.expanduser().resolve()
            check_complete(original)
        spec = {
            "source_folder": str(source),
            "destination": str(destination),
            "to": to,
            "original": str(original or ""),
            "tolerance": TOLERANCE,
        }
        return run_worker("convert_back", spec, show)
    with tempfile.TemporaryDirectory(prefix=".converting-", dir=destination.parent) as scratch:
        folder = source
        if kind in ("gguf", "bin"):
            folder = Path(scratch) / "model"
            folder.mkdir()
            (gguf_to_hf if kind == "gguf" else bins_to_hf)(source, folder, show)
            check_complete(folder)
        if to == "huggingface":
            folder.rename(destination)
            return Outcome({"model": str(destination)}, {}, [], [])
        check_complete(folder)
        spec = {"source_folder": str(folder), "destination": str(destination), "tolerance": TOLERANCE}
        return run_worker("convert", spec, show)


def bins_to_hf(source: Path, folder: Path, show: Show) -> None:
    """Write a folder with pytorch_model.bin again with safetensors."""
    for pattern in SMALL_FILES:
        for path in source.glob(pattern):
            shutil.copyfile(path, folder / path.name)
    write_weights(source, folder, show)


def describe(folder: Path) -> str:
    """Return one sentence about a converted folder."""
    files = sorted(folder.glob("*.safetensors"))
    size = sum(path.stat().st_size for path in files)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    from planner.phrases import plural
    from planner.phrases import size as size_words

    return say(
        "{folder}: a {kind} model, {size} in {files}.",
        folder=folder,
        kind=config.get("model_type", "?"),
        size=size_words(size),
        files=plural(len(files), "weight file"),
    )
