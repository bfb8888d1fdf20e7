"""Which settings have no effect beside the others, as sentences: a plan never leaves that unsaid."""

from __future__ import annotations

from collections.abc import Callable

from planner.language import say
from planner.phrases import parameters
from planner.setting_values import settings
from planner.situation import Situation

TRAINING_STAGES = ("pretrain", "sft", "dpo", "kto", "orpo", "simpo", "reward", "embedding")
PREFERENCE_STAGES = ("dpo", "kto", "orpo", "simpo")
PACKED_STAGES = ("pretrain", "dpo", "kto", "orpo", "simpo", "reward")
"""Stages whose scripts always pack rows (llm/alignment/dpo/dpo_argument.py:97-105, run_pretrain.py)."""

ADAPTER_SETTINGS = (
    "lora_variant",
    "lora_plus_scale",
    "lora_rank",
    "lora_alpha",
    "lora_dropout",
    "lora_target_modules",
)
RANKED = ("vera", "lokr", "reft")
"""Methods that read `lora_rank` as their own width, and no other adapter setting."""

FORMERS_ONLY = (
    "dataset_type",
    "mix_strategy",
    "attn_implementation",
    "recompute_method",
    "recompute_num_layers",
    "save_checkpoint_format",
)
"""Settings that are an argument of PaddleFormers and of nothing else."""

NLP_ONLY = (
    "async_save",
    "enable_auto_parallel",
    "to_static",
    "tensor_parallel_config",
    "pipeline_parallel_config",
    "sharding_parallel_config",
)
"""Settings that no recipe of PaddleFormers writes (recipes/paddleformers)."""

EMBEDDING_ONLY = ("group_size", "embedding_temperature")
"""Settings that only upstream's script of embeddings has (llm/run_embedding.py)."""

WITHOUT_TRAINING = {
    "quantise": (
        "engine",
        "engine_build",
        "max_length",
        "src_length",
        "seed",
        "precision",
        "fp16_opt_level",
        "num_processes",
        "per_device_train_batch_size",
        "per_device_eval_batch_size",
        "omp_num_threads",
        "mkl_debug_cpu_type",
        "export",
        "quantise",
    ),
    "export": (
        "engine",
        "engine_build",
        "precision",
        "max_length",
        "num_processes",
        "omp_num_threads",
        "mkl_debug_cpu_type",
        "export",
        "quantise",
        "merge",
    ),
}
"""Stage -> the settings that still count in it; its script reads no others."""


def unused(s: Situation, setting: str) -> str:
    """Return why `setting` has no effect beside the decided ones, in one sentence; empty when it has.

    Asked after every rule has decided.
    """
    stage = s.wishes.stage
    if stage in WITHOUT_TRAINING:
        return "" if setting in WITHOUT_TRAINING[stage] else _not_trained(stage)
    for group in (_engine, _method, _preference, _data, _switches):
        sentence = group(s, setting)
        if sentence:
            return sentence
    return ""


def _not_trained(stage: str) -> str:
    if stage == "quantise":
        return say("Not used: the model is only quantised, and nothing is trained.")
    return say("Not used: the model is only exported, and nothing is trained.")


def _engine(s: Situation, setting: str) -> str:
    if setting in FORMERS_ONLY and s.word("engine") != "paddleformers":
        return say("Not used: only PaddleFormers has such a setting.")
    if setting in NLP_ONLY and s.word("engine") != "paddlenlp":
        return say("Not used: only PaddleNLP has such a setting.")
    return ""


def _method(s: Situation, setting: str) -> str:
    method = s.word("method")
    if setting in ("weight_quantize_algo", "weight_double_quant", *ADAPTER_SETTINGS) and method == "full":
        return say(
            "Not used: method full trains all {number} weights, not adapters.",
            number=parameters(s.model.parameters),
        )
    own_rank = setting == "lora_rank" and method in RANKED
    if setting in ADAPTER_SETTINGS and method not in ("lora", "qlora") and not own_rank:
        return say("Not used: method {method} has no such setting.", method=method)
    if setting == "lora_plus_scale" and s.word("lora_variant") not in ("lora_plus", "rslora_plus"):
        return say("Not used: both matrices of an adapter learn at the same rate without LoRA+.")
    if setting == "lora_dropout" and stage_compares(s):
        return say(
            "Not used: stage {stage} compares the model with itself, so dropout is switched off.",
            stage=s.wishes.stage,
        )
    if setting == "num_prefix_tokens" and method != "prefix_tuning":
        return say(
            "Not used: only prefix tuning has virtual tokens, and the method is {method}.", method=method
        )
    if setting == "weight_double_quant" and s.word("weight_quantize_algo") not in ("nf4", "fp4"):
        return say("Not used: only nf4 and fp4 have block scales to quantise.")
    if setting == "neftune_noise_alpha" and not s.flag("neftune"):
        return say("Not used: neftune is off.")
    return ""


def stage_compares(s: Situation) -> bool:
    """Return whether training compares what model and reference think of an answer, by our own worker
    (runtime/workers/preference_trainer.py): dropout would add chance to both."""
    return s.wishes.stage in PREFERENCE_STAGES and s.word("engine") == "paddlenlp"


def _preference(s: Situation, setting: str) -> str:
    if settings()[setting].group != "preference":
        return ""
    stage = s.wishes.stage
    if stage not in PREFERENCE_STAGES:
        return say("Not used: stage {stage} learns from answers, not from preferences.", stage=stage)
    if stage == "kto" and setting != "beta":
        return say("Not used: KTO has one loss of its own, and only beta shapes it.")
    if setting == "simpo_gamma" and s.word("loss_type") != "simpo":
        return say("Not used: only the loss simpo has a margin.")
    return ""


def _data(s: Situation, setting: str) -> str:
    stage = s.wishes.stage
    if setting == "greedy_zero_padding" and not s.flag("zero_padding"):
        return say("Not used: rows are not packed.")
    if setting == "src_length" and stage == "pretrain":
        return say("Not used: pretraining learns from every token, and there is no prompt.")
    if setting in EMBEDDING_ONLY and stage != "embedding":
        return say("Not used: only embedding models compare queries with passages.")
    if setting == "max_new_tokens" and stage in ("reward", "embedding"):
        return say("Not used: a model of stage {stage} writes no answers.", stage=stage)
    return ""


def _switches(s: Situation, setting: str) -> str:
    told = SWITCHES.get(setting)
    return told[1]() if told is not None and told[0](s) else ""


Idle = tuple[Callable[[Situation], bool], Callable[[], str]]
"""When a setting has no effect, and the sentence that says so."""

NOT_RECOMPUTED: Idle = (lambda s: not s.flag("recompute"), lambda: say("Not used: nothing is recomputed."))
NOT_EVALUATED: Idle = (
    lambda s: s.word("evaluation_strategy") == "no",
    lambda: say("Not used: nothing is evaluated."),
)

SWITCHES: dict[str, Idle] = {
    "scale_loss": (
        lambda s: s.word("precision") != "fp16",
        lambda: say("Not used: only fp16 needs its loss scaled."),
    ),
    "recompute_granularity": NOT_RECOMPUTED,
    "recompute_method": NOT_RECOMPUTED,
    "recompute_num_layers": NOT_RECOMPUTED,
    "eval_with_do_generation": NOT_EVALUATED,
    "early_stopping_patience": NOT_EVALUATED,
    "eval_steps": NOT_EVALUATED,
    "per_device_eval_batch_size": NOT_EVALUATED,
    "async_save": (
        lambda s: not s.flag("unified_checkpoint"),
        lambda: say("Not used: only unified checkpoints can be written meanwhile."),
    ),
    "min_learning_rate": (
        lambda s: s.wishes.stage != "pretrain",
        lambda: say("Not used: only the schedule of pretraining ends above zero."),
    ),
    "network_interface": (
        lambda s: s.hardware.nodes == 1,
        lambda: say("Not used: one machine needs no network."),
    ),
}
"""Setting -> when it has no effect beside the switches."""
