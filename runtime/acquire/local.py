"""A Hugging Face folder on this machine: read in place, checked, never written to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from planner.errors import BadInput
from planner.language import say, template
from runtime.acquire.torch_folder import has_only_bins, refusals_in_words, tensors_of
from runtime.workers.torch_bin import bin_entries

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
PADDLE_LAYOUT = ("np", "pd", "paddle")
"""`format` in the metadata of safetensors that only PaddleNLP and PaddleFormers understand."""
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "spiece.model")
"""Files of which one must be there."""


def read_json(path: Path, what: str) -> dict[str, Any]:
    """Return the JSON object in `path`; BadInput names the file, and the line of a syntax error.

    `what` is a template of what it should hold.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInput(
            say("{folder} has no {file}.", folder=path.parent, file=path.name),
            why=say("It should hold {what}.", what=say(what)),
        ) from None
    except json.JSONDecodeError as error:
        raise BadInput(
            say("{path}, line {line}: {reason}.", path=path, line=error.lineno, reason=error.msg),
            remedy=say("Fetch the file again."),
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(say("{path} cannot be read: {reason}.", path=path, reason=error)) from None
    if not isinstance(values, dict):
        raise BadInput(
            say("{path} holds {kind} instead of an object.", path=path, kind=type(values).__name__),
            remedy=say("Fetch the file again."),
        )
    return values


def weight_files(folder: Path) -> dict[str, list[str]]:
    """Return weight file name -> names of its tensors, from the index or the header of the single file.

    Raises BadInput if there are neither safetensors nor pytorch_model.bin, a shard is missing, a header
    cannot be read, a file is shorter than its header says, or a tensor of the index is not in its shard.
    """
    index_path, single = folder / INDEX, folder / SINGLE
    if index_path.is_file():
        weight_map = read_json(index_path, template("the list of weight files")).get("weight_map")
        if not isinstance(weight_map, dict) or not weight_map:
            raise BadInput(
                say("{path} has no weight_map.", path=index_path), remedy=say("Fetch the file again.")
            )
        files: dict[str, list[str]] = {}
        for tensor, file in weight_map.items():
            files.setdefault(str(file), []).append(tensor)
        for file, tensors in files.items():
            if Path(file).name != file:
                raise BadInput(
                    say(
                        "{path} names a weight file outside of the folder: {file}.",
                        path=index_path,
                        file=file,
                    )
                )
            lacking = sorted(set(tensors) - set(tensor_shapes(folder / file)))
            if lacking:
                raise BadInput(
                    say(
                        "{path} lacks {tensor}, which {index} says is there.",
                        path=folder / file,
                        tensor=lacking[0],
                        index=INDEX,
                    ),
                    remedy=say("Fetch it again."),
                )
        return files
    if single.is_file():
        return {SINGLE: sorted(tensor_shapes(single))}
    if has_only_bins(folder):
        bins: dict[str, list[str]] = {}
        for tensor, place in tensors_of(folder).items():
            bins.setdefault(place.source.path.name, []).append(tensor)
        if bins:
            return bins
    if any(folder.glob("*.gguf")):
        raise BadInput(
            say("{folder} holds a GGUF file and no safetensors.", folder=folder),
            remedy=say("Give the model's Hugging Face folder."),
        )
    raise BadInput(
        say("{folder} has no weights.", folder=folder),
        why=say("Neither {one} nor {other} is there.", one=SINGLE, other=INDEX),
        remedy=say("Fetch the model again."),
    )


def tensor_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Return tensor name -> shape from the header of one weight file, without reading weights."""
    if path.suffix == ".bin":
        with refusals_in_words():
            return {name: tensor.shape for name, tensor in bin_entries(path).items()}
    try:
        with safe_open(path, framework="numpy") as file:
            if (file.metadata() or {}).get("format") in PADDLE_LAYOUT:
                raise BadInput(
                    say("{path} is in Paddle's own layout.", path=path),
                    why=say("Its linear weights are transposed, so it only looks like a Hugging Face model."),
                    remedy=say("Give the original Hugging Face folder of the model."),
                )
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise BadInput(
            say("{folder} lacks the weight file {file}.", folder=path.parent, file=path.name),
            remedy=say("Fetch the model again."),
        ) from None
    except (SafetensorError, OSError) as error:
        raise BadInput(
            say("{path} is not a readable safetensors file.", path=path),
            why=f"{error}.",
            remedy=say("It is probably a torn download; fetch it again."),
        ) from None


def count_parameters(folder: Path) -> int:
    """Return the exact number of weights: every tensor once, and a stored tied head not at all."""
    tied = bool(
        read_json(folder / "config.json", template("the model's architecture")).get("tie_word_embeddings")
    )
    total = 0
    for file in weight_files(folder):
        for name, shape in tensor_shapes(folder / file).items():
            if tied and name == "lm_head.weight":
                continue
            size = 1
            for axis in shape:
                size *= axis
            total += size
    return total


def check_complete(folder: Path) -> None:
    """Raise BadInput, in one sentence, unless `folder` is a complete and usable Hugging Face folder."""
    if not folder.is_dir():
        raise BadInput(say("There is no model folder at {folder}.", folder=folder))
    config = read_json(folder / "config.json", template("the model's architecture"))
    if not config.get("model_type"):
        raise BadInput(
            say("{path} names no model_type.", path=folder / "config.json"),
            remedy=say("Give a Hugging Face model folder."),
        )
    if "auto_map" in config and not config.get("architectures"):
        raise BadInput(
            say("{folder} needs Python code of its own to load, which Steersman never runs.", folder=folder)
        )
    weight_files(folder)
    if not any((folder / name).is_file() for name in TOKENIZERS):
        raise BadInput(
            say("{folder} has no tokenizer.", folder=folder),
            why=say("One of {files} must be there.", files=", ".join(TOKENIZERS)),
        )
    read_json(folder / "tokenizer_config.json", template("the tokenizer's settings and the chat template"))
