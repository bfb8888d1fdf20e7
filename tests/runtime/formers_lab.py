"""Run many small experiments in one process of the engine of PaddleFormers.

`<engine python> formers_lab.py LAB.json`: LAB.json is `{"out": FILE, "do": [{"do": NAME, ...arguments}]}`;
each result is appended to FILE as one JSON line.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import shutil
import sys
import traceback
from pathlib import Path
from typing import Any
from unittest import mock

import lab_parts  # noqa: F401  makes the workers importable


def stage(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    """Do the work of a stage as `run_stage` does, and return its outcome."""
    from runtime.workers.emit import Emitter
    from runtime.workers.refusal import RefusedError
    from runtime.workers.stage_run import Stage
    from runtime.workers.stop import StopRequest

    folder = Path(spec["stage_folder"])
    folder.mkdir(parents=True, exist_ok=True)
    work = importlib.import_module(f"runtime.workers.{name}").work
    try:
        outputs, figures = work(spec, Stage(Emitter(folder, spec["stage"]), StopRequest(folder)))
    except RefusedError as error:
        return {"refused": [error.what, error.why, error.remedy]}
    return {"outputs": outputs, "figures": figures}


def train(spec: dict[str, Any], stop_at: int = 0, save_at: int = 0, then_lose: int = 0) -> dict[str, Any]:
    """Train; ask for a stop or a checkpoint at a step; damage the checkpoint of a step first."""
    from runtime.workers import train as train_worker
    from runtime.workers.emit import Emitter
    from runtime.workers.paddleformers.train import SETUP
    from runtime.workers.refusal import RefusedError
    from runtime.workers.stop import StopRequest

    folder = Path(spec["stage_folder"])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "stop").unlink(missing_ok=True)
    output = Path(spec["output"])
    if then_lose:
        (output / f"checkpoint-{then_lose}" / "optimizer_state" / "0_0.distcp").write_bytes(b"torn")

    class Asking(Emitter):
        def progress(self, done: float, total: float, unit: str, message: str = "") -> None:
            super().progress(done, total, unit, message)
            if done == stop_at > 0:
                (folder / "stop").touch()
            if done == save_at > 0:
                (folder / "save").touch()

    try:
        code = train_worker.run(spec, Asking(folder, "train", 0), StopRequest(folder), SETUP)
    except RefusedError as error:
        return {"refused": [error.what, error.why, error.remedy]}
    return {"code": code, "checkpoints": sorted(path.name for path in output.glob("checkpoint-*"))}


def export(model: str, adapter: str, output: str) -> dict[str, Any]:
    """Merge with the toolkit's own `export`, on this processor."""
    from paddleformers.cli.export.export import run_export

    destination = Path(output)
    shutil.copytree(adapter, destination)
    run_export(
        {"model_name_or_path": model, "output_dir": str(destination), "fine_tuning": "LoRA", "device": "cpu"}
    )
    return {"files": sorted(path.name for path in (destination / "export").iterdir())}


def prove(spec: dict[str, Any], folder: str) -> dict[str, Any]:
    """Prove a merged folder that someone else wrote."""
    from runtime.workers.emit import Emitter
    from runtime.workers.merge_proof import observe, proof_prompts
    from runtime.workers.merge_proof import prove as prove_merge
    from runtime.workers.paddleformers import merging, tokenizer
    from runtime.workers.refusal import RefusedError
    from runtime.workers.stage_run import Stage
    from runtime.workers.stop import StopRequest

    place = Path(spec["stage_folder"])
    place.mkdir(parents=True, exist_ok=True)
    here = Stage(Emitter(place, "merge"), StopRequest(place))
    prompts = proof_prompts(tokenizer.load(spec["base"]))
    model, _ = merging.load_trained(spec, prompts, here, "float32")
    reference = observe(model, prompts, here, "float32", True)
    try:
        difference = prove_merge(Path(folder), reference, prompts, 1e-4, here, "float32", True)
    except RefusedError as error:
        return {"refused": [error.what, error.why]}
    return {"difference": difference}


def scrambled(folder: str, output: str) -> dict[str, Any]:
    """Copy a merged folder, its linear weights turned in memory under the right shape, as the export does
    it.
    """
    import numpy as np
    from safetensors.numpy import load_file, save_file

    shutil.copytree(folder, output)
    path = Path(output) / "model.safetensors"
    tensors = load_file(str(path))
    for name, tensor in tensors.items():
        if tensor.ndim == 2 and "proj" in name:
            tensors[name] = np.ascontiguousarray(tensor.T).reshape(tensor.shape)
    save_file(tensors, str(path), metadata={"format": "pt"})
    return {"tensors": len(tensors)}


def misloaded(spec: dict[str, Any], how: str) -> dict[str, Any]:
    """Convert with a toolkit that turns a weight in memory, or orders a fused layer's outputs plainly."""
    import numpy as np
    import paddle

    from runtime.workers.paddleformers import converting
    from runtime.workers.paddleformers.loading import load_model

    def wrongly(folder: Path) -> Any:
        model = load_model(folder)
        attention = model.model.layers[1].self_attn
        weight = attention.o_proj.weight if how == "turned" else attention.qkv_proj.weight
        array = weight.numpy()
        if how == "turned":
            wrong = np.ascontiguousarray(array.T).reshape(array.shape)
        else:
            wrong = np.concatenate([array[:, part] for part in grouped(model.config)], axis=1)
        weight.set_value(paddle.to_tensor(wrong))
        return model

    with mock.patch.object(converting, "load_model", wrongly):
        return stage("paddleformers.converting", spec)


def grouped(config: Any) -> list[Any]:
    """Return where queries, keys and values lie in a fused layer."""
    from runtime.workers.fused_layers import parts_of, widths_of

    return [part.outputs for part in parts_of("qkv_proj", widths_of(config.to_dict()))]


def merge_plainly(spec: dict[str, Any]) -> dict[str, Any]:
    """Merge as if a fused layer gave all queries, then all keys, then all values."""
    import numpy as np

    from runtime.workers import fused_layers

    right = fused_layers.parts_of

    def plainly(layer: str, widths: Any) -> Any:
        parts, start = [], 0
        for part in right(layer, widths):
            parts.append(part._replace(outputs=np.arange(start, start + len(part.outputs))))
            start += len(part.outputs)
        return tuple(parts)

    with mock.patch.object(fused_layers, "parts_of", plainly):
        return stage("paddleformers.merging", spec)


def batches(model: str) -> dict[str, Any]:
    """Compare rows that share a sequence, and rows in a padded batch, with the same rows alone."""
    import numpy as np
    import paddle

    from runtime.workers.paddleformers.dataset import Collator
    from runtime.workers.paddleformers.loading import load_model

    random = np.random.default_rng(0)
    rows = [
        {"input_ids": random.integers(3, 200, size).tolist(), "labels": [-100] * size} for size in (7, 11, 5)
    ]
    layer = load_model(model)
    collate = Collator(0, "eager")

    def logits(batch: list[list[dict[str, list[int]]]]) -> Any:
        inputs = collate(batch)
        inputs = {
            name: paddle.to_tensor(value)
            for name, value in inputs.items()
            if name not in ("labels", "real_tokens")
        }
        with paddle.no_grad():
            return layer(**inputs, return_dict=True).logits.numpy()

    alone = [logits([[row]])[0] for row in rows]
    packed = logits([rows])[0]
    padded = logits([[row] for row in rows])
    parts = np.split(packed[:23], [7, 18])
    return {
        "packed": float(max(np.abs(one - part).max() for one, part in zip(alone, parts, strict=True))),
        "padded": float(
            max(np.abs(one - row[: len(one)]).max() for one, row in zip(alone, padded, strict=True))
        ),
    }


def generate(model: str, prompts: list[list[int]], tokens: int) -> dict[str, Any]:
    """Answer with the toolkit's own `generate`, and with the decoding that the stages use."""
    import paddle

    from runtime.workers.decoding import greedy, left_padded
    from runtime.workers.paddleformers.loading import load_model

    layer = load_model(model)
    ids, mask, _ = left_padded(prompts)
    theirs = layer.generate(
        input_ids=paddle.to_tensor(ids),
        attention_mask=paddle.to_tensor(mask),
        max_new_tokens=tokens,
        do_sample=False,
        use_cache=True,
        eos_token_id=-1,
        pad_token_id=0,
    )[0].tolist()
    return {"theirs": theirs, "ours": [answer.tokens for answer in greedy(layer, prompts, set(), tokens)]}


def chat(base: str, model: str, messages: list[dict[str, str]]) -> dict[str, Any]:
    """Ask the tuned model once, as `steersman chat` does; return the kinds of its replies."""
    from runtime.workers.talking import Interruption, Models, answer

    models = Models({"base": base, "model": model})
    request = {"messages": messages, "which": "tuned", "max_new_tokens": 4}
    return {"kinds": [reply["kind"] for reply in answer(models, request, Interruption())]}


def predict(base: str, model: str, adapter: str, prompts: list[list[int]]) -> dict[str, Any]:
    """Answer with the merged model and with base and adapter, loaded as `steersman predict` does."""
    from runtime.workers import predicting
    from runtime.workers.decoding import greedy

    folders = {"tuned": model, "adapter": adapter}
    models = {
        which: predicting.load({"which": which, "base": base, "model": folder})
        for which, folder in folders.items()
    }
    return {
        which: [one.tokens for one in greedy(layer, prompts, set(), 8)] for which, layer in models.items()
    }


def main() -> int:
    lab = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    for job in lab["do"]:
        job = dict(job)
        try:
            with contextlib.redirect_stdout(sys.stderr):
                result = globals()[job.pop("do")](**job)
        except Exception:
            traceback.print_exc()
            result = {"failed": traceback.format_exc()}
        with Path(lab["out"]).open("a", encoding="utf-8") as file:
            file.write(json.dumps(result) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
