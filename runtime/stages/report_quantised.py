"""What a report says of the quantised models of a run: what was lost, figure by figure, before and after."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from planner.language import say
from planner.phrases import size
from runtime.run.layout import RunFolder

METHODS = {
    "weight_only_int8": "weight-only int8",
    "weight_only_int4": "weight-only int4",
    "a8w8": "A8W8",
    "gptq": "GPTQ",
    "awq": "AWQ",
}
"""Methods as people write them, in the order of a report."""


def folder_of(run: RunFolder) -> Path:
    """Return where the quantised models of a run lie, one folder per method."""
    return run.root / "quantise"


def accuracy_file(run: RunFolder, method: str) -> Path:
    """Return the file of what a method cost."""
    return folder_of(run) / f"accuracy-{method}.json"


def quantised(run: RunFolder) -> list[dict[str, Any]]:
    """Return what was measured of each quantised model, with the folder where it lies."""
    found = []
    for method in METHODS:
        with suppress(OSError, ValueError):
            figures = json.loads(accuracy_file(run, method).read_text(encoding="utf-8"))
            found.append({**figures, "folder": str(folder_of(run) / method)})
    return found


def quantised_head() -> tuple[str, ...]:
    """Return the names of the columns."""
    return (
        say("quantised"),
        say("bits"),
        say("loss on held-out rows"),
        say("perplexity"),
        say("right tokens"),
        say("same likeliest token"),
        say("size"),
    )


def quantised_rows(found: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Return one row per method, figures before and after the arrow."""
    return [
        (
            METHODS[one["method"]],
            str(one["bits"]),
            f"{one['loss_before']:.4f} → {one['loss_after']:.4f}",
            f"{one['perplexity_before']:.2f} → {one['perplexity_after']:.2f}",
            f"{one['accuracy_before']:.1%} → {one['accuracy_after']:.1%}",
            f"{one['same_best_token']:.1%}",
            size(float(one["bytes"])),
        )
        for one in found
    ]
