"""The models that Steersman knows by name: recipes/models.yaml as records."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from pydantic import Field

from planner.catalogue import read
from planner.facts import ModelFacts, ModelSource
from planner.model_facts import from_config
from planner.schema import Record

SMALL_FILES_BYTES = 12_000_000
"""Tokenizer, configs and readme of a model, about: Qwen/Qwen2.5-7B-Instruct has 11.5 MB besides two bytes
a weight."""

TELLS_BASE = re.compile(r"[-_](base|hf|pt)\b", re.IGNORECASE)
"""What in a hub's name tells pretrained weights apart without their owner's name."""


class ModelEntry(ModelFacts):
    """Facts of a catalogue model and what a person wants to know before fetching it."""

    aliases: tuple[str, ...] = ()
    license: str = Field(description="SPDX identifier, or the hub's licence tag where there is none.")
    download_bytes: int = Field(gt=0, description="What is fetched, about.")
    row: str = Field(description="Its row in recipes/models.yaml: one size, base and chat.")
    chat: bool = Field(description="Instruction-tuned weights; False: pretrained on text alone.")
    notes: str = Field("", description="What else a person should know about the weights.")

    def facts(self) -> ModelFacts:
        """Return the facts alone."""
        return ModelFacts(**{name: getattr(self, name) for name in ModelFacts.model_fields})


class Row(Record):
    """One row of the catalogue, as it is written."""

    config: dict[str, Any] = Field(default_factory=dict)
    like: str = ""
    license: str
    base: str = ""
    chat: str = ""
    base_ids: tuple[str, ...] = ()
    chat_ids: tuple[str, ...] = ()
    chat_name: str = ""
    aliases: tuple[str, ...] = ()
    download_bytes: int = 0
    source: ModelSource | None = None
    base_context: int | None = None
    base_template: bool = False
    notes: str = ""


@cache
def rows() -> dict[str, Row]:
    """Return row name -> row, in the catalogue's order."""
    return {name: Row(**values) for name, values in read("models").items()}


@cache
def models() -> dict[str, ModelEntry]:
    """Return catalogue name -> entry, in the catalogue's order (smallest way to start first)."""
    return {entry.name: entry for name, row in rows().items() for entry in _entries(name, row)}


def config_of(name: str) -> dict[str, Any]:
    """Return the figures of the row `name` as its config.json says them."""
    row = rows()[name]
    return {**(config_of(row.like) if row.like else {}), **row.config}


def find_model(name: str) -> ModelEntry | None:
    """Return the entry that `name` means by name or alias, or None.

    Case, spaces, dashes and underscores do not matter, nor dots outside of numbers. A row's name or alias
    means its chat weights.
    """
    return _by_key().get(key(name))


def row_entries(row: str) -> tuple[ModelEntry, ...]:
    """Return the entries of one row: the chat weights first."""
    found = [entry for entry in models().values() if entry.row == row]
    return tuple(sorted(found, key=lambda entry: not entry.chat))


def key(name: str) -> str:
    """Return the name without what does not matter in it; OPT-1.3B and OPT-13B stay apart."""
    return re.sub(r"[\s_-]+|(?<!\d)\.|\.(?!\d)", "", name).lower()


@cache
def _by_key() -> dict[str, ModelEntry]:
    by_key: dict[str, ModelEntry] = {}
    for entry in models().values():
        for known in (entry.name, *entry.aliases):
            by_key.setdefault(key(known), entry)
    for name, row in rows().items():
        for known in (name, *row.aliases):
            by_key.setdefault(key(known), row_entries(name)[0])
    return by_key


def _entries(name: str, row: Row) -> Iterator[ModelEntry]:
    """Yield the chat weights and the base of a row, as far as it has them."""
    has_chat = bool(row.chat or row.chat_name)
    if has_chat:
        tail = row.chat.rpartition("/")[2]
        source = row.source or ModelSource(kind="huggingface", id=row.chat)
        own_name = row.chat_name or tail.lower()
        aliases = [
            alias for alias in (row.chat, tail, *row.chat_ids) if alias and key(alias) != key(own_name)
        ]
        yield _entry(own_name, name, row, source, tuple(aliases), chat=True)
    if row.base:
        tail = row.base.rpartition("/")[2]
        aliases = [row.base, tail] if TELLS_BASE.search(tail) else [row.base]
        source = ModelSource(kind="huggingface", id=row.base)
        own_name = f"{name}-base" if has_chat else name
        yield _entry(own_name, name, row, source, (*aliases, *row.base_ids), chat=False)


def _entry(
    name: str, row_name: str, row: Row, source: ModelSource, aliases: tuple[str, ...], *, chat: bool
) -> ModelEntry:
    facts = from_config(
        config_of(row_name), name, source, has_chat_template=row.base_template if not chat else True
    )
    values = {field: getattr(facts, field) for field in ModelFacts.model_fields}
    if not chat and row.base_context:
        values["max_position_embeddings"] = row.base_context
    size = row.download_bytes if chat or source == row.source else 0
    return ModelEntry(
        **values,
        aliases=aliases,
        license=row.license,
        download_bytes=size or 2 * facts.parameters + SMALL_FILES_BYTES,
        row=row_name,
        chat=chat,
        notes=row.notes,
    )
