"""Which layout the rows have: alpaca, ShareGPT, OpenAI messages or PaddleNLP's src/tgt.

Decided by several rows' keys.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from planner.errors import BadInput

Format = Literal["alpaca", "sharegpt", "messages", "src_tgt"]


class Layout(NamedTuple):
    """The keys of one layout: those that make it, and those that may stand beside them."""

    required: tuple[str, ...]
    optional: tuple[str, ...]
    example: str


LAYOUTS: dict[Format, Layout] = {
    "alpaca": Layout(
        ("instruction", "output"),
        ("input", "history", "system"),
        '{"instruction": ..., "input": ..., "output": ...}',
    ),
    "sharegpt": Layout(
        ("conversations",),
        ("system", "tools"),
        '{"conversations": [{"from": "human", "value": ...}, {"from": "gpt", ...}]}',
    ),
    "messages": Layout(
        ("messages",),
        ("tools",),
        '{"messages": [{"role": "user", "content": ...}, {"role": "assistant", ...}]}',
    ),
    "src_tgt": Layout(("src", "tgt"), ("context", "system"), '{"src": ..., "tgt": ...}'),
}
"""Format -> its keys. `planner.facts.DataFacts.format` has the same names."""

SYNONYMS = {
    "instruction": ("prompt", "question", "query", "user", "instruct"),
    "output": ("response", "answer", "completion", "target", "reply", "outputs"),
    "conversations": ("conversation", "dialog", "dialogue", "chat"),
    "messages": ("message", "chat"),
    "src": ("source", "srcs"),
    "tgt": ("target", "tgts"),
}
"""Names that people give these fields elsewhere."""


def detect(rows: Iterable[Any], where: str) -> Format:
    """Return the format of a file's first rows; `BadInput` says what was found and what is accepted."""
    keys = [frozenset(row) for row in rows if isinstance(row, Mapping)]
    if not keys:
        raise BadInput(f"{where}: the rows are no objects with named fields.", remedy=accepted())
    refuse_preferences(keys, rows, where)
    votes = Counter(name for row in keys for name, layout in LAYOUTS.items() if set(layout.required) <= row)
    if len(votes) == 1:
        return next(iter(votes))
    if len(votes) > 1:
        counted = [f"{name} ({count} of {len(keys)} rows)" for name, count in votes.most_common()]
        raise BadInput(
            f"{where}: the rows fit several layouts: {' and '.join(counted)}.",
            remedy="Keep the columns of one layout, or split the file.",
        )
    raise unknown(keys, where)


def refuse_preferences(keys: list[frozenset[str]], rows: Iterable[Any], where: str) -> None:
    """Raise `BadInput` for data that is made for another kind of training."""
    if any({"chosen", "rejected"} <= row for row in keys):
        raise BadInput(
            f"{where}: these are preference pairs (`chosen`, `rejected`).",
            why="Supervised fine-tuning learns from one answer per prompt.",
            remedy="Move the text of `chosen` to the place of the answer and remove both fields.",
        )
    if any(
        isinstance(row, Mapping) and isinstance(row.get("label", row.get("kto_tag")), bool) for row in rows
    ):
        raise BadInput(
            f"{where}: these are judged answers (a true/false `label`).",
            why="Supervised fine-tuning would learn the bad ones, too.",
            remedy="Keep the rows whose label is true and remove that field.",
        )


def unknown(keys: list[frozenset[str]], where: str) -> BadInput:
    """Explain keys that fit no layout, with the nearest one if its fields only have other names."""
    common = [name for name, _ in Counter(name for row in keys for name in sorted(row)).most_common(8)]
    found = f"{where}: the fields {', '.join(f'`{name}`' for name in common)} fit no known layout."
    if set(common) <= {"text", "id", "meta", "url", "timestamp"} and "text" in common:
        return BadInput(found, why="Plain text has no prompts and answers.", remedy=accepted())
    renames = [renamed for layout in LAYOUTS.values() if (renamed := rename(common, layout)) is not None]
    if renames:
        nearest = min(renames, key=len)
        pairs = " and ".join(f"`{have}` to `{want}`" for have, want in nearest.items())
        return BadInput(found, remedy=f"Did you mean another name? Rename {pairs}.")
    return BadInput(found, remedy=accepted())


def rename(have: list[str], layout: Layout) -> dict[str, str] | None:
    """Return which of the fields `have` would have to be renamed to make `layout`;

    None when they are too different.
    """
    renamed: dict[str, str] = {}
    for want in layout.required:
        if want in have:
            continue
        lowered = {name.lower().strip().lstrip("\ufeff"): name for name in have if name not in renamed}
        near = [name for name in (want, *SYNONYMS[want]) if name in lowered]
        near = near or difflib.get_close_matches(want, lowered, 1, 0.75)
        if not near:
            return None
        renamed[lowered[near[0]]] = want
    return renamed


def accepted() -> str:
    """Return the list of layouts with an example each."""
    return "Accepted rows: " + "; ".join(f"{name} {layout.example}" for name, layout in LAYOUTS.items()) + "."
