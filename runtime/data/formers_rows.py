"""Prepared rows in the layouts of PaddleFormers: train.jsonl and dev.jsonl beside train.json and dev.json.

`messages` for conversations, with `chosen_response` and `rejected_response` for pairs of answers; `erniekit`,
which is what the prepared rows already are, for everything and for plain texts alone. Sources: paddleformers
1.2.0, datasets/reader/convertor.py:19, 242-273; datasets/DPODataset.py:204-216.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

PAIRS = (("train.json", "train.jsonl"), ("dev.json", "dev.jsonl"))


def messages_row(row: dict[str, Any]) -> dict[str, Any]:
    """Return a prepared row of questions and answers as messages."""
    messages = []
    if row.get("system"):
        messages.append({"role": "system", "content": row["system"]})
    answers = [*row["tgt"], *([None] * (len(row["src"]) - len(row["tgt"])))]
    for question, answer in zip(row["src"], answers, strict=True):
        messages.append({"role": "user", "content": question})
        if answer is not None:
            messages.append({"role": "assistant", "content": answer})
    if "response" not in row:
        return {"messages": messages}
    better, worse = (
        answer for _, answer in sorted(zip(row["sort"], row["response"], strict=True), reverse=True)
    )
    return {
        "messages": messages,
        "chosen_response": [{"role": "assistant", "content": better}],
        "rejected_response": [{"role": "assistant", "content": worse}],
    }


def write(folder: Path, layout: str) -> tuple[Path, ...]:
    """Write both files into the folder of prepared data and return their paths; `layout` as above."""
    written = []
    for source, target in PAIRS:
        partial = folder / f".{target}.partial"
        with (folder / source).open(encoding="utf-8") as rows, partial.open("w", encoding="utf-8") as file:
            for line in rows:
                row = json.loads(line)
                plain = layout == "erniekit" or "text" in row
                file.write(json.dumps(row if plain else messages_row(row), ensure_ascii=False) + "\n")
        written.append(partial.replace(folder / target))
    return tuple(written)
