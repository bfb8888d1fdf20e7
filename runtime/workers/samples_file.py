"""The file in which the answers before and after stand, for the report and the app."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def write_samples(folder: Path, samples: list[dict[str, Any]]) -> Path:
    """Write samples.json beside its name and rename it; return its path."""
    path, partial = folder / "samples.json", folder / ".samples.json.partial"
    partial.write_text(json.dumps(samples, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    partial.replace(path)
    return path
