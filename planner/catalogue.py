"""What we know, as data: the YAML catalogues in `recipes/`. The planner reads no other files."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

RECIPES = Path(__file__).resolve().parent.parent / "recipes"


@cache
def read(name: str) -> dict[str, Any]:
    """Return `recipes/<name>.yaml` as a dictionary. Do not change it: the result is shared."""
    return dict(yaml.safe_load((RECIPES / f"{name}.yaml").read_text(encoding="utf-8")))
