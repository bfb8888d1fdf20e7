"""The work of stage `convert_back`: join if in pieces, then write Hugging Face's names and orientation."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from runtime.workers.convert_proof import prove_logits, prove_tokenizer, prove_weights
from runtime.workers.convert_weights import differing_weights, model_class
from runtime.workers.hf_config import hf_config, tokenizer_settings
from runtime.workers.hf_folder import copy_companions, put_in_place, sync, write_template
from runtime.workers.joining import SMALL, in_pieces, join_folder, plain_config
from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say
from runtime.workers.stage_run import Stage
from runtime.workers.tensor_files import (
    Entry,
    Planned,
    folder_entries,
    stored_array,
    write_safetensors,
)


def work(spec: dict[str, Any], stage: Stage) -> tuple[dict[str, str], dict[str, Any]]:
    """Do the stage. The source is only read; the destination appears complete and proven or not at all."""
    source, destination = Path(spec["source_folder"]), Path(spec["destination"])
    partial = destination.with_name(f".partial-{destination.name}")
    scratch = destination.with_name(f".joined-{destination.name}")
    original = Path(spec["original"]) if spec.get("original") else None
    for folder in (partial, scratch):
        shutil.rmtree(folder, ignore_errors=True)
    destination.parent.mkdir(parents=True, exist_ok=True)
    try:
        paddle_folder = source
        if in_pieces(source):
            paddle_folder = scratch if spec["to"] == "huggingface" else partial
            paddle_folder.mkdir()
            join_folder(source, paddle_folder, stage)
        elif spec["to"] == "paddlenlp":
            raise RefusedError(
                say("{folder} is one PaddleNLP model already.", folder=source),
                remedy=say("Use it as it is, or ask for --to huggingface."),
            )
        if spec["to"] == "huggingface":
            partial.mkdir()
            write_hugging_face(paddle_folder, partial, original, float(spec.get("tolerance", 1e-4)), stage)
        for path in partial.iterdir():
            sync(path)
        put_in_place(partial, destination)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(scratch, ignore_errors=True)
    return {"model": str(destination)}, {}


def write_hugging_face(
    source: Path, folder: Path, original: Path | None, tolerance: float, stage: Stage
) -> None:
    """Write the PaddleNLP model in `source` into `folder` and prove it; `RefusedError` if a proof fails."""
    values = json.loads((source / "config.json").read_text(encoding="utf-8"))
    model = model_class(values)
    config = plain_config(source, model)
    planned = plan_back(folder_entries(source), model._get_name_mappings(config), config)

    def each(done: int, total: int) -> None:
        stage.emitter.progress(done, total, "bytes", say("writing weights"))
        stage.check_stop()

    write_safetensors(planned, folder, "pt", each)
    write_companions(
        source, folder, original, hf_config(source, config, model.__name__) if not original else {}
    )
    from paddlenlp.transformers import AutoTokenizer

    proven = prove_weights(planned, differing_weights(planned, folder, stage), stage)
    if (folder / "tokenizer_config.json").is_file():
        tokenizer = AutoTokenizer.from_pretrained(str(source))
        proven = prove_tokenizer(folder, tokenizer, stage) and proven
    else:
        tokenizer = byte_tokens
    proven = proven and prove_logits(folder, source, tokenizer, tolerance, stage)
    if not proven:
        raise RefusedError(
            say("The Hugging Face folder is not the same model."),
            say("A proof of the conversion failed; see the proofs of this stage."),
        )


def byte_tokens(text: str, **ignored: Any) -> dict[str, list[int]]:
    """Stand in for the tokenizer of a model without one: any token ids serve to compare logits."""
    return {"input_ids": list(text.encode())}


def plan_back(entries: dict[str, Entry], mappings: list[Any], config: Any) -> list[Planned]:
    """Return what to write; `RefusedError` unless every tensor has a name on the other side."""
    by_target = {mapping.target_name: mapping for mapping in mappings}
    tied = bool(config.tie_word_embeddings)
    planned = []
    for name, entry in entries.items():
        if tied and name == "lm_head.weight":
            check_tied(entries, entry)
            continue
        if name not in by_target:
            raise RefusedError(
                say("Hugging Face's model has no place for the weight {name}.", name=name),
                say("Fused layers and adapters cannot be converted as they are."),
            )
        mapping = by_target[name]
        if mapping.action not in (None, "transpose"):
            raise RefusedError(
                say(
                    "PaddleNLP changes the weight {name} by {action}.", name=name, action=repr(mapping.action)
                )
            )
        planned.append(Planned(mapping.source_name, entry, mapping.action == "transpose"))
    have = {tensor.name for tensor in planned}
    spare = {"lm_head.weight"} if tied else set()
    lacking = [
        mapping.source_name
        for mapping in mappings
        if mapping.source_name not in have | spare and "inv_freq" not in mapping.source_name
    ]
    if lacking:
        raise RefusedError(
            say("The model lacks {count} weights, the first is {name}.", count=len(lacking), name=lacking[0])
        )
    return planned


def check_tied(entries: dict[str, Entry], head: Entry) -> None:
    """Raise `RefusedError` if a head that config.json calls shared has numbers of its own."""
    embedding = next(entry for name, entry in entries.items() if name.endswith("embed_tokens.weight"))
    one, other = stored_array(embedding), stored_array(head)
    if not any(np.array_equal(one, view) for view in (other, other.T)):
        raise RefusedError(
            say("config.json says that the output head is the embedding, but the file has another one."),
            remedy=say("Set tie_word_embeddings to false in config.json if the model was trained so."),
        )


def write_companions(source: Path, folder: Path, original: Path | None, config: dict[str, Any]) -> None:
    """Write config and tokenizer: those of `original` as they are, else the source's in other words."""
    if original is not None:
        copy_companions(original, folder)
        return
    for name in SMALL:
        if (source / name).is_file() and name != "chat_template.json":
            shutil.copyfile(source / name, folder / name)
    write_template(source, folder)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    settings = tokenizer_settings(source)
    if settings is not None:
        text = json.dumps(settings, ensure_ascii=False, indent=2)
        (folder / "tokenizer_config.json").write_text(text + "\n", encoding="utf-8")
