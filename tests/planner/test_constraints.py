"""Every constraint, by its id: a scene in which nothing is wrong, and the one change that breaks it."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from planner.errors import NothingFeasible
from planner.findings import Finding
from planner.language import speaking
from planner.refusals import Refused
from planner.rules.constraints import CONSTRAINTS, findings
from planner.situation import Situation
from planner.solve import make_plan, solved
from planner.wishes import Value, Wishes
from tests.planner.scenes import DEMO, SHORT, amd, data, facts, plan

CPU = ("smollm2-135m-instruct", "", "sft")
A100 = ("qwen2.5-0.5b-instruct", "8x A100-80G", "sft")
LLAMA = ("llama-3.1-8b-instruct", "8x A100-80G", "sft")
MISTRAL = ("mistral-7b-instruct-v0.3", "8x A100-80G", "sft")
BLOOM = ("bloomz-560m", "8x A100-80G", "sft")
V100 = ("qwen2.5-0.5b-instruct", "V100 32g", "sft")
DCU = ("qwen2.5-0.5b-instruct", "8x K100", "sft")
KTO, DPO, SIMPO = ((A100[0], A100[1], stage) for stage in ("kto", "dpo", "simpo"))
EMBED = (A100[0], A100[1], "embedding")
PRETRAIN = (LLAMA[0], LLAMA[1], "pretrain")
QWEN3 = ("qwen3-8b", "8x A100-80G", "sft")
ERNIE = ("ernie-4.5-0.3b-pt", "8x A100-80G", "sft")
Scene = tuple[str, str, str]

ONE: dict[str, Value] = {"num_processes": 1, "data_parallel_degree": 1}

CASES: dict[str, tuple[Scene, dict[str, Value]]] = {
    "engine.paddlefleet": (QWEN3, {"engine_build": "cpu"}),
    "kernels.attention-agrees": (QWEN3, {"attn_implementation": "sdpa"}),
    "parallel.sharding-float32": (
        CPU,
        {
            "engine": "paddleformers",
            "sharding": "stage1",
            "sharding_parallel_degree": 2,
            "num_processes": 2,
            "data_parallel_degree": 1,
        },
    ),
    "kernels.recompute-native": (ERNIE, {"recompute": True, "recompute_method": "block"}),
    "data.text-layout": ((*ERNIE[:2], "pretrain"), {"dataset_type": "messages"}),
    "worker.visualdl": (BLOOM, {"tracker": "visualdl"}),
    "evaluation.generation-worker": (QWEN3, {"eval_with_do_generation": True}),
    "evaluation.generation-split": (
        A100,
        {"eval_with_do_generation": True, "tensor_parallel_degree": 2},
    ),
    "evaluation.patience-worker": (QWEN3, {"early_stopping_patience": 3}),
    "engine.cpu-build-on-cpu": (CPU, {"engine_build": "cu126"}),
    "method.engine-trains": (QWEN3, {"engine": "paddlenlp"}),
    "method.in-stage": (DPO, {"method": "vera"}),
    "method.variant-in-stage": (DPO, {"method": "lora", "lora_variant": "mora"}),
    "method.tensor": (A100, {"method": "lokr", "tensor_parallel_degree": 2}),
    "method.pipeline": (A100, {"method": "prefix_tuning", "pipeline_parallel_degree": 2}),
    "method.pissa-reload": (BLOOM, {"method": "lora", "lora_variant": "pissa"}),
    "method.merge-wrong": (A100, {"method": "prefix_tuning", "merge": True}),
    "method.packed-positions": (A100, {"method": "prefix_tuning", "zero_padding": True}),
    "method.reft-llama": (BLOOM, {"method": "reft"}),
    "method.format-without-qlora": (A100, {"method": "lora", "weight_quantize_algo": "weight_only_int8"}),
    "method.low-bit-tensor": (
        A100,
        {"method": "qlora", "weight_quantize_algo": "nf4", "tensor_parallel_degree": 2},
    ),
    "method.fp4-engine": (QWEN3, {"method": "qlora", "weight_quantize_algo": "fp4"}),
    "method.low-bit-operators": (A100, {"method": "qlora", "weight_quantize_algo": "nf4"}),
    "method.quantised-sequence-parallel": (
        A100,
        {"method": "qlora", "weight_quantize_algo": "weight_only_int8", "sequence_parallel": True},
    ),
    "method.quantised-tied-pipeline": (
        ("qwen3-0.6b", "8x A100-80G", "sft"),
        {"method": "qlora", "weight_quantize_algo": "weight_only_int8", "pipeline_parallel_degree": 2},
    ),
    "method.neftune-stage": (DPO, {"neftune": True}),
    "method.ssa-family": (A100, {"use_ssa": True}),
    "method.ssa-padding": (LLAMA, {"use_ssa": True, "zero_padding": False}),
    "precision.o2-needs-16-bit": (CPU, {"fp16_opt_level": "O2"}),
    "precision.cpu-fp32-only": (CPU, {"precision": "bf16"}),
    "precision.device-format": (V100, {"precision": "bf16"}),
    "precision.master-grad-needs-16-bit": (CPU, {"amp_master_grad": True}),
    "precision.mini-tensor": (A100, {"optim": "adamw_mini", "tensor_parallel_degree": 2}),
    "precision.moments-need-16-bit": (CPU, {"optim": "adamw_16bit_moment"}),
    "kernels.flash-needs-device": (CPU, {"use_flash_attention": True}),
    "kernels.flash-needs-ampere": (V100, {"use_flash_attention": True}),
    "kernels.flash-mask-needs-flash": (V100, {"flash_mask": True}),
    "kernels.flash-mask-needs-packing": (A100, {"zero_padding": False}),
    "kernels.flash-mask-family": (MISTRAL, {"flash_mask": True}),
    "kernels.norm-needs-device": (CPU, {"use_fused_rms_norm": True}),
    "kernels.norm-operator": (A100, {"use_fused_rms_norm": True}),
    "kernels.rope-ignored": (MISTRAL, {"use_fused_rope": True}),
    "kernels.fused-weights-ignored": (DPO, {"fuse_attention_qkv": True}),
    "kernels.qkv-key-heads": (A100, {"fuse_attention_qkv": True, "tensor_parallel_degree": 4}),
    "kernels.ffn-without-adapter": (A100, {"method": "lora", "fuse_attention_ffn": True}),
    "kernels.loss-needs-device": (DCU, {"use_fused_linear_cross_entropy": True}),
    "kernels.loss-tensor": (A100, {"use_fused_linear_cross_entropy": True, "tensor_parallel_degree": 2}),
    "kernels.loss-family": (MISTRAL, {"use_fused_linear_cross_entropy": True}),
    "kernels.loss-operator": (A100, {"use_fused_linear_cross_entropy": True}),
    "kernels.recompute-family": (MISTRAL, {"recompute": True, "recompute_granularity": "core_attn"}),
    "kernels.offload-needs-device": (CPU, {"offload_optim": True}),
    "kernels.offload-replicas": (QWEN3, {"offload_optim": True, "data_parallel_degree": 2}),
    "parallel.degrees-are-world": (A100, {"data_parallel_degree": 3}),
    "parallel.not-more-than-devices": (A100, {"num_processes": 16}),
    "parallel.whole-nodes": (("qwen2.5-0.5b-instruct", "3 nodes x 1 A100", "sft"), {"num_processes": 2}),
    "parallel.crowded-cores": (CPU, {"num_processes": 4, "omp_num_threads": 8}),
    "parallel.cpu-splits": (CPU, {"tensor_parallel_degree": 2}),
    "parallel.cpu-sharding": (CPU, {"sharding": "stage2"}),
    "parallel.sharding-idle": (V100, {"sharding": "stage1", "sharding_parallel_degree": 1}),
    "parallel.cpu-sequence": (CPU, {"sequence_parallel": True}),
    "parallel.auto-scripts": (A100, {"enable_auto_parallel": True}),
    "parallel.auto-degrees": (PRETRAIN, {"enable_auto_parallel": True, "sharding": "stage3"}),
    "parallel.static-alone": (PRETRAIN, {"to_static": True}),
    "parallel.tensor-family": (("gemma-3-1b-it", "8x A100-80G", "sft"), {"tensor_parallel_degree": 2}),
    "parallel.tensor-in-node": (
        ("qwen2.5-0.5b-instruct", "2 nodes x 1 A100", "sft"),
        {"tensor_parallel_degree": 2},
    ),
    "parallel.tensor-divides-heads": (A100, {"tensor_parallel_degree": 4}),
    "parallel.tensor-divides-kv-heads": (
        ("qwen2.5-1.5b-instruct", "8x A100-80G", "sft"),
        {"tensor_parallel_degree": 4},
    ),
    "parallel.tensor-divides-width": (A100, {"tensor_parallel_degree": 5}),
    "parallel.sequence-needs-tensor": (A100, {"sequence_parallel": True, "tensor_parallel_degree": 1}),
    "parallel.sequence-family": (MISTRAL, {"sequence_parallel": True, "tensor_parallel_degree": 2}),
    "parallel.pipeline-family": (MISTRAL, {"pipeline_parallel_degree": 2}),
    "parallel.pipeline-stage": (KTO, {"pipeline_parallel_degree": 2}),
    "parallel.pipeline-preference": (
        ("qwen1.5-moe-a2.7b-chat", "8x H800", "dpo"),
        {"pipeline_parallel_degree": 2},
    ),
    "parallel.pipeline-depth": (A100, {"pipeline_parallel_degree": 32}),
    "parallel.virtual-needs-pipeline": (A100, {"virtual_pp_degree": 2, "pipeline_parallel_degree": 1}),
    "parallel.virtual-stages": (A100, {"virtual_pp_degree": 2, "pipeline_parallel_degree": 2}),
    "parallel.virtual-family": (MISTRAL, {"virtual_pp_degree": 2}),
    "parallel.virtual-divides": (A100, {"virtual_pp_degree": 5, "pipeline_parallel_degree": 2}),
    "parallel.pipeline-eval-batch": (
        QWEN3,
        {"pipeline_parallel_degree": 2, "per_device_eval_batch_size": 8, "per_device_train_batch_size": 1},
    ),
    "parallel.sharding-needs-degree": (A100, {"sharding": "none", "sharding_parallel_degree": 2}),
    "parallel.stage2-no-pipeline": (A100, {"sharding": "stage2", "pipeline_parallel_degree": 2}),
    "parallel.stage3-no-tensor": (A100, {"sharding": "stage3", "tensor_parallel_degree": 2}),
    "parallel.stage2-master-grad": (A100, {"sharding": "stage2", "data_parallel_degree": 2}),
    "parallel.ring-or-heads": (PRETRAIN, {"context_parallel_degree": 2, "sep_parallel_degree": 2}),
    "parallel.context-family": (A100, {"context_parallel_degree": 2}),
    "parallel.context-flash": (PRETRAIN, {"context_parallel_degree": 2, "use_flash_attention": False}),
    "parallel.context-divides": (PRETRAIN, {"context_parallel_degree": 2, "max_length": 1_001}),
    "parallel.context-needs-experts": (QWEN3, {"context_parallel_degree": 2}),
    "parallel.sep-family": (A100, {"sep_parallel_degree": 2}),
    "parallel.sep-divides": (PRETRAIN, {"sep_parallel_degree": 16}),
    "parallel.split-stage": (LLAMA, {"context_parallel_degree": 2}),
    "parallel.experts-family": (A100, {"expert_parallel_degree": 2}),
    "parallel.experts-sharding": (
        ("qwen1.5-moe-a2.7b-chat", "8x H800", "sft"),
        {"expert_parallel_degree": 2, "sharding": "none", "sharding_parallel_degree": 1},
    ),
    "data.greedy-needs-packing": (CPU, {"zero_padding": False}),
    "data.always-packed": (DPO, {"zero_padding": False}),
    "data.never-packed": (EMBED, {"zero_padding": True}),
    "data.length-within-context": (CPU, {"max_length": 9_000}),
    "data.prompt-leaves-answer": (CPU, {"src_length": 512}),
    "data.length-split": (
        LLAMA,
        {"sequence_parallel": True, "tensor_parallel_degree": 4, "max_length": 1_002},
    ),
    "preference.loss-of-stage": (SIMPO, {"loss_type": "sigmoid"}),
    "preference.loss-needs-reference": (DPO, {"loss_type": "sppo_hard", "reference_free": True}),
    "preference.loss-without-reference": (SIMPO, {"reference_free": False}),
    "checkpoints.best-needs-steps": (A100, {"load_best_model_at_end": True, "evaluation_strategy": "epoch"}),
    "checkpoints.best-needs-multiple": (
        A100,
        {"load_best_model_at_end": True, "save_steps": 3, "eval_steps": 2},
    ),
    "checkpoints.best-on-one": (BLOOM, {"load_best_model_at_end": True, **ONE}),
    "checkpoints.warmup-within-steps": (CPU, {"warmup_steps": 500}),
    "checkpoints.unified-stage3": (A100, {"sharding": "stage3"}),
    "checkpoints.unified-method": (A100, {"method": "vera"}),
    "checkpoints.unified-engine": (QWEN3, {"unified_checkpoint": True}),
}
"""Constraint -> a scene in which it holds, and decisions that break it."""

PINNED: dict[str, tuple[Scene, dict[str, Value], str]] = {
    "method.fixed-upstream": (
        (BLOOM[0], BLOOM[1], "dpo"),
        {"lora_alpha": 64},
        "lora_alpha cannot be chosen in stage dpo: the script fixes alpha to twice the rank",
    ),
    "method.qlora-without-format": (
        A100,
        {"method": "qlora", "weight_quantize_algo": "none"},
        "Method qlora is LoRA beside quantised weights, and weight_quantize_algo is none.",
    ),
    "wishes.pin-in-vain": (
        CPU,
        {"method": "full", "lora_rank": 8},
        "You fixed lora_rank. Not used: method full trains all 135M weights, not adapters.",
    ),
    "checkpoints.eval-needs-dev": (
        CPU,
        {"evaluation_strategy": "steps"},
        "evaluation_strategy is steps, and there are no dev rows.",
    ),
    "method.in-stage": (KTO, {"method": "reft"}, "paddlenlp has no ReFT in stage kto."),
    "method.pissa-reload": (
        BLOOM,
        {"lora_variant": "pissa"},
        "what was trained is lost on reload and on resume",
    ),
    "method.low-bit-tensor": (
        A100,
        {"method": "qlora", "weight_quantize_algo": "nf4", "tensor_parallel_degree": 2},
        "weight_quantize_algo nf4 has no layers for tensor_parallel_degree 2.",
    ),
    "precision.cpu-fp32-only": (
        CPU,
        {"precision": "bf16"},
        "precision bf16 has no kernels on a CPU, or silently computes in float32.",
    ),
    "precision.device-format": (
        V100,
        {"precision": "bf16"},
        "precision bf16 needs compute capability 8.0, and this is V100 (compute capability 7.0).",
    ),
    "kernels.flash-mask-family": (
        MISTRAL,
        {"flash_mask": True},
        "paddlenlp has it for other architectures, not for mistral in stage sft.",
    ),
    "parallel.tensor-divides-heads": (
        A100,
        {"tensor_parallel_degree": 4},
        "tensor_parallel_degree 4 does not divide the model's 14 attention heads.",
    ),
    "parallel.stage2-no-pipeline": (
        A100,
        {"sharding": "stage2", "pipeline_parallel_degree": 2},
        "sharding stage2 does not work with pipeline_parallel_degree 2.",
    ),
    "parallel.whole-nodes": (
        ("qwen2.5-0.5b-instruct", "3 nodes x 1 A100", "sft"),
        {"num_processes": 2},
        "2 processes cannot be spread evenly over 3 machines.",
    ),
    "parallel.cpu-sharding": (
        CPU,
        {"sharding": "stage2"},
        "sharding stage2 needs GPUs; on a CPU Paddle offers stage1.",
    ),
    "data.length-within-context": (
        CPU,
        {"max_length": 9_000},
        "max_length 9,000 is beyond the 8,192 tokens that the model can read.",
    ),
}
"""Constraint -> a scene, pins that break it, and what the person is told."""


@cache
def base(scene: Scene) -> Situation:
    """Return a scene with every setting decided by the rules."""
    model, hardware, stage = scene
    return solved(facts(model, DEMO if not hardware else SHORT, hardware), Wishes(stage=stage))


def wished(scene: Scene, pins: dict[str, Value], found: Any = None) -> None:
    """Make a plan with pins."""
    model, hardware, stage = scene
    rows = found or (DEMO if not hardware else SHORT)
    make_plan(facts(model, rows, hardware), Wishes(stage=stage, pins=pins))


def codes(s: Situation) -> dict[str, Finding]:
    return {finding.code: finding for finding in findings(s)}


def test_every_constraint_is_shown_here() -> None:
    assert {*CASES, *PINNED} == {constraint.id for constraint in CONSTRAINTS}


@pytest.mark.parametrize("name", CASES)
def test_found_when_broken_and_only_then(name: str) -> None:
    scene, changes = CASES[name]
    assert name not in codes(base(scene))
    found = codes(base(scene).trying(**changes))
    assert name in found, sorted(found)
    finding = found[name]
    assert re.fullmatch(r"[^{}]+\.", finding.because)
    assert re.fullmatch(r"[^{}]+\.", finding.fix)
    assert finding.field in base(scene).decisions
    assert finding.source


@pytest.mark.parametrize("name", PINNED)
def test_pins_are_refused_with_the_reason(name: str) -> None:
    scene, pins, sentence = PINNED[name]
    with pytest.raises(Refused) as caught:
        wished(scene, pins, data(dev=0) if name.endswith("needs-dev") else None)
    found = {finding.code: finding for finding in caught.value.findings}
    assert sentence in found[name].because
    assert sentence in caught.value.sentence()
    assert caught.value.remedy


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(Refused) as caught:
        wished(A100, {"sharding": "stage3", "tensor_parallel_degree": 4, "pipeline_parallel_degree": 2})
    assert {
        "parallel.tensor-divides-heads",
        "parallel.stage3-no-tensor",
        "parallel.stage2-no-pipeline",
    } <= {finding.code for finding in caught.value.findings}


def test_a_warning_does_not_refuse() -> None:
    warned = base(A100).trying(use_fused_rms_norm=True)
    assert [f.severity for f in findings(warned) if f.code == "kernels.norm-operator"] == ["warns"]
    wished(A100, {"use_fused_rms_norm": True})


def test_nothing_is_wrong_with_what_the_rules_decide() -> None:
    scenes = {scene for scene, _ in CASES.values()}
    wrong = {scene: codes(base(scene)) for scene in scenes if codes(base(scene))}
    assert wrong == {}


def test_a_finding_names_the_setting_that_was_fixed() -> None:
    s = base(V100)
    s = replace(s, wishes=s.wishes.model_copy(update={"pins": {"precision": "bf16"}}))
    finding = codes(s.trying(precision="bf16"))["precision.device-format"]
    assert (finding.field, finding.got, finding.severity) == ("precision", "bf16", "fails")


def test_a_fix_is_said_in_the_language_of_the_plan() -> None:
    constraint = next(entry for entry in CONSTRAINTS if entry.id == "precision.cpu-fp32-only")
    with speaking("en"):
        assert constraint.remedy == "Set precision=fp32."


def test_the_refusal_names_the_pins_and_the_fix() -> None:
    with pytest.raises(NothingFeasible) as caught:
        plan(precision="bf16")
    assert "Fixed by you: precision=bf16." in caught.value.sentence()
    assert "Set precision=fp32." in caught.value.sentence()


def test_a_model_that_fits_nowhere_says_how_much_is_needed() -> None:
    with pytest.raises(NothingFeasible) as caught:
        plan(model="qwen2.5-72b-instruct", found=SHORT, hardware="4090")
    sentence = caught.value.sentence()
    assert "qwen2.5-72b-instruct (72.7B) does not fit" in sentence
    assert "21.6 GiB may be used" in sentence


def test_an_unknown_architecture_is_refused_with_what_is_known() -> None:
    known = facts()
    alien = known.model_copy(update={"model": known.model.model_copy(update={"model_type": "rwkv"})})
    with pytest.raises(NothingFeasible, match="architecture `rwkv`, which no engine trains"):
        make_plan(alien, Wishes())


def test_a_stage_that_no_engine_has_for_the_model_names_those_that_it_has() -> None:
    with pytest.raises(NothingFeasible) as caught:
        wished(("qwen3-8b", "8x A100-80G", "kto"), {})
    assert "No engine has stage kto for architecture `qwen3`" in caught.value.what
    assert "sft" in caught.value.remedy


def test_a_full_disk_is_seen_before_the_run() -> None:
    with pytest.raises(NothingFeasible, match=r"needs about .* of disk, and 1.0 GiB are free"):
        plan(found=DEMO, hardware=amd(disk_gib=1))


def test_a_limit_too_short_to_start_in_is_refused() -> None:
    with pytest.raises(NothingFeasible) as caught:
        plan(minutes=0.1)
    assert "and your limit for training is 0.1 min." in caught.value.sentence()
