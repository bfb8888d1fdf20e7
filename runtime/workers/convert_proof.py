"""The proofs of a conversion: every weight, the tokenizer, and logits against an independent forward pass."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from runtime.workers.hf_load import config_for_paddlenlp
from runtime.workers.numpy_llama import TANH_GELU, activation, forward, why_not
from runtime.workers.speech import say
from runtime.workers.stage_run import Stage
from runtime.workers.tensor_files import Planned
from runtime.workers.tokenizer_parity import first_difference

TEXT = (
    "The river rises in the mountains, crosses three countries and reaches the sea after 1,233 kilometres. "
    "How long does a drop of water travel?\nAbout forty days, if no lake detains it."
)
"""The fixed text of the logits proof."""

TOKENS = 32

NOISE_FACTOR = 4.0
"""A difference of so many times float32's own rounding error on a model is rounding, not a wrong weight."""

MEMORY_FACTOR = 1.5
"""Memory that the float32 model needs to load and run, over its bare weights."""


def free_memory_bytes() -> int:
    """Return how much memory this machine can still give, or a very large number where that is unknown."""
    try:
        return int(os.sysconf("SC_AVPHYS_PAGES")) * int(os.sysconf("SC_PAGE_SIZE"))
    except (ValueError, OSError, AttributeError):
        return 1 << 62


def prove_weights(planned: list[Planned], wrong: list[str], stage: Stage) -> bool:
    """Emit `convert.weights`: `wrong` are the tensors that differ from their source."""
    count = sum(int(np.prod(tensor.shape)) for tensor in planned)
    sentence = (
        say(
            "All {total} tensors ({count:,} weights) equal the source's bit for bit.",
            total=len(planned),
            count=count,
        )
        if not wrong
        else say(
            "{count} of {total} tensors differ from the source, the first is {first}.",
            count=len(wrong),
            total=len(planned),
            first=wrong[0],
        )
    )
    stage.emitter.proof("convert.weights", not wrong, sentence, tensors=len(planned), different=len(wrong))
    return not wrong


def prove_tokenizer(folder: Path, tokenizer: Any, stage: Stage) -> bool:
    """Emit `convert.tokenizer` for the converted folder and the toolkit's tokenizer loaded from it."""
    count, difference = first_difference(folder, tokenizer)
    if difference:
        sentence = say(
            "The converted tokenizer differs from the original: {difference}.", difference=difference
        )
    elif count:
        sentence = say(
            "{count} texts, chat turns among them, give the original tokenizer's ids.", count=count
        )
    else:
        sentence = say("The model has no tokenizer.json, so there is no second tokenizer to compare with.")
    stage.emitter.proof("convert.tokenizer", not difference, sentence, texts=count)
    return not difference


def fixed_tokens(tokenizer: Any, vocabulary: int) -> list[int]:
    """Return the token ids of the start of `TEXT`."""
    ids = [int(token) for token in tokenizer(TEXT, add_special_tokens=False)["input_ids"]][:TOKENS]
    return [token for token in ids if token < vocabulary]


def paddle_logits(folder: Path, tokens: list[int]) -> Any:
    """Return float32 logits [tokens, vocabulary] of the converted folder, by this engine's toolkit."""
    from runtime.workers.decoding import all_logits
    from runtime.workers.paddle_load import load_paddle_model

    return all_logits(load_paddle_model(folder), tokens)


def prove_logits(source: Path, folder: Path, tokenizer: Any, tolerance: float, stage: Stage) -> bool:
    """Emit `convert.logits`: the toolkit's logits of `folder` against NumPy's of `source`.

    Passes when the largest difference is at most `tolerance`. A large model's float32 arithmetic alone may
    differ by more; then the same forward pass is repeated in float32, and the difference may be a few times
    what that loses. An architecture without an independent forward pass, or a model that does not fit into
    memory, rests on the proof of its weights, and the sentence says so.
    """
    config = config_for_paddlenlp(json.loads((source / "config.json").read_text(encoding="utf-8")))
    size = sum(4 * path.stat().st_size for path in folder.glob("*.safetensors")) / _bytes_per_weight(folder)
    reason = why_not(config)
    if not reason and size * MEMORY_FACTOR > free_memory_bytes():
        reason = say(
            "{gigabytes:.0f} GB of memory are not free here to run it in float32",
            gigabytes=size * MEMORY_FACTOR / 1e9,
        )
    if reason:
        sentence = say(
            "Every weight equals the source's; logits were not compared, because {reason}.", reason=reason
        )
        stage.emitter.proof("convert.logits", True, sentence, compared="weights")
        return True
    tokens = fixed_tokens(tokenizer, int(config["vocab_size"]))
    stage.emitter.progress(0, 1, "steps", say("running the converted model"))
    converted = paddle_logits(folder, tokens)
    stage.check_stop()

    def each_layer(done: int, total: int) -> None:
        stage.emitter.progress(done, total, "layers", say("running the source model independently"))
        stage.check_stop()

    reference = forward(source, config, tokens, np.float64, each_layer)
    difference = _largest(converted, reference)
    if difference > tolerance and activation(config) in TANH_GELU:
        exact = forward(source, {**config, "hidden_activation": "gelu"}, tokens, np.float64, each_layer)
        stage.emitter.log(
            say(
                "PaddleNLP computes gemma's activation exactly where the original approximates it by tanh, "
                "which moves logits by up to {difference:.1e}; the weights are compared with the exact one.",
                difference=difference,
            ),
            "warning",
        )
        reference, difference = exact, _largest(converted, exact)
    allowed, why = tolerance, f"{tolerance:g}"
    if difference > tolerance:
        noise = _largest(forward(source, config, tokens, np.float32, each_layer), reference)
        if NOISE_FACTOR * noise > tolerance:
            allowed = NOISE_FACTOR * noise
            why = say(
                "{allowed:.1e}, {factor:g} times float32's own rounding on this model",
                allowed=allowed,
                factor=NOISE_FACTOR,
            )
    passed = bool(difference <= allowed)
    same = int((converted.argmax(-1) == reference.argmax(-1)).sum())
    sentence = say(
        "Logits of {tokens} tokens differ by at most {difference:.1e} from an independent forward pass of "
        "the source (allowed: {why}).",
        tokens=len(tokens),
        difference=difference,
        why=why,
    )
    stage.emitter.proof(
        "convert.logits",
        passed,
        sentence,
        max_difference=difference,
        tolerance=allowed,
        tokens=len(tokens),
        same_argmax=same,
        compared="logits",
    )
    return passed


def _largest(one: Any, other: Any) -> float:
    """Return the largest difference, infinite when shapes differ or a number is not finite."""
    if one.shape != other.shape:
        return float("inf")
    difference = float(np.abs(one.astype(np.float64) - other).max())
    return difference if np.isfinite(difference) else float("inf")


def _bytes_per_weight(folder: Path) -> int:
    dtype = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("dtype", "float32")
    return {"float64": 8, "float32": 4}.get(dtype, 2)
