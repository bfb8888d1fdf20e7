"""Stage `merge` of an embedding fine-tune: as of any other, and the folder says how to make vectors of texts.

Specification and proofs are those of `merge`. The folder can then be loaded by sentence-transformers too:
`modules.json` says that the last token's state counts, scaled to length 1, and `tokenizer.json` puts the end
token behind every text, as training did.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from runtime.workers.stage_run import Stage, run_stage

MODULES = [
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
]
"""The chain of sentence-transformers (sentence_transformers/models/, versions 2.3 and later)."""


def main(spec: dict[str, Any], arguments: list[str]) -> int:
    """Run the stage; see `merging.work`."""
    return run_stage(spec, "runtime.workers.embedding_merge")


def work(spec: dict[str, Any], stage: Stage) -> tuple[dict[str, str], dict[str, Any]]:
    """Merge, prove, and add what makes the folder an embedding model."""
    from runtime.workers import merging

    outputs, figures = merging.work(spec, stage)
    describe(Path(outputs["model"]))
    return outputs, figures


def describe(folder: Path) -> None:
    """Write the files of sentence-transformers, and let the tokenizer end every text with the end token."""
    width = json.loads((folder / "config.json").read_text(encoding="utf-8"))["hidden_size"]
    limit = json.loads((folder / "config.json").read_text(encoding="utf-8"))["max_position_embeddings"]
    pooling = {
        "word_embedding_dimension": width,
        "pooling_mode_cls_token": False,
        "pooling_mode_mean_tokens": False,
        "pooling_mode_lasttoken": True,
    }
    write(folder / "modules.json", MODULES)
    write(folder / "sentence_bert_config.json", {"max_seq_length": limit, "do_lower_case": False})
    write(folder / "1_Pooling" / "config.json", pooling)
    (folder / "2_Normalize").mkdir(exist_ok=True)
    end_every_text(folder)


def end_every_text(folder: Path) -> None:
    """Set the tokenizer's template to: the text, then the end token."""
    path = folder / "tokenizer.json"
    if not path.exists():
        return
    config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    end = config["eos_token"]
    end = end if isinstance(end, str) else end["content"]
    tokenizer = json.loads(path.read_text(encoding="utf-8"))
    number = next(token["id"] for token in tokenizer["added_tokens"] if token["content"] == end)
    text, last = (
        ({"Sequence": {"id": side, "type_id": 0}} for side in "AB"),
        {"SpecialToken": {"id": end, "type_id": 0}},
    )
    one, other = text
    tokenizer["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [one, last],
        "pair": [one, other, last],
        "special_tokens": {end: {"id": end, "ids": [number], "tokens": [end]}},
    }
    write(path, tokenizer)


def write(path: Path, value: Any) -> None:
    """Write a JSON file beside its name and rename it."""
    path.parent.mkdir(exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    partial.replace(path)
