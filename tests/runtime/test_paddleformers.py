"""The second engine inside: loading, training, exact resume, merge and answers, in one real process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from safetensors.numpy import load_file

from runtime.workers.fused_layers import Widths, widths_of
from runtime.workers.numpy_llama import forward
from runtime.workers.peft_export import export_peft
from runtime.workers.tensor_files import float_array, folder_entries
from tests.runtime.ernie_jobs import ernie_jobs
from tests.runtime.formers_jobs import llama_jobs
from tests.runtime.formers_setup import Formers, Lab, run_lab
from tests.runtime.model_folders import rewrite
from tests.runtime.tiny_ernie import write_tiny_ernie

pytestmark = pytest.mark.engine


TOKENS = [1, 20, 30, 40, 50]
LINEAR = 7
"""Linear layers of a block in a Hugging Face folder."""


class Labs(NamedTuple):
    """Both families."""

    llama: Lab
    ernie: Lab


@pytest.fixture(scope="module")
def labs(tiny_hf_model: Path, paddleformers_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Labs:
    """A tiny llama and a tiny ERNIE-4.5 in one process of the engine, whose start takes the longest."""
    roots = [tmp_path_factory.mktemp(name) for name in ("formers", "ernie")]
    source = rewrite(write_tiny_ernie(roots[1] / "source"), bfloat16=True)
    runs, jobs = llama_jobs(roots[0], tiny_hf_model)
    ernie, more = ernie_jobs(roots[1], source)
    results = run_lab(paddleformers_python, roots[0], {**jobs, **more})
    return Labs(Lab(runs, results, tiny_hf_model), Lab(ernie, results, source))


@pytest.fixture
def lab(labs: Labs) -> Lab:
    return labs.llama


@pytest.fixture
def ernie(labs: Labs) -> Lab:
    return labs.ernie


def test_the_prepared_copy_computes_what_the_source_does(lab: Lab) -> None:
    assert lab["convert"]["figures"] == {"reused": False}
    proofs = lab.runs.proofs("all", "convert")
    assert proofs == {"convert.weights": True, "convert.tokenizer": True, "convert.logits": True}
    config = json.loads((lab.runs.model / "config.json").read_text())
    assert config["fuse_rms_norm"] is False, "its kernel exists on accelerators only"
    assert "fuse_rms_norm" not in (lab.source / "config.json").read_text()
    assert not list(lab.source.glob("*.metadata")), "the toolkit leaves metadata where it reads"


def test_rows_do_not_see_each_other(lab: Lab) -> None:
    assert lab["batches"]["packed"] < 1e-5 and lab["batches"]["padded"] < 1e-5


def test_our_decoding_gives_the_tokens_of_the_toolkits_own_generate(lab: Lab) -> None:
    assert lab["generate"]["theirs"] == lab["generate"]["ours"]


def test_the_rehearsal_measures(lab: Lab) -> None:
    figures = lab["preflight"]["figures"]
    assert figures["step_seconds"] > 0 and figures["train_rows"] == 15
    assert lab.runs.proofs("all", "preflight") == {"preflight.steps": True, "preflight.memory": True}


def test_training_speaks_as_the_other_engine_does(lab: Lab) -> None:
    assert lab["lora"]["code"] == 0
    curve = lab.runs.curve("lora")
    assert list(curve) == list(range(1, 13)) and curve[12] < curve[1]
    assert [event["done"] for event in lab.runs.events("lora", "progress")] == list(range(13))
    figures = json.loads((lab.runs.stage("lora") / "result.json").read_text())["figures"]
    assert figures["steps"] == 12 and figures["tokens"] > 0 and figures["eval_loss"] > 0


def test_a_stop_saves_and_a_request_saves_without_stopping(lab: Lab) -> None:
    assert lab["stopped"]["checkpoints"] == ["checkpoint-3", "checkpoint-5"]
    states = [event["state"] for event in lab.runs.events("resumed", "state")]
    assert states.index("stopped") < states.index("resumed")


@pytest.mark.parametrize(("whole", "parts"), [("lora", "resumed"), ("full", "torn")])
def test_a_resumed_curve_is_the_uninterrupted_one(lab: Lab, whole: str, parts: str) -> None:
    assert lab["resumed"]["code"] == lab["torn"]["code"] == 0
    assert lab.runs.curve(whole) == lab.runs.curve(parts)


def test_a_torn_checkpoint_is_told_from_a_whole_one(lab: Lab) -> None:
    said = [event["message"] for event in lab.runs.events("torn", "log")]
    assert "checkpoint-10 is incomplete and is removed." in said
    assert any(event["reason"] == "from checkpoint-6" for event in lab.runs.events("torn", "state"))


def test_a_lora_checkpoint_holds_what_is_trained(lab: Lab) -> None:
    def size(run: str) -> int:
        folder = lab.runs.output(run) / "checkpoint-12" / "model_state"
        return sum(path.stat().st_size for path in folder.iterdir())

    assert size("lora") < size("full") / 3


def test_packed_rows_share_sequences(lab: Lab) -> None:
    assert lab["packed"]["code"] == 0
    assert any("packed into" in event["message"] for event in lab.runs.events("packed", "log"))


@pytest.mark.parametrize(("job", "run"), [("merge", "lora"), ("merge_full", "full")])
def test_a_merge_is_proven_and_in_hugging_faces_format(lab: Lab, job: str, run: str) -> None:
    figures = lab[job]["figures"]
    assert figures["max_logit_difference"] < 1e-5 < 1e-2 < figures["effect_on_logits"]
    assert lab.runs.proofs(run, "merge") == {
        "merge.reload": True,
        "merge.logits": True,
        "merge.tokens": True,
    }
    folder = Path(lab[job]["outputs"]["model"])
    merged, source = (load_file(str(path / "model.safetensors")) for path in (folder, lab.source))
    assert {name: tensor.shape for name, tensor in merged.items()} == {
        name: tensor.shape for name, tensor in source.items()
    }
    changed = {name for name in source if not np.array_equal(merged[name], source[name])}
    assert changed and (run == "full" or all("_proj" in name for name in changed))
    with (folder / "model.safetensors").open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    assert header["__metadata__"]["format"] == "pt"
    assert not list(folder.glob("*.metadata"))


def test_the_toolkits_own_merge_is_found_out(lab: Lab) -> None:
    """On a processor its export ends well and writes linear weights turned in memory."""
    assert "model.safetensors.index.json" in lab["export"]["files"]
    assert lab["judge_export"]["refused"][0].startswith("The merged model does not answer like")
    proofs = lab.runs.proofs("exported", "merge")
    assert proofs == {"merge.reload": True, "merge.logits": False, "merge.tokens": False}


def test_a_merge_turned_in_memory_is_found_out(lab: Lab) -> None:
    """The same defect made by hand, should a later version write right weights."""
    assert lab["judge_scrambled"]["refused"][0].startswith("The merged model does not answer like")
    assert lab["judge_merged"]["difference"] < 1e-5


def test_both_models_answer_and_chat(lab: Lab) -> None:
    refused = lab["answers"]["refused"]
    assert refused[0] == "The tuned model ends none of its 2 answers.", "a tiny model only babbles"
    samples = json.loads((lab.runs.stage("lora", "generate") / "samples.json").read_text())
    assert len(samples) == 2 and samples[0]["base"] != samples[0]["tuned"]
    assert lab["chat"]["kinds"][0] == "loading" and lab["chat"]["kinds"][-1] == "end"


def test_a_static_graph_is_refused_in_words(lab: Lab) -> None:
    assert lab["static"]["refused"][0] == "Static graphs are made with PaddleNLP only."
    assert not (lab.runs.root / "static").exists()


def test_base_and_adapter_answer_rows_like_the_merged_model(lab: Lab) -> None:
    answers = lab["predict"]
    assert answers["adapter"] == answers["tuned"] and all(len(tokens) == 8 for tokens in answers["tuned"])


@pytest.mark.parametrize("run", ["lora", "full"])
def test_preferences_start_from_the_reference_and_are_learned(lab: Lab, run: str) -> None:
    assert lab["pairs"]["code"] == lab["pairs_full"]["code"] == 0
    paired = Formers(lab.runs.root / "paired", lab.runs.model, lab.runs.data)
    curve = paired.curve(run)
    assert abs(curve[1] - np.log(2)) < 1e-6, "nothing is learned yet, so both answers weigh the same"
    assert curve[4] < curve[1]
    last = paired.events(run, "metric")[-1]["values"]
    assert last["eval_rewards/margins"] > 0


def test_texts_are_read_and_the_result_has_the_dev_loss_of_training(lab: Lab) -> None:
    read = Formers(lab.runs.root / "read", lab.runs.model, lab.runs.data)
    assert lab["texts"]["code"] == 0 and read.curve("full")[3] < read.curve("full")[1]
    figures = lab["texts_read"]["figures"]
    assert figures["tuned_perplexity"] < figures["base_perplexity"]
    assert read.proofs("full", "generate")["generate.perplexity"]


def test_a_config_that_asks_for_more_is_refused_in_words(lab: Lab) -> None:
    what = lab["refused"]["refused"][0]
    assert "`lora_path` asks for a start from an earlier adapter" in what


def said(ernie: Lab, run: str, stage: str = "convert") -> dict[str, str]:
    return {event["name"]: event["sentence"] for event in ernie.runs.events(run, "proof", stage)}


@pytest.mark.parametrize(("job", "run"), [("convert", "all"), ("convert_exact", "whole")])
def test_a_folder_is_loaded_number_by_number_and_computes_the_same(ernie: Lab, job: str, run: str) -> None:
    assert ernie[f"ernie_{job}"]["figures"] == {"reused": False}
    proofs = ernie.runs.proofs(run, "convert")
    assert proofs == {"convert.weights": True, "convert.tokenizer": True, "convert.logits": True}
    assert "independent forward pass" in said(ernie, run)["convert.logits"]


@pytest.mark.parametrize(("job", "first"), [("turned", "o_proj"), ("plain", "q_proj")])
def test_a_weight_in_the_wrong_place_is_found_out(ernie: Lab, job: str, first: str) -> None:
    assert ernie[f"ernie_{job}"]["refused"][0] == "The converted model is not the same as the original."
    sentence = said(ernie, job)["convert.weights"]
    assert f"the first is model.layers.1.self_attn.{first}.weight" in sentence


def test_biases_that_the_toolkit_would_drop_are_refused(ernie: Lab) -> None:
    what, why, _ = ernie["ernie_biased"]["refused"]
    assert what == "PaddleFormers does not load the model." and "no place for 6 tensors" in why


def test_rows_stay_apart_and_decoding_is_the_toolkits(ernie: Lab) -> None:
    assert ernie["ernie_batches"]["packed"] < 1e-5 and ernie["ernie_batches"]["padded"] < 1e-5
    assert ernie["ernie_generate"]["theirs"] == ernie["ernie_generate"]["ours"]


def test_training_learns_and_a_resumed_curve_is_the_uninterrupted_one(ernie: Lab) -> None:
    assert (
        ernie["ernie_lora"]["code"]
        == ernie["ernie_resumed"]["code"]
        == ernie["ernie_parts"]["code"]
        == ernie["ernie_packed"]["code"]
        == 0
    )
    whole = Formers(ernie.runs.root / "whole", ernie.runs.model, ernie.runs.data)
    for runs, run, parts in ((ernie.runs, "lora", "resumed"), (whole, "full", "parts")):
        curve = runs.curve(run)
        assert list(curve) == list(range(1, 13)) and curve[12] < curve[1]
        assert runs.curve(parts) == curve


@pytest.mark.parametrize(("job", "run"), [("merge", "lora"), ("merge_full", "whole/full")])
def test_a_merge_is_proven_in_hugging_faces_names(ernie: Lab, job: str, run: str) -> None:
    figures = ernie[f"ernie_{job}"]["figures"]
    assert figures["max_logit_difference"] < 1e-5 < 1e-2 < figures["effect_on_logits"]
    proofs = ernie.runs.proofs(run, "merge")
    assert proofs == {"merge.reload": True, "merge.logits": True, "merge.tokens": True}
    folder = Path(ernie[f"ernie_{job}"]["outputs"]["model"])
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert "fuse_rms_norm" not in config
    assert widths_of(config) == Widths(6, 2, 16, 96)
    assert np.isfinite(forward(folder, config, TOKENS)).all(), "every tensor has Hugging Face's name"


def test_a_fused_layer_that_is_cut_plainly_is_found_out(ernie: Lab) -> None:
    assert ernie["ernie_merge_plainly"]["refused"][0].startswith("The merged model does not answer like")
    proofs = ernie.runs.proofs("plainly", "merge")
    assert proofs["merge.reload"] and not proofs["merge.logits"]


def test_an_adapter_is_exported_under_the_names_that_peft_looks_for(ernie: Lab, tmp_path: Path) -> None:
    """Base plus what PEFT computes is the merged model, layer by layer."""
    exported = export_peft(ernie.runs.output("lora") / "adapter", tmp_path, "base")
    assert exported.layers == 2 * LINEAR
    adapter = load_file(tmp_path / "adapter_model.safetensors")
    config = json.loads((tmp_path / "adapter_config.json").read_text(encoding="utf-8"))
    assert set(config["target_modules"]) == {
        *(f"{letter}_proj" for letter in "qkvo"),
        *(f"{name}_proj" for name in ("gate", "up", "down")),
    }
    scaling = config["lora_alpha"] / config["r"]
    base, merged = (
        folder_entries(folder) for folder in (ernie.source, Path(ernie["ernie_merge"]["outputs"]["model"]))
    )
    for layer in {name.rpartition(".lora_")[0] for name in adapter}:
        name = f"{layer.removeprefix('base_model.model.')}.weight"
        product = adapter[f"{layer}.lora_B.weight"] @ adapter[f"{layer}.lora_A.weight"] * scaling
        wanted, found = float_array(base[name]) + product, float_array(merged[name])
        assert (np.abs(found - wanted) <= np.abs(wanted) * 2**-8).all() and np.abs(product).max() > 1e-3


def test_pairs_texts_and_a_chat_come_with_it(ernie: Lab) -> None:
    assert ernie["ernie_chat"]["kinds"][-1] == "end"
    curve = Formers(ernie.runs.root / "paired", ernie.runs.model, ernie.runs.data).curve("lora")
    assert abs(curve[1] - np.log(2)) < 1e-6 and curve[4] < curve[1]
    curve = Formers(ernie.runs.root / "read", ernie.runs.model, ernie.runs.data).curve("full")
    assert curve[3] < curve[1]
