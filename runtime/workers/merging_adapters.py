"""The work of stage `merge_adapters`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from runtime.workers import numpy_llama
from runtime.workers.adapter_files import changes_by_tensor
from runtime.workers.adapter_mixture import Mixture, Recipe, by_library
from runtime.workers.hf_folder import put_in_place
from runtime.workers.hf_load import config_for_paddlenlp
from runtime.workers.merge_streaming import merge_folder
from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say
from runtime.workers.stage_run import Stage
from runtime.workers.weight_change import Change

TOKENS = [3, 20, 30, 40, 50, 60, 70, 80, 90, 100]
TOLERANCE = 1e-3
"""Largest difference of float32 logits, as in `witness`."""


def work(spec: dict[str, Any], stage: Stage) -> tuple[dict[str, str], dict[str, Any]]:
    """Mix, write, prove, rename. Base and adapters are only read."""
    base, destination = Path(spec["hf_folder"]), Path(spec["destination"])
    recipe = Recipe(
        spec["method"], tuple(spec["weights"]), spec["density"], spec["normalize"], int(spec["seed"])
    )
    parts = [changes_by_tensor(Path(folder), base) for folder in spec["adapters"]]
    partial = destination.with_name(f".partial-{destination.name}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        merged = merge_folder(base, mixtures(parts, recipe), partial, stage)
        effect = prove_it_loads(base, partial, stage)
        put_in_place(partial, destination)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return {"model": str(destination)}, {"changed_tensors": merged.changed, "effect_on_logits": effect}


def mixtures(parts: list[dict[str, Change]], recipe: Recipe) -> dict[str, Change]:
    """Return tensor -> mixed change. An adapter that leaves a tensor alone adds zero to it."""
    names = dict.fromkeys(name for part in parts for name in part)
    result: dict[str, Change] = {}
    for name in names:
        shape = next(part[name].shape for part in parts if name in part)
        result[name] = Mixture(name, [part.get(name, Zero(shape)) for part in parts], recipe, by_library)
    return result


class Zero:
    """No change."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.shape = shape

    def block(self, inputs: slice, outputs: slice) -> Any:
        """Return zeros."""
        return np.zeros(self.shape)[inputs, outputs]

    def apply(self, vectors: Any, outputs: slice) -> Any:
        """Return zeros."""
        return np.zeros((len(vectors), len(range(self.shape[1])[outputs])))


def prove_it_loads(base: Path, folder: Path, stage: Stage) -> float:
    """Emit `merge.loads`: PaddleNLP's logits of the new folder are NumPy's; return how far they moved."""
    from runtime.workers.decoding import all_logits
    from runtime.workers.hf_load import load_hf_model

    config = config_for_paddlenlp(json.loads((folder / "config.json").read_text(encoding="utf-8")))
    tokens = [token for token in TOKENS if token < int(config["vocab_size"])]
    logits = all_logits(load_hf_model(folder), tokens)
    before = all_logits(load_hf_model(base), tokens)
    effect = float(np.abs(logits - before).max())
    if why := numpy_llama.why_not(config):
        passed = bool(np.isfinite(logits).all())
        sentence = say("The merged folder loads and gives finite logits; {reason}.", reason=why)
        stage.emitter.proof("merge.loads", passed, sentence, effect=effect)
    else:
        expected = numpy_llama.forward(folder, config, tokens)
        difference = float(np.abs(logits - expected).max())
        passed = difference <= TOLERANCE
        sentence = say(
            "Loaded afresh, the merged folder gives an independent forward pass's logits to within "
            "{difference:.1e}; they moved by up to {effect:.2g} from the base model's.",
            difference=difference,
            effect=effect,
        )
        stage.emitter.proof("merge.loads", passed, sentence, max_difference=difference, effect=effect)
    if not passed:
        raise RefusedError(say("The merged model cannot be used."), sentence)
    return effect
