"""Post-training quantisation by PaddleSlim, method by method, in the order of upstream's run_quantization.py.

Each takes a model in evaluation mode, changes it in place and returns what came out. What differs from
upstream: layers that share an input are corrected by GPTQ in one pass over the calibration rows, not one
each, which gives the same numbers; and AWQ's clipping is left out, which measures with one scale for a whole
matrix (paddleslim 2.6.0, quant/advanced/auto_clip.py:118) what is rounded with one for each output.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import paddle

from runtime.workers.quantising_slim import able_to_work
from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say

BITS = {"weight_only_int8": 8, "weight_only_int4": 4, "a8w8": 8, "gptq": 4, "awq": 4}
"""Method -> bits of a weight. 4 are the defaults in quant/advanced/gptq.py:29 and awq_search.py:23."""

SMOOTHED = ("llama", "qwen2")
"""Base models of which PaddleSlim's Shift and Smooth are told how their layers follow each other
(PaddleNLP, llm/utils/quant.py, get_ptq_model_config)."""

LAYOUT = {"fused_qkv": False, "parallel_ffn": True}
"""How they do: separate q, k and v after one norm, gate and up after the other."""

SAME_INPUT = (("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj"))
"""Layers of a block that read the same tensor: none of them changes what another one sees."""

DAMPING = 0.1
"""GPTQ's share of the mean that is added to the diagonal (llm/utils/quant.py, apply_gptq)."""


class Enough(Exception):
    """Ends a pass over a row once the watched layers have seen it: the rest of the model is not needed."""


BLOCK_COLUMNS = 32
"""Columns after which GPTQ corrects the rest of a matrix. That changes the order of the work, not its result;
with PaddleSlim's 128 it takes 1.7 times as long on a processor (measured, [576, 1536], one thread)."""

Calibrate = Callable[[bool], None]
"""Lets the model see the calibration rows; `True` shows it the first one twice. PaddleSlim's Shift and Smooth
learn the order of the layers from the first pass and look at numbers from the second one on."""

Show = Callable[[int, int], None]


@dataclass
class Quantised:
    """What a method made of the model: whole numbers and scales by layer; see `quantised_folder`."""

    bits: int
    weights: dict[str, np.ndarray] = field(default_factory=dict)
    """Layer -> whole numbers [in, out], int8."""
    weight_scales: dict[str, np.ndarray] = field(default_factory=dict)
    """Layer -> largest weight of each output [out], float32: it becomes 2^(bits-1) - 1."""
    act_scales: dict[str, float] = field(default_factory=dict)
    """Layer -> largest input. Empty where inputs stay as they are."""
    shifted: bool = False
    smoothed: bool = False


def linear_layers(model: Any) -> dict[str, Any]:
    """Return the layers that are quantised: all linear ones of the blocks, and not the output head."""
    return {
        name: layer
        for name, layer in model.named_sublayers()
        if type(layer) is paddle.nn.Linear and not name.endswith("lm_head")
    }


def quantise(model: Any, method: str, calibrate: Calibrate, show: Show) -> Quantised:
    """Quantise a model in place; `show(done, total)` says how far it is."""
    with able_to_work():
        if method == "gptq":
            return by_gptq(model, calibrate, show)
        steps = {"a8w8": 3, "awq": 2}.get(method, 1)
        if method == "a8w8":
            shift(model, calibrate)
            show(1, steps)
        if method in ("a8w8", "awq"):
            smooth(model, method, calibrate)
            show(steps - 1, steps)
        found = by_observers(model, BITS[method], inputs=method == "a8w8", calibrate=calibrate)
        found.shifted, found.smoothed = method == "a8w8", method in ("a8w8", "awq")
        show(steps, steps)
        return found


def shift(model: Any, calibrate: Calibrate) -> None:
    """Centre the inputs of every linear layer; biases take the rest (Outlier Suppression+, arXiv:2304.09145).

    Without upstream's default sampler of moving averages, which corrects for one step too few and gives up
    to twice the mean (paddleslim 2.6.0, quant/advanced/sample.py:44).
    """
    from paddleslim.quant.advanced import Shift

    check_layout(model)
    shifting = Shift(model=model, model_config=LAYOUT, shift_all_linears=True)
    calibrate(True)
    shifting.update_weight()


def smooth(model: Any, method: str, calibrate: Calibrate) -> None:
    """Move range from inputs into weights: SmoothQuant (arXiv:2211.10438) or AWQ's search (arXiv:2306.00978).

    AWQ scales only what a norm can take up, so that the result is a model of the same structure.
    """
    from paddleslim.quant.advanced import AWQSearch, Smooth

    check_layout(model)
    search = AWQSearch(bits_length=BITS["awq"], weight_quant_method="abs_max_channel_wise")
    smoothing = Smooth(
        model,
        LAYOUT,
        smooth_all_linears=method == "a8w8",
        search_function=search if method == "awq" else None,
        smooth_method="awq" if method == "awq" else "smoothquant",
    )
    calibrate(True)
    smoothing.update_weight()


def check_layout(model: Any) -> None:
    """Raise `RefusedError` for a model of which PaddleSlim would pair norms with the wrong layers."""
    kind = model.base_model_prefix
    if kind not in SMOOTHED:
        raise RefusedError(
            say(
                "{kind} models have no recipe for smoothing, which a8w8 and awq need; it knows {known}.",
                kind=kind,
                known=", ".join(SMOOTHED),
            ),
            remedy=say("Take --method gptq, weight_only_int8 or weight_only_int4."),
        )


def by_observers(model: Any, bits: int, *, inputs: bool, calibrate: Calibrate) -> Quantised:
    """Round weights, and inputs where asked, with the scales that PaddleSlim's observers find."""
    from paddle.quantization import PTQ, QuantConfig
    from paddleslim.quant.observers import AbsMaxChannelWiseWeightObserver, AVGObserver

    weight = AbsMaxChannelWiseWeightObserver(quant_bits=bits)
    activation = AVGObserver(quant_bits=bits) if inputs else None
    config = QuantConfig(activation=None, weight=None)
    names = list(linear_layers(model))
    for layer in linear_layers(model).values():
        config.add_name_config([layer.full_name()], activation=activation, weight=weight)
    process = PTQ(config)
    process.quantize(model, inplace=True)
    calibrate(False)
    layers = dict(model.named_sublayers())
    found = Quantised(bits)
    for name in names:
        found.weight_scales[name] = layers[name].weight_quanter.scales().astype("float32").numpy()
        if inputs:
            found.act_scales[name] = float(layers[name].activation_quanter.scales())
    process.convert(model, inplace=True)
    found.weights = {name: layers[name].weight.numpy().round().astype(np.int8) for name in names}
    return found


def by_gptq(model: Any, calibrate: Calibrate, show: Show) -> Quantised:
    """Round weight by weight and correct the others of a row for each error (arXiv:2210.17323)."""
    from paddleslim.quant.advanced import GPTQ
    from paddleslim.quant.advanced.utils import find_parent_layer_and_sub_name

    found = Quantised(BITS["gptq"])
    layers = linear_layers(model)
    largest = 2 ** (found.bits - 1) - 1
    for together in same_input(list(layers)):
        watching = {name: GPTQ(layers[name], quant_bits=found.bits) for name in together}
        for name, watch in watching.items():
            parent, own = find_parent_layer_and_sub_name(model, name)
            setattr(parent, own, watch)
        watch.register_forward_post_hook(end_of_pass)
        calibrate(False)
        for name, watch in watching.items():
            scale = paddle.clip(layers[name].weight.abs().max(axis=0), min=1e-8)
            watch.fasterquant(blocksize=BLOCK_COLUMNS, percdamp=DAMPING, groupsize=-1, actorder=True)
            parent, own = find_parent_layer_and_sub_name(model, name)
            setattr(parent, own, layers[name])
            whole = (layers[name].weight / scale * largest).round().numpy()
            found.weights[name] = whole.astype(np.int8)
            found.weight_scales[name] = scale.numpy()
        show(len(found.weights), len(layers))
    return found


def end_of_pass(layer: Any, inputs: Any, output: Any) -> None:
    """End a pass over a row at this layer."""
    raise Enough


def same_input(names: list[str]) -> list[list[str]]:
    """Return the layers in their order, those together that read the same tensor."""

    def of_block(name: str) -> tuple[str, str]:
        block, _, own = name.rpartition(".")
        return block, next((group[0] for group in SAME_INPUT if own in group), own)

    return [list(group) for _, group in itertools.groupby(names, of_block)]
