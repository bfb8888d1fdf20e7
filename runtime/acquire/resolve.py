"""A model's name becomes its facts, without its weights: catalogue name, local folder, or hub model."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from planner.architectures import architecture
from planner.errors import BadInput
from planner.facts import ModelFacts, ModelSource, SourceKind
from planner.language import say, template
from planner.model_facts import findings, from_config, text_part
from planner.model_names import Weights, interpret, unknown
from runtime.acquire.fetch import cached_folders, slug
from runtime.acquire.hubs import UnreachableError, client, hub_errors_in_words, list_files
from runtime.acquire.listing import Listing, wanted_files
from runtime.acquire.local import INDEX, check_complete, count_parameters, read_json
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

Report = Callable[[str], None]
"""Takes a sentence about what was assumed or is worth knowing."""

NUMBER_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2, "float64": 8, "float8_e4m3fn": 1}
"""Bytes of one stored weight by `torch_dtype` of config.json."""


def resolve_model(name: str, report: Report = lambda sentence: None, prefer: Weights = "chat") -> ModelFacts:
    """Return the facts of the model that `name` means.

    `name` is a catalogue name (`qwen2.5 7b` is enough), a local Hugging Face folder, a config.json, or
    `owner/name` on a hub, optionally with `hf:`, `modelscope:` or `aistudio:` before it and `@revision`
    behind it. Where a name leaves open whether chat or base weights are meant, `prefer` decides; `report`
    gets one sentence about whatever was assumed. Weights are never fetched. Raises BadInput, in one sentence,
    when nothing is found, several models fit, or the hub cannot be reached.
    """
    name = name.strip()
    if not name:
        raise BadInput(say("No model was named."), remedy=say("Try smollm2-135m-instruct."))
    folder = Path(name).expanduser()
    if folder.name.endswith(".json") and _is_file(folder):
        return from_config_file(folder.resolve(), name, report)
    if name.startswith(("/", ".", "~")) or _is_file(folder / "config.json"):
        return from_folder(folder.resolve(), name, report)
    if match := interpret(name, prefer):
        for sentence in (match.because, match.entry.notes and f"{match.entry.name}: {match.entry.notes}."):
            if sentence:
                report(sentence)
        return match.entry.facts()
    if hub := HUB_NAME.fullmatch(name):
        kind = PREFIXES.get((hub["hub"] or "hf").lower())
        if kind is None:
            raise BadInput(
                say("There is no hub called {hub}.", hub=repr(hub["hub"])),
                remedy=say("Use one of {hubs}.", hubs=", ".join(PREFIXES)),
            )
        return from_hub(ModelSource(kind=kind, id=hub["id"], revision=hub["revision"]), name, report)
    if folder.is_dir():
        check_complete(folder.resolve())
    raise unknown(name)


def from_folder(folder: Path, name: str, report: Report = lambda sentence: None) -> ModelFacts:
    """Return the facts of a complete local folder; weights are counted from the files' headers."""
    check_complete(folder)
    config = read_json(folder / "config.json", template("the model's architecture"))
    say_findings(config, name, report)
    source = ModelSource(kind="local", id=str(folder))
    parameters = None if _extra_blocks(config) else count_parameters(folder)
    return from_config(config, name, source, parameters, has_chat_template(folder))


def from_config_file(path: Path, name: str, report: Report = lambda sentence: None) -> ModelFacts:
    """Return the facts that a config.json alone gives; enough to plan with, the weights may be elsewhere.

    Beside it, a safetensors index counts the weights of an architecture that the table does not know.
    """
    config = read_json(path, template("the model's architecture"))
    say_findings(config, name, report)
    source = ModelSource(kind="local", id=str(path.parent))
    index = path.parent / INDEX
    known = is_counted(config)
    parameters = (
        None
        if known or not index.is_file()
        else count_index(read_json(index, template("the list of weight files")), config)
    )
    return from_config(config, name, source, parameters, has_chat_template(path.parent))


def is_counted(config: Mapping[str, Any]) -> bool:
    """Return whether the weights that `config` describes are counted exactly from its shapes."""
    row = architecture(text_part(config))
    return row is not None and row.exact


def count_index(index: Mapping[str, Any], config: Mapping[str, Any]) -> int | None:
    """Return the number of weights that a safetensors index says, or None if it does not say it.

    `total_parameters` of its metadata, else `total_size` over the bytes of config.json's `torch_dtype`.
    """
    metadata = index.get("metadata") or {}
    if isinstance(total := metadata.get("total_parameters"), int) and total > 0:
        return total
    width = NUMBER_BYTES.get(str(config.get("torch_dtype") or config.get("dtype")))
    size = metadata.get("total_size")
    return int(size) // width if width and isinstance(size, (int, float)) and size >= width else None


def say_findings(config: Mapping[str, Any], name: str, report: Report) -> None:
    """Report what is worth saying about a config.json; raise BadInput if its weights cannot be trained."""
    for finding in findings(config, name):
        if finding.severity == "fails":
            raise BadInput(finding.because, remedy=finding.fix)
        report(finding.because)


def _extra_blocks(config: Mapping[str, Any]) -> bool:
    """Return whether the files hold more than the language model that is trained (MTP, a picture encoder)."""
    text = text_part(config)
    return is_counted(config) and bool(text.get("num_nextn_predict_layers") or text != dict(config))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False


def has_chat_template(folder: Path) -> bool:
    """Return whether the tokenizer of `folder` renders chats."""
    if any((folder / name).is_file() for name in ("chat_template.jinja", "chat_template.json")):
        return True
    path = folder / "tokenizer_config.json"
    return path.is_file() and bool(read_json(path, template("the tokenizer's settings")).get("chat_template"))


def from_hub(source: ModelSource, name: str, report: Report = lambda sentence: None) -> ModelFacts:
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
    say_findings(config, name, report)
    weights = sum(file.size for file_name, file in wanted.items() if file_name.endswith(".safetensors"))
    parameters = None if is_counted(config) else listing.parameters or max(1, weights // 2)
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
        config = read_json(folder / "config.json", template("the model's architecture"))
        chats = has_chat_template(folder) or any(
            file in listing.files for file in ("chat_template.jinja", "chat_template.json")
        )
    return config, chats


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
            config = read_json(folder / "config.json", template("the model's architecture"))
            return from_config(config, name, cached, count_parameters(folder), has_chat_template(folder))
    raise unreachable
