"""Export, predict and quantise tiny models in one engine process: importing Paddle takes longest.

`<engine python> after_lab.py LAB.json`: LAB.json is `{"out": FILE, "steps": [{"do": NAME, ...arguments}]}`.
One JSON line per step is written to FILE.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent.parent


def register_workers() -> None:
    """Make `runtime.workers` importable the way the product does it."""
    spec = importlib.util.spec_from_file_location("start", PROJECT / "runtime" / "workers" / "start.py")
    assert spec is not None and spec.loader is not None
    start = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(start)
    start.register_package()


register_workers()

import paddle  # noqa: E402

from runtime.workers import predicting, quantising, static_export, static_proof, static_runner, static_step  # noqa: E402
from runtime.workers.decoding import greedy, left_padded, next_logits  # noqa: E402
from runtime.workers.emit import Emitter  # noqa: E402
from runtime.workers.hf_load import load_hf_model  # noqa: E402
from runtime.workers.refusal import RefusedError  # noqa: E402
from runtime.workers.stage_run import Stage  # noqa: E402
from runtime.workers.stop import StopRequest  # noqa: E402


def stage_in(folder: str, name: str = "export") -> Stage:
    Path(folder).mkdir(parents=True, exist_ok=True)
    return Stage(Emitter(folder, name), StopRequest(folder))


def refusal(call: Any, *arguments: Any) -> dict[str, Any]:
    """Return what a call gives, or the sentence with which it is refused."""
    try:
        return {"gave": call(*arguments)}
    except RefusedError as error:
        return {"refused": f"{error.what} {error.why}"}


def do_export(spec: dict[str, Any], wrong: str = "") -> dict[str, Any]:
    """Do the work of stage export; `wrong` breaks the graph in one way that gives no error."""
    kept = static_step.attention, static_runner.visible
    if wrong == "unscaled":
        static_step.attention = lambda query, *others, **named: kept[0](query * 1.05, *others, **named)
    if wrong == "sees padding":
        static_runner.visible = lambda real, length: kept[1](real * 0 + 1, length)
    try:
        return refusal(static_export.work, spec, stage_in(spec["stage_folder"]))
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


def do_quantise(spec: dict[str, Any]) -> dict[str, Any]:
    """Measure a model before and after rounding."""
    return refusal(quantising.work, spec, stage_in(spec["stage_folder"], "quantise"))


def do_kernel(method: str) -> dict[str, float]:
    """Return how far our rounding is from that of Paddle's own kernels, and from the weight."""
    from paddle.nn.quant import weight_dequantize, weight_quantize

    from runtime.workers.quantised_linear import rounded_weight

    paddle.seed(1)
    weight = paddle.randn([128, 256]).astype("float16")
    stored, scale = weight_quantize(weight, algo=method)
    theirs = weight_dequantize(stored, scale, algo=method, out_dtype="float16").astype("float32")
    ours = rounded_weight(weight.astype("float32"), quantising.BITS[method])
    plain = weight.astype("float32")
    return {"apart": float((ours - theirs).abs().max()), "lost": float((ours - plain).abs().max())}


def do_scales() -> dict[str, float]:
    """Return by how much the kernels' scales differ from ours, at most."""
    from paddle.nn.quant import weight_quantize

    from runtime.workers.quantised_linear import LARGEST

    weight = paddle.randn([128, 256]).astype("float16")
    largest = weight.astype("float32").abs().max(axis=0)
    found = {}
    for method, bits in quantising.BITS.items():
        _, scale = weight_quantize(weight, algo=method, arch=80)
        found[method] = float((scale.astype("float32") * LARGEST[bits] / largest - 1).abs().max())
    return found


def do_tolerance(spec: dict[str, Any]) -> dict[str, Any]:
    """Return whether the proof accepts scores that are not numbers."""
    walk = static_proof.Walk([], [paddle.full([1, 3], float("nan")).numpy()])
    return refusal(static_proof.prove, walk, walk, 1e-4, 0.0, stage_in(spec["stage_folder"]))


def main() -> None:
    """Do every step."""
    lab = json.loads(Path(sys.argv[1]).read_text())
    with Path(lab["out"]).open("w") as out:
        for step in lab["steps"]:
            result = globals()[f"do_{step.pop('do')}"](**step)
            out.write(json.dumps(result) + "\n")
            out.flush()


if __name__ == "__main__":
    main()
