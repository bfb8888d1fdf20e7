"""What the tests let PaddleFormers do with a tiny ERNIE-4.5, beside the llama of `formers_jobs`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.runtime.formers_jobs import CHATS, FULL, PAIRS, TEXTS
from tests.runtime.formers_setup import Formers, write_pairs, write_rows, write_texts
from tests.runtime.tiny_ernie import write_tiny_ernie


def ernie_jobs(root: Path, source: Path) -> tuple[Formers, dict[str, dict[str, Any]]]:
    """Return the runs and the jobs by name; `source` is stored with 16 bits, as published models are."""
    prepared, exact, wide = root / "prepared", root / "exact", root / "wide"
    write_tiny_ernie(exact, tied=False, seed=1)
    runs = Formers(root, prepared, write_rows(root / "data"))
    whole = Formers(root / "whole", wide, runs.data)
    paired = Formers(root / "paired", prepared, write_pairs(root / "pairs"))
    read = Formers(root / "read", prepared, write_texts(root / "texts", source))
    adapter = {"adapter": str(runs.output("lora") / "adapter"), "base": str(prepared), "tolerance": 1e-4}

    def convert(run: str, start: Path, end: Path) -> dict[str, Any]:
        return runs.spec(run, "convert", source_folder=str(start), destination=str(end), tolerance=1e-4)

    def merge(run: str, to: str) -> dict[str, Any]:
        return runs.spec(run, "merge", destination=str(root / to), hf_folder=str(source), **adapter)

    converting, merging = "paddleformers.converting", "paddleformers.merging"
    biased = write_tiny_ernie(root / "biased", biases=True)
    jobs: dict[str, dict[str, Any]] = {
        "ernie_convert": {"do": "stage", "name": converting, "spec": convert("all", source, prepared)},
        "ernie_convert_exact": {"do": "stage", "name": converting, "spec": convert("whole", exact, wide)},
        "ernie_biased": {"do": "stage", "name": converting, "spec": convert("biased", biased, root / "none")},
        "ernie_turned": {"do": "misloaded", "spec": convert("turned", exact, root / "none"), "how": "turned"},
        "ernie_plain": {"do": "misloaded", "spec": convert("plain", exact, root / "none"), "how": "plain"},
        "ernie_batches": {"do": "batches", "model": str(prepared)},
        "ernie_generate": {
            "do": "generate",
            "model": str(wide),
            "prompts": [[1, 5, 9, 22], [7, 3, 100, 101, 22, 44, 200]],
            "tokens": 6,
        },
        "ernie_lora": {"do": "train", "spec": runs.train("lora")},
        "ernie_stopped": {"do": "train", "spec": runs.train("resumed"), "stop_at": 5},
        "ernie_resumed": {"do": "train", "spec": runs.train("resumed")},
        "ernie_full": {"do": "train", "spec": whole.train("full", **FULL)},
        "ernie_halted": {"do": "train", "spec": whole.train("parts", **FULL), "stop_at": 7},
        "ernie_parts": {"do": "train", "spec": whole.train("parts")},
        "ernie_packed": {
            "do": "train",
            "spec": runs.train("packed", packing=True, max_seq_len=128, max_steps=2),
        },
        "ernie_merge": {"do": "stage", "name": merging, "spec": merge("lora", "merged")},
        "ernie_merge_plainly": {"do": "merge_plainly", "spec": merge("plainly", "none")},
        "ernie_merge_full": {
            "do": "stage",
            "name": merging,
            "spec": whole.spec(
                "full",
                "merge",
                destination=str(root / "merged-full"),
                trained_model=str(whole.output("full") / "model"),
                base=str(wide),
                hf_folder=str(exact),
                tolerance=1e-4,
            ),
        },
        "ernie_chat": {
            "do": "chat",
            "base": str(prepared),
            "model": str(root / "merged"),
            "messages": CHATS[0],
        },
        "ernie_pairs": {
            "do": "train",
            "spec": paired.train("lora", **PAIRS),
        },
        "ernie_texts": {
            "do": "train",
            "spec": read.train("full", **TEXTS, **FULL),
        },
    }
    return runs, jobs
