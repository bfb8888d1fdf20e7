"""A model's name becomes its facts, without its weights: catalogue name, local folder, or hub model."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import Any

from planner.did_you_mean import hint
from planner.errors import BadInput
from planner.facts import ModelFacts, ModelSource, SourceKind
from planner.model_catalogue import find_model, models
from planner.model_facts import from_config
from runtime.acquire.fetch import cached_folders, slug
from runtime.acquire.hubs import UnreachableError, client, hub_errors_in_words, list_files
from runtime.acquire.listing import Listing, wanted_files
from runtime.acquire.local import check_complete, count_parameters, read_json
from runtime.paths import models_folder, write_atomically

PREFIXES: dict[str, SourceKind] = {
    "hf": "huggingface",
    "huggingface": "huggingface",
    "modelscope": "modelscope",
    "ms": "modelscope",
    "aistudio": "aistudio",
}
"""What may stand before the colon of a hub model's name."""

HUB_NAME = re.compile(r"(?:(?P<hub>\w+):)?(?P<id>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?")

COMPUTED_EXACTLY = ("llama", "qwen2", "mistral")
"""Architectures whose weights `from_config` counts exactly from their shapes."""


def resolve_model(name: str) -> ModelFacts:
    """Return the facts of the model that `name` means.

    `name` is a catalogue name (case and separators do not matter), a local Hugging Face folder, or
    `owner/name` on a hub, optionally with `hf:`, `modelscope:` or `aistudio:` before it and `@revision`
    behind it. Weights are never fetched. Raises BadInput, in one sentence, when nothing is found or the hub
    cannot be reached.
    """
    name = name.strip()
    if not name:
        raise BadInput("No model was named.", remedy="Try smollm2-135m-instruct.")
    folder = Path(name).expanduser()
    if name.startswith(("/", ".", "~")) or (folder / "config.json").is_file():
        return from_folder(folder.resolve(), name)
    if entry := find_model(name):
        return entry.facts()
    if match := HUB_NAME.fullmatch(name):
        kind = PREFIXES.get((match["hub"] or "hf").lower())
        if kind is None:
            raise BadInput(
                f"There is no hub called {match['hub']!r}.", remedy=f"Use one of {', '.join(PREFIXES)}."
            )
        return from_hub(ModelSource(kind=kind, id=match["id"], revision=match["revision"]), name)
    if folder.is_dir():
        check_complete(folder.resolve())
    raise BadInput(
        f"There is no model called {name!r}.",
        why=hint(name, [known for entry in models().values() for known in (entry.name, *entry.aliases)]),
        remedy="Give a catalogue name, a Hugging Face model folder, or owner/name on a hub.",
    )


def from_folder(folder: Path, name: str) -> ModelFacts:
    """Return the facts of a complete local folder; weights are counted from the files' headers."""
    check_complete(folder)
    config = read_json(folder / "config.json", "the model's architecture")
    source = ModelSource(kind="local", id=str(folder))
    return from_config(config, name, source, count_parameters(folder), has_chat_template(folder))


def has_chat_template(folder: Path) -> bool:
    """Return whether the tokenizer of `folder` renders chats."""
    if any((folder / name).is_file() for name in ("chat_template.jinja", "chat_template.json")):
        return True
    path = folder / "tokenizer_config.json"
    return path.is_file() and bool(read_json(path, "the tokenizer's settings").get("chat_template"))


def from_hub(source: ModelSource, name: str) -> ModelFacts:
    """Return the facts of a hub's model, its revision pinned to a commit; only a few small files are fetched.

    They are kept, so that the same model can be planned for again without a network.
    """
    try:
        listing = list_files(source)
    except UnreachableError as unreachable:
        return _from_cache(source, name, unreachable)
    wanted = wanted_files(source.id, listing)
    pinned = source.model_copy(update={"revision": listing.revision})
    config, template = _small_files(pinned, listing)
    known = config.get("model_type") in COMPUTED_EXACTLY
    weights = sum(file.size for file_name, file in wanted.items() if file_name.endswith(".safetensors"))
    parameters = None if known else listing.parameters or max(1, weights // 2)
    facts = from_config(config, name, pinned, parameters, template)
    write_atomically(_facts_path(pinned), facts.model_dump_json(indent=2))
    return facts


def _small_files(source: ModelSource, listing: Listing) -> tuple[dict[str, Any], bool]:
    """Fetch config.json and the tokenizer's settings; return the config, and whether chats are rendered."""
    with tempfile.TemporaryDirectory(prefix="steersman-config-") as name:
        folder = Path(name)
        for file in ("config.json", "tokenizer_config.json"):
            if file in listing.files:
                with hub_errors_in_words(source):
                    client(source).download(
                        source.id, str(source.revision), file, listing.files[file], folder
                    )
        config = read_json(folder / "config.json", "the model's architecture")
        template = has_chat_template(folder) or any(
            file in listing.files for file in ("chat_template.jinja", "chat_template.json")
        )
    return config, template


def _facts_path(source: ModelSource) -> Path:
    return models_folder() / ".facts" / f"{slug(source)}.json"


def _from_cache(source: ModelSource, name: str, unreachable: UnreachableError) -> ModelFacts:
    """Return facts from an earlier plan or a fetched copy of this model; else raise `unreachable`."""
    prefix = slug(source)
    saved = models_folder() / ".facts"
    for path in sorted(saved.glob(f"{prefix}*.json"), key=lambda path: path.stat().st_mtime, reverse=True):
        try:
            facts = ModelFacts(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            continue
        if facts.source.id == source.id:
            return facts.model_copy(update={"name": name})
    for folder, cached in cached_folders(models_folder()):
        if (cached.kind, cached.id) == (source.kind, source.id) and source.revision in (
            None,
            cached.revision,
        ):
            config = read_json(folder / "config.json", "the model's architecture")
            return from_config(config, name, cached, count_parameters(folder), has_chat_template(folder))
    raise unreachable
