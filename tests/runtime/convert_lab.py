"""Conversions, joins and merges in one engine process: `<engine python> convert_lab.py LAB.json`."""

from __future__ import annotations

import importlib
import importlib.util
import json
import shutil
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
spec = importlib.util.spec_from_file_location(
    "start", HERE.parent.parent / "runtime" / "workers" / "start.py"
)
assert spec is not None and spec.loader is not None
start = importlib.util.module_from_spec(spec)
spec.loader.exec_module(start)
start.register_package()

import numpy as np  # noqa: E402
import paddle  # noqa: E402
from paddlenlp.transformers import AutoConfig, AutoModelForCausalLM  # noqa: E402

from runtime.workers.emit import Emitter  # noqa: E402
from runtime.workers.refusal import RefusedError  # noqa: E402
from runtime.workers.stage_run import Stage  # noqa: E402
from runtime.workers.stop import StopRequest  # noqa: E402


def do_stage(module: str, spec: dict[str, Any]) -> dict[str, Any]:
    """Do a stage's work; return what it gives or the sentence of its refusal, and its proofs."""
    folder = Path(spec["stage_folder"])
    folder.mkdir(parents=True, exist_ok=True)
    stage = Stage(Emitter(folder, "lab"), StopRequest(folder))
    try:
        result: dict[str, Any] = {
            "gave": importlib.import_module(f"runtime.workers.{module}").work(spec, stage)
        }
    except RefusedError as error:
        result = {"refused": f"{error.what} {error.why}"}
    events = folder / "events-rank0.jsonl"
    lines = [json.loads(line) for line in events.read_text().splitlines()] if events.exists() else []
    result["proofs"] = {event["name"]: event for event in lines if event["kind"] == "proof"}
    result["warnings"] = [event["message"] for event in lines if event.get("level") == "warning"]
    return result


def layer_of(name: str) -> int:
    return int(name.split("layers.")[1].split(".")[0]) if "layers." in name else int("embed" not in name)


def do_cut(source: str, out: str, slices: int) -> None:
    """Save a model as `slices` x 2 processes do: by PaddleNLP's own mappings, a layer on each stage."""
    model = AutoModelForCausalLM.from_pretrained(source, dtype="float32")
    state = {name: value.numpy() for name, value in model.state_dict().items()}
    shutil.copytree(source, out, ignore=shutil.ignore_patterns("*.safetensors"))
    for tp in range(slices):
        config = AutoConfig.from_pretrained(source)
        config.tensor_parallel_degree, config.tensor_parallel_rank = slices, tp
        cuts = type(model).get_tensor_parallel_convert_actions(config, list(state), ignore_error=True)
        for pp in range(2):
            part = {
                name: paddle.to_tensor(np.asarray(cuts[name](value) if name in cuts else value))
                for name, value in state.items()
                if layer_of(name) == pp
            }
            paddle.save(part, str(Path(out) / f"model_state.tp{tp:02d}_pp{pp:02d}.pdparams"))


def do_distributed(source: str, out: str) -> None:
    """Save a model as auto-parallel training does, optimizer states beside it."""
    model = AutoModelForCausalLM.from_pretrained(source, dtype="float32")
    shutil.copytree(source, out, ignore=shutil.ignore_patterns("*.safetensors"))
    state = {"model": dict(model.state_dict()), "optimizer": {"moment": paddle.ones([2])}}
    paddle.distributed.save_state_dict(state, str(Path(out) / "dist_ckpt"))


def do_native(source: str, out: str) -> None:
    """Save a model the way upstream does: one .pdparams, tokenizer and config beside it."""
    model = AutoModelForCausalLM.from_pretrained(source, dtype="float32")
    shutil.copytree(source, out, ignore=shutil.ignore_patterns("*.safetensors"))
    paddle.save(model.state_dict(), str(Path(out) / "model_state.pdparams"))


def do_naive_load(folder: str) -> list[str]:
    """Load a folder of torch weights as upstream's documentation says; return the files that appeared."""
    before = set(Path(folder).iterdir())
    AutoModelForCausalLM.from_pretrained(folder, convert_from_torch=True, dtype="float32")
    return sorted(path.name for path in set(Path(folder).iterdir()) - before)


def do_adapter(like: str, out: str, seed: int, mixer: bool) -> None:
    """Write an adapter of the same layers with random numbers, with a mixer if asked."""
    config = json.loads(Path(like, "lora_config.json").read_text())
    random = np.random.default_rng(seed)
    tensors = {}
    for name, value in paddle.load(str(Path(like, "lora_model_state.pdparams")), return_numpy=True).items():
        tensors[name] = paddle.to_tensor(random.standard_normal(value.shape).astype("float32") * 0.1)
        if mixer and name.endswith("lora_A"):
            square = random.standard_normal([config["r"]] * 2).astype("float32") * 0.5
            tensors[name.replace("lora_A", "lora_AB")] = paddle.to_tensor(square)
    Path(out).mkdir(parents=True)
    paddle.save(tensors, str(Path(out, "lora_model_state.pdparams")))
    Path(out, "lora_config.json").write_text(json.dumps({**config, "lora_use_mixer": mixer}))


def do_naive_mergekit(base: str, adapter: str, out: str) -> dict[str, float]:
    """Merge an adapter with mergekit; return how far its weights are from base plus adapter."""
    from paddlenlp.mergekit import MergeConfig, MergeModel

    from runtime.workers.adapter_files import changes, read_adapter
    from runtime.workers.tensor_files import float_array, folder_entries

    MergeModel(MergeConfig(lora_model_path=adapter, base_model_path=base, output_path=out)).merge_model()
    read = read_adapter(Path(adapter))
    before, after = folder_entries(Path(base)), folder_entries(Path(out))
    shapes = {layer: before[f"{layer}.weight"].shape for layer in read.layers}
    far = effect = 0.0
    for layer, change in changes(read, shapes).items():  # type: ignore[arg-type]
        delta = change.block(slice(None), slice(None))
        wanted = float_array(before[f"{layer}.weight"]) + delta
        far = max(far, float(np.abs(float_array(after[f"{layer}.weight"]) - wanted).max()))
        effect = max(effect, float(np.abs(delta).max()))
    return {"far": far, "effect": effect}


def do_naive_mergekit_models(model: str, out: str) -> float:
    """Merge a model, as `do_native` saves it, with itself; return how far mergekit's result is from it."""
    import paddle
    from paddlenlp.mergekit import MergeConfig, MergeModel
    from safetensors.numpy import load_file

    config = MergeConfig(
        merge_method="linear", model_path_list=[model, model], weight_list=[0.5, 0.5], output_path=out,
        tensor_type="np", copy_file_list=["config.json"],
    )  # fmt: skip
    MergeModel(config).merge_model()
    wanted = paddle.load(str(Path(model, "model_state.pdparams")), return_numpy=True)
    after = {
        name: value for file in Path(out).glob("*.safetensors") for name, value in load_file(file).items()
    }
    if set(wanted) - set(after):
        return float("inf")
    return max(float(np.abs(after[name] - value).max()) for name, value in wanted.items())


def do_logits(folder: str, tokens: list[int]) -> list[list[float]]:
    """Return what PaddleNLP says to a row of tokens, folder in Hugging Face's format."""
    from runtime.workers.decoding import all_logits
    from runtime.workers.hf_load import load_hf_model

    logits: list[list[float]] = all_logits(load_hf_model(folder), tokens).tolist()
    return logits


def main() -> int:
    lab = json.loads(Path(sys.argv[1]).read_text())
    results = {name: globals()[f"do_{step.pop('do')}"](**step) for name, step in lab["steps"].items()}
    Path(lab["out"]).write_text(json.dumps(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
