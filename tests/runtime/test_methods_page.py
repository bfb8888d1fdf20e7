"""The page about training methods is made from the table of rows, and covers every method of the planner."""

from __future__ import annotations

from bench.methods import FORMATS, PAGE, ROWS
from planner.methods import methods, variants


def test_every_method_and_variant_has_a_row_that_was_run() -> None:
    text = PAGE.read_text(encoding="utf-8")
    asked = {(name, value) for row in ROWS.values() for name, value in row.pins.items()}
    for name in methods():
        assert name == "qlora" or ("method", name) in asked
    for name in variants():
        assert name == "plain" or ("lora_variant", name) in asked
    for row in ROWS.values():
        line = next(line for line in text.splitlines() if line.startswith(f"| {row.title} |"))
        assert "failed" not in line
    for name in FORMATS:
        assert f"| QLoRA, {name} |" in text
