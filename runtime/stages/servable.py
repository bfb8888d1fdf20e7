"""Whether a model folder has what a server of another project needs, checked before it is offered."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

import yaml
from pydantic import Field

from planner.catalogue import RECIPES
from planner.language import say
from planner.schema import Record


class ServerRow(Record):
    """One server of recipes/servers.yaml."""

    title: str
    architectures: tuple[str, ...] = Field(description="`architectures` of config.json that it loads.")
    source: str


@lru_cache(maxsize=1)
def servers() -> dict[str, ServerRow]:
    """Return the known servers by name."""
    rows = yaml.safe_load((RECIPES / "servers.yaml").read_text(encoding="utf-8"))
    return {name: ServerRow.model_validate(row) for name, row in rows.items()}


def why_not(folder: Path, server: str) -> str:
    """Return why `server` would not serve the folder, in one sentence; empty when nothing is missing."""
    row = servers()[server]
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return say("{folder} has no config.json.", folder=folder)
    if missing := missing_weights(folder):
        return say("The weight file {name} is missing.", name=missing)
    named = [str(name) for name in config.get("architectures") or ()]
    if not set(named) & set(row.architectures):
        return say(
            "{server} is not known to load {architecture}.",
            server=row.title,
            architecture=", ".join(named) or say("a model without a named architecture"),
        )
    if not has_chat_template(folder):
        return say(
            "The tokenizer has no chat template, so {server} answers bare texts and no chats.",
            server=row.title,
        )
    return ""


def missing_weights(folder: Path) -> str:
    """Return the first weight file that should be there and is not; empty when all are."""
    index = folder / "model.safetensors.index.json"
    if not index.exists():
        return "" if (folder / "model.safetensors").is_file() else "model.safetensors"
    names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    return next((name for name in sorted(names) if not (folder / name).is_file()), "")


def has_chat_template(folder: Path) -> bool:
    """Return whether the folder says how chats are written."""
    if (folder / "chat_template.jinja").is_file():
        return True
    try:
        settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(settings.get("chat_template"))
