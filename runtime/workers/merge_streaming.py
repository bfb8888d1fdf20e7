"""Merge an adapter into a model that does not fit into memory: shard by shard, proven layer by layer.

The usual way holds the model in float32 and compares what it says before and after. Here the weight files are
written piece by piece (`shard_merge`), every number is read again and checked, and what the merged files say
is computed in NumPy with one layer in memory, and compared with what the model said when training ended.
"""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np

from runtime.workers import numpy_llama, witness
from runtime.workers.adapter_files import CONFIGS, changes_by_tensor
from runtime.workers.hf_folder import copy_companions, put_in_place, sync
from runtime.workers.hf_load import config_for_paddlenlp
from runtime.workers.proof_precision import host_memory_available_bytes
from runtime.workers.refusal import RefusedError
from runtime.workers.shard_merge import Merged, check_shards, merge_shards
from runtime.workers.speech import say
from runtime.workers.stage_run import Stage
from runtime.workers.tensor_files import STORED, Entry, folder_entries
from runtime.workers.weight_change import Change

MODEL_COPIES = 1.25
"""Memory of the usual merge over the float32 weights: one model at a time, and what computing takes."""


def weights_bytes(entries: dict[str, Entry]) -> int:
    """Return the bytes of the weights in float32."""
    return sum(4 * entry.size // STORED[entry.dtype].itemsize for entry in entries.values())


def wanted(spec: dict[str, Any]) -> bool:
    """Return whether this merge must go shard by shard: `streaming` says so, or the model does not fit."""
    adapter = spec.get("adapter")
    if not adapter or not any(Path(adapter, name).is_file() for name in CONFIGS):
        return False
    if "streaming" in spec:
        return bool(spec["streaming"])
    needed = weights_bytes(folder_entries(Path(spec["hf_folder"]))) * MODEL_COPIES
    return needed > host_memory_available_bytes()


def work(spec: dict[str, Any], stage: Stage) -> tuple[dict[str, str], dict[str, Any]]:
    """Merge, write, prove, rename; the same specification, outputs and proofs as the usual merge."""
    started = time.monotonic()
    base, destination = Path(spec["hf_folder"]), Path(spec["destination"])
    partial = destination.with_name(f".{destination.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    stage.emitter.log(
        say("The model does not fit into this machine's memory, so it is merged shard by shard.")
    )
    partial.mkdir(parents=True)
    try:
        merged = merge_folder(base, changes_by_tensor(Path(spec["adapter"]), base), partial, stage)
        prove_logits(spec, partial, stage)
        stage.check_stop()
        put_in_place(partial, destination)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    stage.emitter.artifact("merged model", destination)
    figures = {
        "changed_tensors": merged.changed,
        "model_bytes": sum(path.stat().st_size for path in destination.iterdir()),
        "merge_seconds": round(time.monotonic() - started, 3),
    }
    return {"model": str(destination)}, figures


def merge_folder(base: Path, added: dict[str, Change], folder: Path, stage: Stage) -> Merged:
    """Fill the empty `folder` with `base` plus `added` and emit `merge.weights`."""

    def phase(message: str) -> Any:
        def each(done: int, total: int) -> None:
            stage.check_stop()
            stage.emitter.progress(done, total, "bytes", message)

        return each

    copy_companions(base, folder)
    merge_shards(base, added, folder, each_block=phase(say("writing the merged weights")))
    checked = check_shards(base, added, folder, each_block=phase(say("checking every number")))
    stage.emitter.proof(
        "merge.weights",
        True,
        say(
            "Read again, {changed} of {tensors} tensors equal base plus adapter to the last bit that their "
            "precision has; the others are unchanged.",
            changed=checked.changed,
            tensors=checked.tensors,
        ),
        tensors=checked.tensors,
        changed=checked.changed,
    )
    for path in folder.iterdir():
        sync(path)
    return checked


def prove_logits(spec: dict[str, Any], folder: Path, stage: Stage) -> None:
    """Emit `merge.logits` and `merge.tokens`; `RefusedError` if the merged files say something else."""
    said = Path(spec["adapter"], witness.FILE)
    config = config_for_paddlenlp(json.loads((folder / "config.json").read_text(encoding="utf-8")))
    reason = numpy_llama.why_not(config)
    if not said.is_file():
        reason = say("training left no logits to compare with")
    tokens = say("Answers were not compared token by token, because the model does not fit into memory.")
    if reason:
        sentence = say("Every number was checked; logits were not compared, because {reason}.", reason=reason)
        stage.emitter.proof("merge.logits", True, sentence, compared="weights")
        stage.emitter.proof("merge.tokens", True, tokens, compared="weights")
        return
    from runtime.workers.prompting import load_tokenizer

    tokenizer = load_tokenizer(spec["base"])
    before = np.load(said, allow_pickle=False)
    rounded = any(entry.dtype != "F32" for entry in folder_entries(folder).values())
    exact = before.dtype == np.float32 and not rounded
    allowed = witness.TOLERANCE if exact else witness.SHARE_16_BIT * float(np.abs(before.astype(float)).max())
    found = []
    for text in witness.TEXTS:
        ids = [int(token) for token in tokenizer(text)["input_ids"]]
        found.append(
            numpy_llama.forward(folder, config, ids, each_layer=lambda *done: stage.check_stop())[-1]
        )
    difference = float(np.abs(np.stack(found) - before).max())
    passed = difference <= allowed
    sentence = say(
        "An independent forward pass of the merged files, one layer in memory at a time, gives the logits "
        "that the model had when training ended to within {difference:.1e} ({allowed:.0e} allowed).",
        difference=difference,
        allowed=allowed,
    )
    stage.emitter.proof("merge.logits", passed, sentence, max_difference=difference, tolerance=allowed)
    if not passed:
        raise RefusedError(
            say("The merged model does not answer like the trained one, so it is not handed out."), sentence
        )
    stage.emitter.proof("merge.tokens", True, tokens, compared="logits")
