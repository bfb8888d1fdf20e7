"""The second engine inside: loading, training, exact resume, merge and answers, in one real process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.runtime.formers_setup import Formers, run_lab, write_pairs, write_rows, write_texts

pytestmark = pytest.mark.engine

PAIRS = {"stage": "DPO", "max_prompt_len": 128, "packing": True, "max_steps": 4}
CHATS = [[{"role": "user", "content": "sail?"}], [{"role": "user", "content": "mast helm star?"}]]


class Lab:
    """What the jobs gave, and where their files are."""

    def __init__(self, runs: Formers, results: dict[str, dict[str, Any]], source: Path) -> None:
        self.runs = runs
        self.results = results
        self.source = source

    def __getitem__(self, job: str) -> dict[str, Any]:
        result = self.results[job]
        assert "failed" not in result, result.get("failed")
        return result


@pytest.fixture(scope="module")
def lab(tiny_hf_model: Path, paddleformers_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    root = tmp_path_factory.mktemp("formers")
    prepared, merged = root / "prepared", root / "merged"
    runs = Formers(root, prepared, write_rows(root / "data"))
    full = {"fine_tuning": "full", "learning_rate": 1e-3}
    read = Formers(root / "read", prepared, write_texts(root / "texts", tiny_hf_model))
    texts = {"stage": "PT", "packing": True, "max_seq_len": 64, "max_steps": 3}
    paired = Formers(root / "paired", prepared, write_pairs(root / "pairs"))
    adapter = {"adapter": str(runs.output("lora") / "adapter"), "base": str(prepared)}
    handed = {"hf_folder": str(tiny_hf_model), "tolerance": 1e-4}
    whole = str(runs.output("full") / "model")
    jobs: dict[str, dict[str, Any]] = {
        "convert": {
            "do": "stage",
            "name": "paddleformers.converting",
            "spec": runs.spec(
                "all",
                "convert",
                source_folder=str(tiny_hf_model),
                destination=str(prepared),
                tolerance=1e-4,
            ),
        },
        "batches": {"do": "batches", "model": str(prepared)},
        "generate": {
            "do": "generate",
            "model": str(prepared),
            "prompts": [[1, 5, 9, 22], [7, 3, 100, 101, 22, 44, 200]],
            "tokens": 6,
        },
        "preflight": {
            "do": "stage",
            "name": "paddleformers.preflight",
            "spec": runs.spec(
                "all", "preflight", config=str(runs.config("rehearsed")), processes=1, train={}
            ),
        },
        "lora": {"do": "train", "spec": runs.train("lora")},
        "stopped": {"do": "train", "spec": runs.train("resumed"), "stop_at": 4, "save_at": 2},
        "resumed": {"do": "train", "spec": runs.train("resumed")},
        "full": {"do": "train", "spec": runs.train("full", **full)},
        "halted": {"do": "train", "spec": runs.train("torn", **full), "stop_at": 9},
        "torn": {"do": "train", "spec": runs.train("torn"), "then_lose": 10},
        "packed": {"do": "train", "spec": runs.train("packed", packing=True, max_seq_len=128, max_steps=2)},
        "merge": {
            "do": "stage",
            "name": "paddleformers.merging",
            "spec": runs.spec("lora", "merge", destination=str(merged), **handed, **adapter),
        },
        "merge_full": {
            "do": "stage",
            "name": "paddleformers.merging",
            "spec": runs.spec(
                "full",
                "merge",
                destination=str(root / "merged-full"),
                trained_model=whole,
                base=str(prepared),
                **handed,
            ),
        },
        "export": {
            "do": "export",
            "model": str(prepared),
            "adapter": adapter["adapter"],
            "output": str(root / "exported"),
        },
        "judge_export": {
            "do": "prove",
            "spec": runs.spec("exported", "merge", **adapter),
            "folder": str(root / "exported" / "export"),
        },
        "scrambled": {"do": "scrambled", "folder": str(merged), "output": str(root / "scrambled")},
        "judge_scrambled": {
            "do": "prove",
            "spec": runs.spec("scrambled", "merge", **adapter),
            "folder": str(root / "scrambled"),
        },
        "judge_merged": {
            "do": "prove",
            "spec": runs.spec("judged", "merge", **adapter),
            "folder": str(merged),
        },
        "answers": {
            "do": "stage",
            "name": "answering",
            "spec": runs.spec(
                "lora",
                "generate",
                base=str(prepared),
                model=str(merged),
                prompts=CHATS,
                references=["a", "b"],
                max_new_tokens=8,
            ),
        },
        "chat": {"do": "chat", "base": str(prepared), "model": str(merged), "messages": CHATS[0]},
        "pairs": {"do": "train", "spec": paired.train("lora", **PAIRS)},
        "pairs_full": {"do": "train", "spec": paired.train("full", **PAIRS, **full)},
        "texts": {"do": "train", "spec": read.train("full", **texts, **full)},
        "texts_merge": {
            "do": "stage",
            "name": "paddleformers.merging",
            "spec": read.spec(
                "full",
                "merge",
                destination=str(root / "merged-texts"),
                trained_model=str(read.output("full") / "model"),
                base=str(prepared),
                **handed,
            ),
        },
        "texts_read": {
            "do": "stage",
            "name": "pretrain_continuing",
            "spec": read.spec(
                "full",
                "generate",
                data=str(read.data),
                length=64,
                beginnings=[],
                train_result=str(read.stage("full") / "result.json"),
                exact=True,
                base=str(prepared),
                model=str(root / "merged-texts"),
                max_new_tokens=4,
            ),
        },
        "refused": {"do": "train", "spec": runs.train("refused", lora_path="elsewhere")},
    }
    return Lab(runs, run_lab(paddleformers_python, root, jobs), tiny_hf_model)


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
