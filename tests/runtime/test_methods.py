"""Every method of training: trained, resumed, merged or kept beside its base, and answering, for real."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.runtime.results_setup import Trained, events_of
from tests.runtime.train_setup import Runs, rows, run_lab, write_data

pytestmark = pytest.mark.engine

LAB = Path(__file__).parent / "methods_lab.py"
MIDDLE, LAST = 3, 6
"""The step that is resumed from, and the last one."""

PLAIN = {"lora": False, "unified_checkpoint": False}
LOOSE = {**PLAIN, "zero_padding": False}
METHODS: dict[str, dict[str, Any]] = {
    "full": {"lora": False},
    "lora": {},
    "rslora": {"rslora": True},
    "lora plus": {"lora_plus_scale": 16},
    "pissa": {"pissa": True},
    "mora": {"use_mora": True},
    "moslora": {"lora_use_mixer": True},
    "vera": {**PLAIN, "vera": True, "learning_rate": 0.05},
    "lokr": {**PLAIN, "lokr": True, "lokr_dim": 4},
    "prefix": {**LOOSE, "prefix_tuning": True, "num_prefix_tokens": 8},
    "reft": {**LOOSE, "reft": True, "rank": 4},
    "neftune": {"neftune": True},
    "longlora": {"use_ssa": True},
    "greedy": {"greedy_zero_padding": True},
}
ON_QWEN2 = ("mora", "vera", "prefix", "reft", "longlora")
ON_MISTRAL = ("full", "pissa", "lokr", "prefix", "reft")
CASES = [
    *(("llama", name) for name in METHODS),
    *(("qwen2", name) for name in ON_QWEN2),
    *(("mistral", name) for name in ON_MISTRAL),
]
BESIDE = ("prefix", "reft")
"""Methods that cannot be merged."""


def case(family: str, name: str) -> str:
    return f"{family} {name}"


@pytest.fixture(scope="module")
def models(trained: dict[str, Trained]) -> dict[str, Trained]:
    """Tiny models with fewer key and value heads than query heads."""
    kinds = {"llama": "llama-untied", "qwen2": "qwen2-tied", "mistral": "mistral-untied"}
    return {family: trained[kind] for family, kind in kinds.items()}


@pytest.fixture(scope="module")
def runs(models: dict[str, Trained], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Runs]:
    root = tmp_path_factory.mktemp("methods")
    data = write_data(root / "data", rows(23), rows(6, seed=1))
    return {family: Runs(root / family, model.base, data) for family, model in models.items()}


@pytest.fixture(scope="module")
def lab(
    runs: dict[str, Runs],
    models: dict[str, Trained],
    engine_python: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, dict[str, Any]]:
    """Everything of this file, in one engine process."""
    experiments: list[dict[str, Any]] = []
    for family, name in CASES:
        experiments += trained_and_merged(runs[family], models[family], family, name)
    experiments += naive_ways(runs["llama"], models)
    return run_lab(engine_python, 1, tmp_path_factory.mktemp("lab"), experiments, LAB)


def trained_and_merged(runs: Runs, model: Trained, family: str, name: str) -> list[dict[str, Any]]:
    """Train, train again from the checkpoint in the middle, merge what the first gave, answer with it."""
    short = {"max_steps": LAST, "save_steps": MIDDLE, "eval_steps": MIDDLE, "lora_rank": 4, **METHODS[name]}
    extras = {"lora_dropout": 0.1 if name == "lora" else 0.0}
    outcome = "model" if name == "full" else "adapter"
    spec = model.merge_spec(runs.root / f"{name} merged", adapter=None)
    spec["trained_model" if name == "full" else "adapter"] = str(runs.output(name) / outcome)
    resumed = f"{name} resumed"
    paths = {"source": str(runs.output(name)), "output": str(runs.output(resumed))}
    result = str(runs.root / f"{name} merged" / "model")
    this = case(family, name)
    return [
        {"do": "train", "name": this, "spec": runs.spec(name, extras, **short)},
        {"do": "copy", "name": f"{this} copied", **paths, "steps": [MIDDLE]},
        {"do": "train", "name": f"{this} resumed", "spec": runs.spec(resumed, extras, **short)},
        {"do": "merge", "name": f"{this} merged", "spec": spec},
        {"do": "answers", "name": f"{this} answers", "base": str(model.base), "result": result},
    ]


def naive_ways(runs: Runs, models: dict[str, Trained]) -> list[dict[str, Any]]:
    """What upstream does, to see that it would go wrong, and single figures."""
    base = str(models["llama"].base)
    short = {"max_steps": LAST, "save_steps": MIDDLE, "eval_steps": MIDDLE, "lora_rank": 4}
    experiments: list[dict[str, Any]] = []
    for name, patch, source in (
        ("late pissa", "late_pissa", "pissa"),
        ("forgetful", "forgetful_reft", "reft"),
    ):
        changes = {**short, **METHODS[source]}
        extras = {"lora_dropout": 0.0}
        paths = {"source": str(runs.output(name)), "output": str(runs.output(f"{name} resumed"))}
        experiments += [
            {"do": "train", "name": name, "patch": patch, "spec": runs.spec(name, extras, **changes)},
            {"do": "copy", "name": f"{name} copied", **paths, "steps": [MIDDLE]},
            {
                "do": "train",
                "name": f"{name} resumed",
                "patch": patch,
                "spec": runs.spec(f"{name} resumed", extras, **changes),
            },
        ]
    for name in ("pissa", "late pissa"):
        adapter = str(runs.output(name) / "adapter")
        experiments.append({"do": "naive_reload", "name": f"reload {name}", "base": base, "adapter": adapter})
    spec = models["llama"].merge_spec(
        runs.root / "late merged", adapter=str(runs.output("late pissa") / "adapter")
    )
    experiments.append({"do": "merge", "name": "late pissa merged", "spec": spec})
    for name in ("lora", "mora", "lokr", "vera"):
        adapter = str(runs.output(name) / "adapter")
        experiments.append({"do": "naive_merge", "name": f"merge {name}", "base": base, "adapter": adapter})
    long = [*rows(9), {"src": ["sail " * 60], "tgt": ["wind " * 30]}]
    data = write_data(runs.root / "long", long, rows(2))
    for greedy in (False, True):
        config = runs.config(
            f"packs {greedy}", dataset_name_or_path=data, greedy_zero_padding=greedy, max_length=192
        )
        experiments.append({"do": "packs", "name": f"packs {greedy}", "config": str(config)})
    quantised = {"device": "gpu", "weight_quantize_algo": "nf4", "bf16": True, "fp16_opt_level": "O2"}
    return [
        *experiments,
        {"do": "train", "name": "qlora", "spec": runs.spec("qlora", **quantised)},
        {"do": "naive_prefix", "name": "naive prefix", "base": base},
        {"do": "naive_reft", "name": "naive reft", "base": str(models["qwen2"].base)},
        {"do": "vera_of_upstream", "name": "naive vera", "base": base},
        {"do": "noise", "name": "noise", "base": base, "alpha": 5.0},
        {"do": "sparse_attention", "name": "sparse llama", "base": base},
        {"do": "sparse_attention", "name": "sparse qwen2", "base": str(models["qwen2"].base)},
        {"do": "naive_rouge", "name": "naive rouge", "answer": "eht tac tas", "reference": "the cat sat"},
    ]


@pytest.mark.parametrize(("family", "name"), CASES)
def test_it_trains_and_a_resumed_run_is_the_same(
    family: str, name: str, runs: dict[str, Runs], lab: dict[str, Any]
) -> None:
    assert "traceback" not in lab[case(family, name)], lab[case(family, name)].get("traceback")
    whole, resumed = runs[family].curve(name), runs[family].curve(f"{name} resumed")
    assert list(whole) == list(range(1, LAST + 1)), runs[family].messages(name)
    assert list(resumed) == list(range(MIDDLE + 1, LAST + 1)), runs[family].messages(f"{name} resumed")
    assert all(resumed[step] == whole[step] for step in resumed)
    assert all(np.isfinite(loss) and loss > 0 for loss in whole.values())


@pytest.mark.parametrize(("family", "name"), CASES)
def test_what_is_handed_out_answers_like_the_trained_model(
    family: str, name: str, runs: dict[str, Runs], lab: dict[str, Any]
) -> None:
    merged = lab[f"{case(family, name)} merged"]
    assert "gave" in merged, merged
    folder = runs[family].root / f"{name} merged"
    proofs = {proof["name"]: proof for proof in events_of(folder, "proof")}
    assert all(proof["passed"] for proof in proofs.values())
    assert set(proofs) == {"merge.reload", "merge.logits", "merge.tokens"}
    assert proofs["merge.reload"]["measured"]["max_difference"] < 1e-4
    assert proofs["merge.logits"]["measured"]["max_difference"] < 1e-4
    assert merged["gave"][1]["effect_on_logits"] > 0.05, "training must have changed something"
    assert (folder / "model" / "model.safetensors").exists() == (name not in BESIDE)
    assert (folder / "model" / "tokenizer.json").exists()
    answers = lab[f"{case(family, name)} answers"]
    assert answers["together"] == answers["alone"]
    assert answers["alone"][0] == answers["slow"]


def test_a_pissa_adapter_is_plain_lora_of_twice_the_rank(runs: dict[str, Runs], lab: dict[str, Any]) -> None:
    """Upstream's own loader gets the trained model from it."""
    config = json.loads((runs["llama"].output("pissa") / "adapter" / "lora_config.json").read_text())
    assert (config["pissa"], config["r"], config["scaling"]) == (False, 8, 1.0)
    assert lab["reload pissa"]["from_trained"] < 1e-5
    assert lab["reload pissa"]["from_base"] > 0.1


def test_pissa_as_upstream_saves_it_is_lost_and_the_witness_notices(
    runs: dict[str, Runs], lab: dict[str, Any]
) -> None:
    assert lab["reload late pissa"]["from_base"] < 1e-4, "the base model again"
    assert lab["reload late pissa"]["from_trained"] > 0.1
    assert "PiSSA" in lab["late pissa merged"]["refused"]
    whole, resumed = runs["llama"].curve("late pissa"), runs["llama"].curve("late pissa resumed")
    assert resumed[MIDDLE + 1] != whole[MIDDLE + 1]


def test_a_lost_adapter_is_not_handed_out(
    models: dict[str, Trained],
    runs: dict[str, Runs],
    lab: dict[str, Any],
    engine_python: Path,
    tmp_path: Path,
) -> None:
    """An adapter with another's weights: consistent in itself, but not what training ended with."""
    adapter = shutil.copytree(runs["llama"].output("lora") / "adapter", tmp_path / "adapter")
    other = runs["llama"].output("rslora") / "adapter"
    for path in other.glob("peft_model*"):
        shutil.copyfile(path, adapter / path.name)
    spec = models["llama"].merge_spec(tmp_path / "merge", adapter=str(adapter))
    found = run_lab(engine_python, 1, tmp_path, [{"do": "merge", "name": "lost", "spec": spec}], LAB)
    assert "does not give the model that was trained" in found["lost"]["refused"]
    assert not (tmp_path / "merge" / "model").exists()


def test_upstreams_own_merges_are_wrong_crash_or_are_missing(lab: dict[str, Any]) -> None:
    """Why the identity is pushed through every layer. Plain LoRA is right upstream too."""
    assert lab["merge lora"]["apart"] < 1e-4
    assert lab["merge mora"]["apart"] > 0.1
    assert "get_weight" in lab["merge lokr"]["error"]
    assert "merge" in lab["merge vera"]["error"]


def test_reft_as_upstream_resumes_it_starts_again(runs: dict[str, Runs], lab: dict[str, Any]) -> None:
    whole, resumed = runs["llama"].curve("forgetful"), runs["llama"].curve("forgetful resumed")
    assert resumed[MIDDLE + 1] != whole[MIDDLE + 1]
    assert "llama" in lab["naive reft"]["error"], "upstream looks for a model of that name in qwen2"


def test_prefixes_of_upstream_do_not_fit_grouped_heads(lab: dict[str, Any]) -> None:
    assert "ValueError" in lab["naive prefix"]["error"]


def test_vera_of_upstream_with_frozen_b_learns_nothing_and_saves_half(
    runs: dict[str, Runs], lab: dict[str, Any]
) -> None:
    assert lab["naive vera"]["largest_gradient"] == 0
    assert lab["naive vera"]["saved"] == ["vera_b", "vera_d"], "A and B would be made anew"


def test_noise_is_that_of_the_paper_and_in_training_only(lab: dict[str, Any]) -> None:
    noise = lab["noise"]
    assert noise["eval"] == 0
    assert 0.9 * noise["allowed"] < noise["train"] <= noise["allowed"] * 1.0001


@pytest.mark.parametrize("family", ["llama", "qwen2"])
def test_shifted_groups_never_show_a_later_token(family: str, lab: dict[str, Any]) -> None:
    found = lab[f"sparse {family}"]
    assert found["later token"] < 1e-5
    assert found["in training"] > 1e-3, "it acts"
    assert found["in evaluation"] == 0
    assert found["one group"] < 1e-4, "one group is ordinary attention"


def test_upstreams_shifted_groups_do_show_later_tokens(lab: dict[str, Any]) -> None:
    assert lab["sparse llama"]["later token, upstream"] > 1e-3


@pytest.mark.parametrize("greedy", [False, True])
def test_packing_loses_no_token(greedy: bool, lab: dict[str, Any]) -> None:
    """Upstream drops rows that are longer than a pack; here they have been cut before."""
    packs = lab[f"packs {greedy}"]
    assert packs["rows"] == 10
    assert packs["cut"] == 1
    assert packs["held"] == packs["tokens"]
    assert packs["packs"] < packs["rows"]
    assert lab["packs True"]["packs"] <= lab["packs False"]["packs"]


def test_qlora_without_a_gpu_gets_as_far_as_the_device(runs: dict[str, Runs], lab: dict[str, Any]) -> None:
    assert lab["qlora"]["code"] == 1
    assert "PaddleNLP accepts the config, but it asks for device gpu" in runs["llama"].messages("qlora")


def test_upstreams_rouge_counts_letters(lab: dict[str, Any]) -> None:
    assert lab["naive rouge"]["rouge1"] > 0.8
