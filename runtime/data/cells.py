"""Lists and objects inside the cells of tables, where they stand as JSON text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def parsed(value: Any) -> Any:
    """Return the JSON list or object inside a text, as CSV cells hold them; anything else unchanged."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            found = json.loads(value)
        except (ValueError, RecursionError):
            return value
        return found if isinstance(found, (list, dict)) else value
    return value


def said(value: Any) -> Any:
    """Return the turn or turns inside a table's cell; any other text stays text, brackets or not."""
    found = parsed(value)
    if found is value:
        return value
    entries = found if isinstance(found, list) else [found]
    are_turns = all(isinstance(entry, Mapping) and {"role", "from"} & set(entry) for entry in entries)
    return found if entries and are_turns else value
