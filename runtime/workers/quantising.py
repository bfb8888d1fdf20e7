"""The work of worker `quantise`: the model's loss and answers with full weights, then with few bits."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import paddle

from runtime.workers.conversation import IGNORED, Tokens, encode
from runtime.workers.decoding import batch_logits
from runtime.workers.hf_load import load_hf_model
from runtime.workers.json_lines import read_rows
from runtime.workers.prompting import load_tokenizer
from runtime.workers.quantised_linear import Watch, quantise_inputs, rounded_weight
from runtime.workers.refusal import RefusedError
from runtime.workers.result_load import is_adapter
from runtime.workers.speech import say
from runtime.workers.stage_run import Stage

BITS = {"weight_only_int8": 8, "weight_only_int4": 4}
CALIBRATION_ROWS = 16
"""As in upstream's recipe of PTQ: ptq_step 16, one row each."""

ON_CPU = (*BITS, "a8w8")
"""Methods whose rounding is computed here. GPTQ and AWQ search, by PaddleSlim's kernels for NVIDIA cards."""


class Measured(NamedTuple):
    """What a model makes of the rows."""

    loss: float
    """Mean over the tokens of answers, in nats."""
    tokens: int
    best: np.ndarray
    """The likeliest token at each of them."""


def measure(model: Any, rows: list[Tokens], stage: Stage) -> Measured:
    """Return loss and likeliest tokens where answers stand."""
    total, best = 0.0, []
    for row in rows:
        stage.check_stop()
        labels = np.asarray(row.labels)
        places = np.flatnonzero(labels != IGNORED)
        logits = batch_logits(model, [row.input_ids])[0].astype("float32").numpy()[places]
        shifted = logits - logits.max(axis=1, keepdims=True)
        odds = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        total -= float(odds[np.arange(len(places)), labels[places]].sum())
        best.append(logits.argmax(axis=1))
    found = np.concatenate(best)
    return Measured(total / len(found), len(found), found)


def linear_layers(model: Any) -> list[Any]:
    """Return the layers that are quantised: all linear ones of the blocks, and not the output head."""
    return [
        layer
        for name, layer in model.named_sublayers()
        if isinstance(layer, paddle.nn.Linear) and not name.endswith("lm_head")
    ]


def quantise(model: Any, method: str, calibration: list[Tokens], stage: Stage) -> int:
    """Round the model in place and return how many layers were rounded."""
    layers = linear_layers(model)
    with paddle.no_grad():
        if method in BITS:
            for layer in layers:
                layer.weight.set_value(rounded_weight(layer.weight, BITS[method]))
            return len(layers)
        watches = [Watch(layer) for layer in layers]
        measure(model, calibration, stage)
        for layer, watch in zip(layers, watches, strict=True):
            quantise_inputs(layer, watch)
    return len(layers)


def read(spec: dict[str, Any], tokenizer: Any, name: str, most: int) -> list[Tokens]:
    """Return up to `most` rows of a prepared file that teach something."""
    rows = (
        encode(tokenizer, row, int(spec["src_length"]), int(spec["max_length"]))
        for row in read_rows(Path(spec["data"], name))
    )
    found = list(itertools.islice((row for row in rows if row.teaches), most))
    if not found:
        raise RefusedError(say("{path} has no row with an answer.", path=Path(spec["data"], name)))
    return found


def work(spec: dict[str, Any], stage: Stage) -> tuple[dict[str, str], dict[str, Any]]:
    """Measure before and after, write accuracy.json, say how much is lost."""
    method = spec["method"]
    if method not in ON_CPU:
        raise RefusedError(
            say("{method} runs on NVIDIA cards only, by PaddleSlim's kernels.", method=method),
            remedy=say("quantization.json is the config for upstream's run_quantization.py there."),
        )
    if is_adapter(spec["model"]):
        raise RefusedError(say("Only a merged model can be quantised, and this run keeps its adapter apart."))
    tokenizer = load_tokenizer(spec["base"])
    rows = read(spec, tokenizer, "dev.json", int(spec["rows"]))
    stage.emitter.progress(0, 2, "steps", say("measuring the model as it is"))
    model = load_hf_model(spec["model"], "float32")
    before = measure(model, rows, stage)
    stage.emitter.progress(1, 2, "steps", say("measuring it with few bits"))
    layers = quantise(model, method, read(spec, tokenizer, "train.json", CALIBRATION_ROWS), stage)
    after = measure(model, rows, stage)
    figures = {
        "method": method,
        "rows": len(rows),
        "tokens": before.tokens,
        "layers": layers,
        "loss_before": round(before.loss, 6),
        "loss_after": round(after.loss, 6),
        "perplexity_before": round(math.exp(min(50.0, before.loss)), 4),
        "perplexity_after": round(math.exp(min(50.0, after.loss)), 4),
        "same_best_token": round(float((before.best == after.best).mean()), 4),
    }
    path = Path(spec["destination"])
    path.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    stage.emitter.progress(2, 2, "steps", say("measured"))
    return {"accuracy": str(path)}, figures
