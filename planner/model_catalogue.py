"""The models that Steersman knows by name: recipes/models.yaml as records."""

from __future__ import annotations

import re
from functools import cache

from pydantic import Field

from planner.catalogue import read
from planner.facts import ModelFacts


class ModelEntry(ModelFacts):
    """Facts of a catalogue model and what a person wants to know before fetching it."""

    aliases: tuple[str, ...] = ()
    license: str = Field(description="SPDX identifier, or the hub's licence tag where there is none.")
    download_bytes: int = Field(gt=0, description="What is fetched, about.")

    def facts(self) -> ModelFacts:
        """Return the facts alone."""
        return ModelFacts(**{name: getattr(self, name) for name in ModelFacts.model_fields})


@cache
def models() -> dict[str, ModelEntry]:
    """Return catalogue name -> entry, in the catalogue's order (smallest way to start first)."""
    return {name: ModelEntry(name=name, **values) for name, values in read("models").items()}


def find_model(name: str) -> ModelEntry | None:
    """Return the entry that `name` means by name or alias, or None.

    Case, spaces, dashes, dots and underscores do not matter.
    """
    by_key = {_key(known): entry for entry in models().values() for known in (*entry.aliases, entry.name)}
    return by_key.get(_key(name))


def _key(name: str) -> str:
    return re.sub(r"[\s._-]+", "", name).lower()
