"""Export, predict and quantise tiny models in one engine process: importing Paddle takes longest.

`<engine python> after_lab.py LAB.json`: LAB.json is `{"out": FILE, "steps": [{"do": NAME, ...arguments}]}`.
One JSON line per step is written to FILE.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lab_parts
import paddle

from runtime.workers import (
    predicting,
    quantised_folder,
    quantising,
    quantising_methods,
    quantising_slim,
    static_export,
    static_proof,
    static_runner,
    static_step,
    talking,
)
from runtime.workers.decoding import batch_logits, greedy, left_padded, next_logits
from runtime.workers.emit import Emitter
from runtime.workers.hf_load import load_hf_model
from runtime.workers.quantised_linear import FewBitsLinear, largest, rounded_weight
from runtime.workers.stage_run import Stage
from runtime.workers.stop import StopRequest


def stage_in(folder: str, name: str = "export") -> Stage:
    Path(folder).mkdir(parents=True, exist_ok=True)
    return Stage(Emitter(folder, name), StopRequest(folder))


def do_export(spec: dict[str, Any], wrong: str = "") -> dict[str, Any]:
    """Do the work of stage export; `wrong` breaks the graph in one way that gives no error."""
    kept = static_step.attention, static_runner.visible
    if wrong == "unscaled":
        static_step.attention = lambda query, *others, **named: kept[0](query * 1.05, *others, **named)
    if wrong == "sees padding":
        static_runner.visible = lambda real, length: kept[1](real * 0 + 1, length)
    try:
        return lab_parts.refusal(static_export.work, spec, stage_in(spec["stage_folder"]))
    finally:
        static_step.attention, static_runner.visible = kept


def do_naive(model: str, prompts: list[list[int]], tokens: int, folder: str) -> dict[str, Any]:
    """Generate by PaddleNLP's own `to_static`, whole loop in the graph, and by the dynamic model."""
    causal = load_hf_model(model)
    dynamic = [answer.tokens for answer in greedy(causal, prompts, set(), tokens)]
    causal = load_hf_model(model)
    try:
        causal.to_static(f"{folder}/naive", {"use_top_p": False})
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    loaded = paddle.jit.load(f"{folder}/naive")
    ids, mask, positions = map(paddle.to_tensor, left_padded(prompts))
    most, top_k = paddle.to_tensor([tokens], dtype="int64"), paddle.to_tensor([1], dtype="int64")
    found = loaded(ids, mask, positions, most, top_k)
    return {"error": "", "dynamic": dynamic, "naive": found[0].numpy().tolist()}


def do_static_twice(folder: str, prompts: list[list[int]]) -> dict[str, Any]:
    """Walk the same way twice with one loaded graph, a longer one in between."""
    model = static_runner.StaticModel(folder)

    def walk(some: list[list[int]], steps: int) -> list[list[list[float]]]:
        scores = next_logits(model, some)
        found = [next(scores)] + [scores.send([7] * len(some)) for _ in range(steps)]
        return [each.tolist() for each in found]

    first = walk(prompts, 5)
    walk(prompts * 2, 9)
    return {"same": walk(prompts, 5) == first}


def do_predict(spec: dict[str, Any], rows: list[dict[str, Any]], tokens: int) -> list[dict[str, Any]]:
    """Answer one batch as worker predict does."""

    class Nothing:
        came = False

    predictor = predicting.Predictor(spec)
    return list(predictor.batch({"rows": rows, "max_new_tokens": tokens}, Nothing()))  # type: ignore[arg-type]


def do_talk(spec: dict[str, Any], messages: list[dict[str, str]], **asked: Any) -> dict[str, Any]:
    """Ask both models of a chat once; return the ends of their answers, and how the tuned one was loaded."""

    class Nothing:
        came = False

    models = talking.Models(spec)
    found: dict[str, Any] = {}
    for which in ("tuned", "base"):
        request = {"messages": messages, "which": which, **asked}
        *_, end = talking.answer(models, request, Nothing())  # type: ignore[arg-type]
        found[which] = {name: end[name] for name in ("text", "reason", "tokens")}
    return {**found, "static": isinstance(models.loaded.get("tuned"), static_runner.StaticModel)}


def do_quantise(spec: dict[str, Any]) -> dict[str, Any]:
    """Quantise a model, and measure it before and after."""
    return lab_parts.refusal(quantising.work, spec, stage_in(spec["stage_folder"], "quantise"))


def do_kernel(method: str) -> dict[str, float]:
    """Return how far our rounding is from that of Paddle's own kernels, and from the weight."""
    from paddle.nn.quant import weight_dequantize, weight_quantize

    paddle.seed(1)
    weight = paddle.randn([128, 256]).astype("float16")
    stored, scale = weight_quantize(weight, algo=method)
    theirs = weight_dequantize(stored, scale, algo=method, out_dtype="float16").astype("float32")
    ours = rounded_weight(weight.astype("float32"), quantising_methods.BITS[method])
    plain = weight.astype("float32")
    return {"apart": float((ours - theirs).abs().max()), "lost": float((ours - plain).abs().max())}


def do_scales(folder: str) -> dict[str, float]:
    """Return by how much the scales that Paddle's kernels find in a folder's weights differ from its own.

    The kernels that store weights run on a CPU in float16; those that compute with them do not.
    """
    from paddle.nn.quant import weight_quantize
    from safetensors.paddle import load_file

    stored = load_file(f"{folder}/{quantised_folder.WEIGHTS}")
    how = json.loads(Path(folder, quantised_folder.HOW).read_text())
    scales = json.loads(Path(folder, quantised_folder.WEIGHT_SCALES).read_text())
    algo, most = f"weight_only_int{how['bits']}", largest(how["bits"])
    apart = 0.0
    for layer in how["layers"]:
        ours = paddle.to_tensor(scales[f"{layer}.weight_quanter"]) / most
        _, theirs = weight_quantize(stored[f"{layer}.weight"].astype("float16"), algo=algo, arch=80)
        apart = max(apart, float((theirs.astype("float32") / ours - 1).abs().max()))
    return {"apart": apart}


def do_kernel_folder(folder: str) -> dict[str, float]:
    """Return how far Paddle's kernels, given a folder's weights, are from what its reader computes."""
    from paddle.nn.quant import weight_only_linear, weight_quantize
    from safetensors.paddle import load_file

    stored = load_file(f"{folder}/{quantised_folder.WEIGHTS}")
    how = json.loads(Path(folder, quantised_folder.HOW).read_text())
    layers = dict(quantised_folder.load(folder).named_sublayers())
    apart = most = 0.0
    for name in how["layers"]:
        weight, layer = stored[f"{name}.weight"].astype("float16"), layers[name]
        whole, scale = weight_quantize(weight, algo=f"weight_only_int{how['bits']}")
        inputs = paddle.randn([8, weight.shape[0]]).astype("float16")
        theirs = weight_only_linear(
            inputs, whole, weight_scale=scale, weight_dtype=f"int{how['bits']}"
        ).astype("float32")
        ours = paddle.matmul(inputs.astype("float32"), layer.weight)
        apart = max(apart, float((theirs - ours).abs().max()))
        most = max(most, float(ours.abs().max()))
    return {"apart": apart, "most": most}


def do_plain_rounding(folder: str, model: str) -> dict[str, float]:
    """Return how far a folder's weights are from the model's, rounded here without PaddleSlim."""
    read, original = quantised_folder.load(folder), load_hf_model(model)
    bits = json.loads(Path(folder, quantised_folder.HOW).read_text())["bits"]
    few = {name: layer for name, layer in read.named_sublayers() if isinstance(layer, FewBitsLinear)}
    plain = dict(original.named_sublayers())
    apart = [(few[name].weight - rounded_weight(plain[name].weight, bits)).abs().max() for name in few]
    return {"layers": len(few), "apart": float(max(apart))}


def do_smoothing(model: str, slim: str, rows: list[list[int]]) -> dict[str, float]:
    """Return what shifting and smoothing alone do to a model's logits: nothing, but for rounding errors."""
    quantising_slim.open_slim(slim)
    causal = quantising.load_model(model)
    before = [batch_logits(causal, [row]).numpy() for row in rows]

    def calibrate(first_twice: bool) -> None:
        for row in [*(rows[:1] if first_twice else []), *rows]:
            batch_logits(causal, [row])

    found = {}
    with quantising_slim.able_to_work():
        for name, change in (
            ("shift", lambda: quantising_methods.shift(causal, calibrate)),
            ("smooth", lambda: quantising_methods.smooth(causal, "a8w8", calibrate)),
        ):
            change()
            after = [batch_logits(causal, [row]).numpy() for row in rows]
            pairs = zip(before, after, strict=True)
            found[name] = float(max(abs(one - other).max() for one, other in pairs))
    return found


def do_broken_reload(spec: dict[str, Any]) -> dict[str, Any]:
    """Quantise while the reader forgets what smoothing did to the inputs."""
    kept = quantised_folder.few_bits
    forget = {"smooth": None}

    def forgetful(*given: Any) -> Any:
        layer = kept(*given)
        layer.few = layer.few._replace(**forget)
        return layer

    quantised_folder.few_bits = forgetful
    try:
        return do_quantise(spec)
    finally:
        quantised_folder.few_bits = kept


def do_tolerance(spec: dict[str, Any]) -> dict[str, Any]:
    """Return whether the proof accepts scores that are not numbers."""
    walk = static_proof.Walk([], [paddle.full([1, 3], float("nan")).numpy()])
    return lab_parts.refusal(static_proof.prove, walk, walk, 1e-4, 0.0, stage_in(spec["stage_folder"]))


if __name__ == "__main__":
    lab_parts.do_steps(globals())
