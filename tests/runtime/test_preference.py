"""Preferences and reward models, learned for real on a tiny model, and what upstream's own code does beside
it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.runtime.preference_runs import SYSTEM, PreferenceRuns
from tests.runtime.results_setup import Trained, events_of
from tests.runtime.train_setup import run_lab

pytestmark = pytest.mark.engine

LAB = Path(__file__).parent / "preference_lab.py"
MIDDLE, LAST = 3, 6
"""The step that is resumed from, and the last one."""

SHORT: dict[str, Any] = {"max_steps": LAST, "save_steps": MIDDLE, "eval_steps": MIDDLE, "warmup_steps": 0}
CASES: dict[str, dict[str, Any]] = {
    "dpo lora": {},
    "dpo full": {"lora": False, "learning_rate": 1e-3, "per_device_eval_batch_size": 1},
    "kto lora": {"stage": "kto", "max_steps": 12},
    "reward": {"stage": "reward", "learning_rate": 1e-3},
}
RESUMED = ("dpo full", "kto lora")


def training(runs: PreferenceRuns, name: str) -> list[dict[str, Any]]:
    """Train, and train again from the checkpoint in the middle."""
    changes = {**SHORT, **CASES[name]}
    found: list[dict[str, Any]] = [{"do": "train", "name": name, "spec": runs.spec(name, **changes)}]
    if name in RESUMED:
        again = f"{name} resumed"
        paths = {"source": str(runs.output(name)), "output": str(runs.output(again))}
        found.append({"do": "copy", "name": f"{name} copied", **paths, "steps": [MIDDLE]})
        found.append({"do": "train", "name": again, "spec": runs.spec(again, **changes)})
    return found


def handed_out(runs: PreferenceRuns, model: Trained) -> list[dict[str, Any]]:
    """Write, prove and test the reward model."""
    folder = runs.root / "reward merged"
    merge = {
        "stage": "merge",
        "stage_folder": str(folder),
        "base": str(model.base),
        "hf_folder": str(model.hf),
        "trained_model": str(runs.output("reward") / "model"),
        "destination": str(folder / "model"),
        "tolerance": 1e-4,
    }
    score = {
        "stage": "generate",
        "stage_folder": str(runs.root / "scored"),
        "base": str(model.base),
        "model": str(folder / "model"),
        "data": str(runs.root / "pairs"),
        "plan_stage": "reward",
        "max_length": 256,
        "src_length": 128,
        "seed": 7,
    }
    return [
        {"do": "work", "name": "merged", "which": "merge", "spec": merge},
        {"do": "work", "name": "scored", "which": "score", "spec": score},
        {"do": "work", "name": "seen", "which": "score", "spec": {**score, **nothing_held_out(runs)}},
    ]


def nothing_held_out(runs: PreferenceRuns) -> dict[str, Any]:
    """Return what differs when no pair was held out."""
    folder = runs.root / "all"
    folder.mkdir()
    (folder / "train.json").write_bytes((runs.root / "pairs" / "train.json").read_bytes())
    return {"data": str(folder), "stage_folder": str(runs.root / "seen")}


FAMILIES = ("qwen2-tied", "mistral-untied")
"""Other models that get a reward head: with biases and a shared output layer, and with other blocks."""


def of_family(runs: PreferenceRuns, kind: str, model: Trained) -> list[dict[str, Any]]:
    """Train and write a reward model of another family."""
    changes = {**SHORT, **CASES["reward"], "model_name_or_path": str(model.base), "max_steps": 2}
    spec = runs.spec(f"reward {kind}", **changes)
    folder = runs.root / f"{kind} merged"
    merge = {
        "stage": "merge",
        "stage_folder": str(folder),
        "base": str(model.base),
        "hf_folder": str(model.hf),
        "trained_model": str(runs.output(f"reward {kind}") / "model"),
        "destination": str(folder / "model"),
        "tolerance": 1e-4,
    }
    return [
        {"do": "train", "name": f"reward {kind}", "spec": spec},
        {"do": "work", "name": f"{kind} merged", "which": "merge", "spec": merge},
    ]


@pytest.fixture(scope="module")
def runs(trained: dict[str, Trained], tmp_path_factory: pytest.TempPathFactory) -> PreferenceRuns:
    return PreferenceRuns(tmp_path_factory.mktemp("preference"), trained["llama-untied"].base)


@pytest.fixture(scope="module")
def lab(
    runs: PreferenceRuns,
    trained: dict[str, Trained],
    engine_python: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, dict[str, Any]]:
    """Everything of this file, in one engine process."""
    experiments: list[dict[str, Any]] = []
    for name in CASES:
        experiments += training(runs, name)
    experiments += handed_out(runs, trained["llama-untied"])
    for kind in FAMILIES:
        experiments += of_family(runs, kind, trained[kind])
    dpo, kto = str(runs.config("upstream", **SHORT)), str(runs.config("upstream kto", stage="kto", **SHORT))
    full = str(runs.config("upstream full", lora=False, **SHORT))
    checks = {"upstream_losses": full, "alone": full, "token_zero": full, "dropout": dpo, "kto": kto}
    checks |= {"upstream_trainers": dpo, "upstream_rows": dpo, "strangers": kto}
    for what, config in checks.items():
        experiments.append({"do": what, "name": what, "config": config})
    experiments.append(
        {"do": "headless", "name": "headless", "folder": str(runs.root / "reward merged" / "model")}
    )
    for name, changes in (
        ("unknown loss", {"loss_type": "sigmoud"}),
        ("free kto pair", {"loss_type": "kto_pair", "reference_free": True}),
        ("pipeline", {"pipeline_parallel_degree": 2}),
        ("misspelt", {"loss_typ": "ipo"}),
        ("orpo", {"loss_type": "orpo"}),
    ):
        config = str(runs.config(name, **{**SHORT, **changes}))
        experiments.append({"do": "refusal", "name": name, "config": config, "stage": "dpo"})
    return run_lab(engine_python, 1, tmp_path_factory.mktemp("lab"), experiments, LAB)


@pytest.mark.parametrize("name", CASES)
def test_training_tells_better_answers_from_worse_ones(
    name: str, runs: PreferenceRuns, lab: dict[str, Any]
) -> None:
    assert lab[name]["code"] == 0, runs.messages(name)
    figures, last = runs.figures(name), {**SHORT, **CASES[name]}["max_steps"]
    assert list(figures) == list(range(last + 1)), runs.messages(name)
    assert all(np.isfinite(value) for step in figures.values() for value in step.values())
    first, final = figures[0], figures[last]
    assert final["eval_loss"] < first["eval_loss"]
    assert final["eval_rewards/margins"] > first["eval_rewards/margins"] + 0.02
    if name.startswith("dpo"):
        assert first["eval_loss"] == pytest.approx(np.log(2), abs=1e-6), "policy and reference are the same"
        assert figures[1]["loss"] == pytest.approx(np.log(2), abs=1e-6)
    if not name.startswith("kto"):
        assert final["eval_rewards/accuracies"] > 0.8
    assert "eval_ppl" not in final, "these losses are no likelihoods"
    outcome = runs.result(name)
    assert outcome["figures"]["eval_loss"] == final["eval_loss"]
    assert 0 < outcome["figures"]["train_seconds"] < 300


@pytest.mark.parametrize("name", RESUMED)
def test_a_resumed_run_is_the_same(name: str, runs: PreferenceRuns, lab: dict[str, Any]) -> None:
    whole, resumed = runs.figures(name), runs.figures(f"{name} resumed")
    assert min(resumed) == MIDDLE + 1, "no second look at the beginning"
    for step, figures in resumed.items():
        kept = {key for key in figures if key.endswith(("loss", "kl")) or "rewards" in key}
        assert {key: figures[key] for key in kept} == {key: whole[step][key] for key in kept}


def test_losses_and_gradients_are_those_of_upstream(lab: dict[str, Any]) -> None:
    """Upstream's criterion, on the same packs, computes every position's logits and loops over pairs."""
    losses = lab["upstream_losses"]
    for loss in ("sigmoid", "hinge", "ipo", "dpop", "kto_pair", "sppo_hard", "nca_pair", "or", "simpo"):
        assert losses[loss]["ours"] == pytest.approx(losses[loss]["theirs"], rel=2e-5), loss
        assert losses[loss]["gradients"] < 1e-4, loss


def test_packed_pairs_are_judged_as_if_alone(lab: dict[str, Any]) -> None:
    assert lab["alone"]["pairs"] == 4
    assert lab["alone"]["apart"] < 2e-4


def test_sequences_are_upstreams_but_for_the_system_prompt_that_it_forgets(lab: dict[str, Any]) -> None:
    rows = lab["upstream_rows"]["rows"]
    for row in rows:
        assert row["ours"]
        if row["system"]:
            assert not row["theirs"]
    plain = [row for row in rows if not row["system"]]
    assert plain and all(all(row["equal"]) for row in plain)


def test_no_dropout_is_left_where_upstream_leaves_it_to_adapters(lab: dict[str, Any]) -> None:
    found = lab["dropout"]
    assert found["before"] > 0
    assert found["upstream"] == found["before"], "it looks at direct children only"
    assert found["ours"] == 0


def test_upstreams_own_trainers_neither_take_a_reference_nor_evaluate_on_one_process(
    lab: dict[str, Any],
) -> None:
    found = lab["upstream_trainers"]
    for case in ("dpo False", "dpo True", "kto False", "kto True"):
        assert "_user_defined_strategy" in found[case]


def test_the_baseline_of_kto_never_falls_below_zero(lab: dict[str, Any]) -> None:
    less, more = lab["kto"]["less"], lab["kto"]["more"]
    assert less["theirs"][1] == -6.0
    assert less["ours"][1] == 0.0
    assert less["ours"][0] != pytest.approx(less["theirs"][0], abs=1e-3)
    assert more["ours"] == pytest.approx(more["theirs"])


def test_kto_measures_against_answers_to_other_questions(lab: dict[str, Any]) -> None:
    pairs = lab["strangers"]["pairs"]
    assert {good for *_, good in pairs} == {True, False}
    answers = {first: prompt for prompt, first, *_ in pairs}
    for prompt, first, second, _ in pairs:
        assert second != first
        assert answers[second] != prompt
    assert any(SYSTEM in prompt for prompt, *_ in pairs)


def test_token_zero_is_a_word_and_counts(lab: dict[str, Any]) -> None:
    found = lab["token_zero"]
    assert found["zeros"] == 6
    assert found["ours"] == pytest.approx(found["wanted"], rel=1e-4)
    assert found["theirs"] != pytest.approx(found["wanted"], rel=0.1)


def test_a_reward_model_reloads_exactly_and_scores_held_out_pairs(
    runs: PreferenceRuns, lab: dict[str, Any]
) -> None:
    assert "gave" in lab["merged"], lab["merged"]
    folder = runs.root / "reward merged"
    proofs = {proof["name"]: proof for proof in events_of(folder, "proof")}
    assert set(proofs) == {"merge.reload", "merge.scores"}
    assert all(proof["passed"] for proof in proofs.values())
    assert proofs["merge.scores"]["measured"]["max_difference"] < 1e-9
    config = json.loads((folder / "model" / "config.json").read_text())
    assert config["architectures"] == ["LlamaForSequenceClassification"]
    assert len(config["id2label"]) == 1
    assert "gave" in lab["scored"], lab["scored"]
    figures = lab["scored"]["gave"][1]
    assert figures["accuracy_after"] == 1.0 > figures["accuracy_before"]
    assert figures["margin_after"] == pytest.approx(
        runs.figures("reward")[LAST]["eval_rewards/margins"], abs=1e-3
    )
    samples = json.loads((runs.root / "scored" / "samples.json").read_text())
    assert len(samples) == 6


def test_where_nothing_was_held_out_the_score_says_so(runs: PreferenceRuns, lab: dict[str, Any]) -> None:
    assert "gave" in lab["seen"], lab["seen"]
    (proof,) = events_of(runs.root / "seen", "proof")
    assert "23 training pairs" in proof["sentence"]
    assert any("were trained on" in event["message"] for event in events_of(runs.root / "seen", "log"))


@pytest.mark.parametrize("kind", FAMILIES)
def test_other_families_get_a_reward_head_that_reloads_exactly(
    kind: str, runs: PreferenceRuns, lab: dict[str, Any]
) -> None:
    assert "gave" in lab[f"{kind} merged"], lab[f"{kind} merged"]
    proofs = {proof["name"]: proof for proof in events_of(runs.root / f"{kind} merged", "proof")}
    assert proofs["merge.scores"]["measured"]["max_difference"] < 1e-9
    assert proofs["merge.reload"]["passed"]


def test_a_folder_without_its_head_is_refused_and_paddlenlp_alone_would_not_notice(
    lab: dict[str, Any],
) -> None:
    assert lab["headless"]["naive"] == "LlamaForCausalLM", "loaded without a word"
    assert "not whole" in lab["headless"]["sentence"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("unknown loss", "Choose one of sigmoid"),
        ("free kto pair", "needs a reference model"),
        ("pipeline", "pipeline"),
        ("misspelt", "Did you mean `loss_type`?"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_words(name: str, words: str, lab: dict[str, Any]) -> None:
    assert words in lab[name]["sentence"]


def test_orpo_is_upstreams_other_name_for_a_loss(lab: dict[str, Any]) -> None:
    objective = lab["orpo"]["objective"]
    assert (objective["loss_type"], objective["reference_free"], objective["sft_loss_ratio"]) == (
        "or",
        True,
        1.0,
    )
