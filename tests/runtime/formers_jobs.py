"""What the tests let PaddleFormers do with a tiny llama, from its folder to its answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.runtime.formers_setup import Formers, write_pairs, write_rows, write_texts

PAIRS = {"stage": "DPO", "max_prompt_len": 128, "packing": True, "max_steps": 4}
TEXTS = {"stage": "PT", "packing": True, "max_seq_len": 64, "max_steps": 3}
FULL = {"fine_tuning": "full", "learning_rate": 1e-3}
CHATS = [[{"role": "user", "content": "sail?"}], [{"role": "user", "content": "mast helm star?"}]]


def llama_jobs(root: Path, source: Path) -> tuple[Formers, dict[str, dict[str, Any]]]:
    """Return the runs and the jobs by name; `source` is a Hugging Face folder."""
    prepared, merged = root / "prepared", root / "merged"
    runs = Formers(root, prepared, write_rows(root / "data"))
    read = Formers(root / "read", prepared, write_texts(root / "texts", source))
    paired = Formers(root / "paired", prepared, write_pairs(root / "pairs"))
    adapter = {"adapter": str(runs.output("lora") / "adapter"), "base": str(prepared)}
    handed = {"hf_folder": str(source), "tolerance": 1e-4}
    whole = str(runs.output("full") / "model")
    jobs: dict[str, dict[str, Any]] = {
        "convert": {
            "do": "stage",
            "name": "paddleformers.converting",
            "spec": runs.spec(
                "all",
                "convert",
                source_folder=str(source),
                destination=str(prepared),
                tolerance=1e-4,
            ),
        },
        "batches": {"do": "batches", "model": str(prepared)},
        "generate": {
            "do": "generate",
            "model": str(prepared),
            "prompts": [[1, 5, 9, 22], [7, 3, 100, 101, 22, 44, 200]],
            "tokens": 6,
        },
        "preflight": {
            "do": "stage",
            "name": "paddleformers.preflight",
            "spec": runs.spec(
                "all", "preflight", config=str(runs.config("rehearsed")), processes=1, train={}
            ),
        },
        "lora": {"do": "train", "spec": runs.train("lora")},
        "stopped": {"do": "train", "spec": runs.train("resumed"), "stop_at": 4, "save_at": 2},
        "resumed": {"do": "train", "spec": runs.train("resumed")},
        "full": {"do": "train", "spec": runs.train("full", **FULL)},
        "halted": {"do": "train", "spec": runs.train("torn", **FULL), "stop_at": 9},
        "torn": {"do": "train", "spec": runs.train("torn"), "then_lose": 10},
        "packed": {"do": "train", "spec": runs.train("packed", packing=True, max_seq_len=128, max_steps=2)},
        "merge": {
            "do": "stage",
            "name": "paddleformers.merging",
            "spec": runs.spec("lora", "merge", destination=str(merged), **handed, **adapter),
        },
        "merge_full": {
            "do": "stage",
            "name": "paddleformers.merging",
            "spec": runs.spec(
                "full",
                "merge",
                destination=str(root / "merged-full"),
                trained_model=whole,
                base=str(prepared),
                **handed,
            ),
        },
        "export": {
            "do": "export",
            "model": str(prepared),
            "adapter": adapter["adapter"],
            "output": str(root / "exported"),
        },
        "judge_export": {
            "do": "prove",
            "spec": runs.spec("exported", "merge", **adapter),
            "folder": str(root / "exported" / "export"),
        },
        "scrambled": {"do": "scrambled", "folder": str(merged), "output": str(root / "scrambled")},
        "judge_scrambled": {
            "do": "prove",
            "spec": runs.spec("scrambled", "merge", **adapter),
            "folder": str(root / "scrambled"),
        },
        "judge_merged": {
            "do": "prove",
            "spec": runs.spec("judged", "merge", **adapter),
            "folder": str(merged),
        },
        "answers": {
            "do": "stage",
            "name": "answering",
            "spec": runs.spec(
                "lora",
                "generate",
                base=str(prepared),
                model=str(merged),
                prompts=CHATS,
                references=["a", "b"],
                max_new_tokens=8,
            ),
        },
        "chat": {"do": "chat", "base": str(prepared), "model": str(merged), "messages": CHATS[0]},
        "predict": {
            "do": "predict",
            "base": str(prepared),
            "model": str(merged),
            "adapter": str(runs.output("lora") / "adapter"),
            "prompts": [[5, 6, 7], [40, 41, 42, 43]],
        },
        "static": {
            "do": "stage",
            "name": "static_export",
            "spec": runs.spec(
                "lora",
                "export",
                base=str(prepared),
                model=str(merged),
                destination=str(root / "static"),
                tolerance=1e-4,
            ),
        },
        "pairs": {"do": "train", "spec": paired.train("lora", **PAIRS)},
        "pairs_full": {"do": "train", "spec": paired.train("full", **PAIRS, **FULL)},
        "texts": {"do": "train", "spec": read.train("full", **TEXTS, **FULL)},
        "texts_merge": {
            "do": "stage",
            "name": "paddleformers.merging",
            "spec": read.spec(
                "full",
                "merge",
                destination=str(root / "merged-texts"),
                trained_model=str(read.output("full") / "model"),
                base=str(prepared),
                **handed,
            ),
        },
        "texts_read": {
            "do": "stage",
            "name": "pretrain_continuing",
            "spec": read.spec(
                "full",
                "generate",
                data=str(read.data),
                length=64,
                beginnings=[],
                train_result=str(read.stage("full") / "result.json"),
                exact=True,
                base=str(prepared),
                model=str(root / "merged-texts"),
                max_new_tokens=4,
            ),
        },
        "refused": {"do": "train", "spec": runs.train("refused", lora_path="elsewhere")},
    }
    return runs, jobs
