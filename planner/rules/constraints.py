"""What the engine refuses, as a table. Checked on the complete set of decisions, whoever made them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from planner.families import SFT_FAMILIES
from planner.plan import Decision
from planner.rules.precision import AMPERE, capability, shown
from planner.situation import Situation
from planner.wishes import Value

ADAPTER_SETTINGS = ("lora_rank", "lora_alpha", "lora_dropout", "lora_target_modules")


class Constraint(NamedTuple):
    """One refusal: `broken` says whether it applies, `sentence` what is wrong, with figures; `fix` the
    smallest change."""

    id: str
    settings: tuple[str, ...]
    broken: Callable[[Situation], bool]
    sentence: Callable[[Situation], str]
    fix: str
    source: str
    early: bool = False
    """Whether pins alone can break it, so that it is judged before a layout is looked for."""


def degrees(s: Situation) -> int:
    """Return the product of all parallel degrees."""
    names = (
        "tensor_parallel_degree",
        "pipeline_parallel_degree",
        "sharding_parallel_degree",
        "data_parallel_degree",
    )
    product = 1
    for name in names:
        product *= s.whole(name)
    return product


CONSTRAINTS: tuple[Constraint, ...] = (
    Constraint(
        "o2-needs-16-bit",
        ("fp16_opt_level", "precision"),
        lambda s: s.word("fp16_opt_level") == "O2" and s.word("precision") == "fp32",
        lambda s: "fp16_opt_level O2 needs precision bf16 or fp16, and precision is fp32.",
        "Set fp16_opt_level=O1.",
        "llm/run_finetune.py:149-155",
    ),
    Constraint(
        "cpu-fp32-only",
        ("precision",),
        lambda s: not s.on_gpu and s.word("precision") != "fp32",
        lambda s: (
            f"precision {s.word('precision')} has no kernels on a CPU, or silently computes in float32."
        ),
        "Set precision=fp32.",
        "measured",
    ),
    Constraint(
        "bf16-needs-ampere",
        ("precision",),
        lambda s: s.on_gpu and s.word("precision") == "bf16" and capability(s) < AMPERE,
        lambda s: f"precision bf16 needs compute capability 8.0, and this is {shown(s)}.",
        "Set precision=fp16.",
        "trainer/training_args.py:504",
    ),
    Constraint(
        "master-grad-needs-16-bit",
        ("amp_master_grad", "precision"),
        lambda s: s.flag("amp_master_grad") and s.word("precision") == "fp32",
        lambda s: (
            "amp_master_grad has no effect with precision fp32: the engine switches it off without a word."
        ),
        "Set amp_master_grad=false.",
        "trainer/training_args.py:1233",
    ),
    Constraint(
        "flash-needs-gpu",
        ("use_flash_attention",),
        lambda s: not s.on_gpu and s.flag("use_flash_attention"),
        lambda s: "use_flash_attention needs a GPU.",
        "Set use_flash_attention=false.",
        "measured: no CPU kernel",
    ),
    Constraint(
        "flash-needs-ampere",
        ("use_flash_attention", "precision"),
        lambda s: (
            s.on_gpu
            and s.flag("use_flash_attention")
            and (capability(s) < AMPERE or s.word("precision") == "fp32")
        ),
        lambda s: (
            f"use_flash_attention needs compute capability 8.0 and 16 bits; this is {shown(s)} in "
            f"{s.word('precision')}."
        ),
        "Set use_flash_attention=false.",
        "PaddlePaddle/Paddle#63568",
    ),
    Constraint(
        "flash-mask-needs-flash",
        ("flash_mask", "use_flash_attention"),
        lambda s: s.flag("flash_mask") and not s.flag("use_flash_attention"),
        lambda s: "flash_mask needs use_flash_attention, which is off.",
        "Set flash_mask=false.",
        "llm/run_finetune.py:246-249",
    ),
    Constraint(
        "flash-mask-needs-packing",
        ("flash_mask", "zero_padding"),
        lambda s: s.flag("flash_mask") and not s.flag("zero_padding"),
        lambda s: "flash_mask would switch zero_padding on, and it is off.",
        "Set flash_mask=false or zero_padding=true.",
        "llm/run_finetune.py:246-249",
    ),
    Constraint(
        "flash-mask-family",
        ("flash_mask",),
        lambda s: s.flag("flash_mask") and not SFT_FAMILIES[s.model.model_type].flash_mask,
        lambda s: f"flash_mask is not implemented for {s.model.model_type} models.",
        "Set flash_mask=false.",
        "llm/run_finetune.py:84-95",
    ),
    Constraint(
        "greedy-needs-packing",
        ("greedy_zero_padding", "zero_padding"),
        lambda s: s.flag("greedy_zero_padding") and not s.flag("zero_padding"),
        lambda s: "greedy_zero_padding packs rows, and zero_padding is off.",
        "Set greedy_zero_padding=false or zero_padding=true.",
        "llm/run_finetune.py",
    ),
    Constraint(
        "cpu-parallel",
        ("tensor_parallel_degree", "pipeline_parallel_degree"),
        lambda s: (
            not s.on_gpu and s.whole("tensor_parallel_degree") * s.whole("pipeline_parallel_degree") > 1
        ),
        lambda s: "Tensor and pipeline parallelism need GPUs: Paddle refuses them on a CPU.",
        "Set tensor_parallel_degree=1 and pipeline_parallel_degree=1.",
        "measured",
        early=True,
    ),
    Constraint(
        "cpu-sharding",
        ("sharding",),
        lambda s: not s.on_gpu and s.word("sharding") in ("stage2", "stage3"),
        lambda s: f"sharding {s.word('sharding')} needs GPUs; on a CPU Paddle offers stage1.",
        "Set sharding=none.",
        "measured",
        early=True,
    ),
    Constraint(
        "degrees-are-world",
        (
            "num_processes",
            "tensor_parallel_degree",
            "pipeline_parallel_degree",
            "sharding_parallel_degree",
            "data_parallel_degree",
        ),
        lambda s: degrees(s) != s.whole("num_processes"),
        lambda s: (
            f"The parallel degrees multiply to {degrees(s)}, and there are {s.whole('num_processes')} "
            "processes."
        ),
        "Release data_parallel_degree, which fills the rest.",
        "trainer/training_args.py:1148,1175",
    ),
    Constraint(
        "not-more-than-devices",
        ("num_processes",),
        lambda s: s.on_gpu and s.whole("num_processes") > s.workers,
        lambda s: f"num_processes is {s.whole('num_processes')}, and there are {s.workers} devices.",
        "Set num_processes to the number of devices.",
        "one process per device",
        early=True,
    ),
    Constraint(
        "whole-nodes",
        ("num_processes",),
        lambda s: s.whole("num_processes") % s.hardware.nodes != 0,
        lambda s: (
            f"{s.whole('num_processes')} processes cannot be spread evenly over {s.hardware.nodes} machines."
        ),
        "Choose a multiple of the number of machines.",
        "paddle.distributed.launch --nnodes",
        early=True,
    ),
    Constraint(
        "tensor-in-node",
        ("tensor_parallel_degree",),
        lambda s: s.whole("tensor_parallel_degree") > max(1, s.whole("num_processes") // s.hardware.nodes),
        lambda s: f"tensor_parallel_degree {s.whole('tensor_parallel_degree')} reaches beyond one machine.",
        "Set it to at most the devices of one machine.",
        "arXiv:2104.04473",
        early=True,
    ),
    Constraint(
        "tensor-divides-heads",
        ("tensor_parallel_degree",),
        lambda s: s.model.num_attention_heads % s.whole("tensor_parallel_degree") != 0,
        lambda s: (
            f"tensor_parallel_degree {s.whole('tensor_parallel_degree')} does not divide the model's "
            f"{s.model.num_attention_heads} attention heads."
        ),
        "Choose a divisor.",
        "llama/modeling.py:724",
        early=True,
    ),
    Constraint(
        "tensor-divides-kv-heads",
        ("tensor_parallel_degree",),
        lambda s: (
            SFT_FAMILIES[s.model.model_type].kv_heads_must_divide
            and s.model.num_key_value_heads % s.whole("tensor_parallel_degree") != 0
        ),
        lambda s: (
            f"tensor_parallel_degree {s.whole('tensor_parallel_degree')} does not divide the model's "
            f"{s.model.num_key_value_heads} key/value heads."
        ),
        "Choose a divisor.",
        "qwen2/modeling.py:536",
        early=True,
    ),
    Constraint(
        "sharding-needs-degree",
        ("sharding", "sharding_parallel_degree"),
        lambda s: (s.word("sharding") == "none") != (s.whole("sharding_parallel_degree") == 1),
        lambda s: (
            f"sharding is {s.word('sharding')} and sharding_parallel_degree is "
            f"{s.whole('sharding_parallel_degree')}: one says to share, the other not."
        ),
        "Set both, or neither.",
        "trainer/training_args.py:1156",
    ),
    Constraint(
        "stage2-no-pipeline",
        ("sharding", "pipeline_parallel_degree"),
        lambda s: s.word("sharding") in ("stage2", "stage3") and s.whole("pipeline_parallel_degree") > 1,
        lambda s: (
            f"sharding {s.word('sharding')} does not work with pipeline_parallel_degree "
            f"{s.whole('pipeline_parallel_degree')}."
        ),
        "Set sharding=stage1.",
        "trainer/training_args.py:1244",
        early=True,
    ),
    Constraint(
        "stage3-no-tensor",
        ("sharding", "tensor_parallel_degree"),
        lambda s: s.word("sharding") == "stage3" and s.whole("tensor_parallel_degree") > 1,
        lambda s: "sharding stage3 does not work with tensor parallelism.",
        "Set sharding=stage2.",
        "trainer/trainer.py:2197",
        early=True,
    ),
    Constraint(
        "stage2-master-grad",
        ("sharding", "amp_master_grad", "data_parallel_degree"),
        lambda s: (
            s.word("sharding") in ("stage2", "stage3")
            and s.flag("amp_master_grad")
            and s.whole("data_parallel_degree") != 1
        ),
        lambda s: (
            f"sharding {s.word('sharding')} with amp_master_grad needs every replica in the sharding group, "
            f"and data_parallel_degree is {s.whole('data_parallel_degree')}."
        ),
        "Release sharding_parallel_degree.",
        "trainer/trainer.py:2229",
    ),
    Constraint(
        "unified-not-stage3",
        ("unified_checkpoint", "sharding"),
        lambda s: s.flag("unified_checkpoint") and s.word("sharding") == "stage3",
        lambda s: "unified_checkpoint is silently switched off under sharding stage3.",
        "Set unified_checkpoint=false.",
        "trainer/training_args.py:1806",
    ),
    Constraint(
        "length-within-context",
        ("max_length",),
        lambda s: s.whole("max_length") > s.model.max_position_embeddings,
        lambda s: (
            f"max_length {s.whole('max_length'):,} is beyond the {s.model.max_position_embeddings:,} tokens "
            "that the model can read."
        ),
        "Set it to at most that.",
        "config.json max_position_embeddings",
    ),
    Constraint(
        "prompt-leaves-answer",
        ("src_length", "max_length"),
        lambda s: s.whole("src_length") >= s.whole("max_length"),
        lambda s: (
            f"src_length {s.whole('src_length'):,} leaves no room for an answer within max_length "
            f"{s.whole('max_length'):,}."
        ),
        "Set src_length below max_length.",
        "trl/sftdata_config.py:35",
    ),
    Constraint(
        "eval-needs-dev",
        ("evaluation_strategy",),
        lambda s: s.word("evaluation_strategy") != "no" and not s.data.dev_rows,
        lambda s: f"evaluation_strategy is {s.word('evaluation_strategy')}, and there are no dev rows.",
        "Set evaluation_strategy=no.",
        "trainer/training_args.py:419",
    ),
    Constraint(
        "warmup-within-steps",
        ("warmup_steps", "max_steps"),
        lambda s: s.whole("warmup_steps") >= s.whole("max_steps") > 1,
        lambda s: (
            f"warmup_steps {s.whole('warmup_steps')} never ends within max_steps {s.whole('max_steps')}."
        ),
        "Lower warmup_steps.",
        "trainer_utils.py get_scheduler",
    ),
    Constraint(
        "cpu-build-on-cpu",
        ("engine_build",),
        lambda s: not s.hardware.devices and s.word("engine_build") != "cpu",
        lambda s: f"engine_build {s.word('engine_build')} needs an NVIDIA GPU, and there is none.",
        "Set engine_build=cpu.",
        "recipes/engines/engines.yaml",
    ),
    Constraint(
        "adapter-without-lora",
        (*ADAPTER_SETTINGS, "method"),
        lambda s: s.word("method") == "full" and any(name in s.wishes.pins for name in ADAPTER_SETTINGS),
        lambda s: "An adapter setting is fixed, and method full trains no adapters.",
        "Set method=lora or release the lora_ settings.",
        "peft/lora",
    ),
    Constraint(
        "crowded-cores",
        ("engine_build", "num_processes"),
        lambda s: (
            not s.on_gpu
            and s.whole("num_processes") * s.whole("omp_num_threads")
            > 4 * s.hardware.cpu.cores * s.hardware.nodes
        ),
        lambda s: (
            f"{s.whole('num_processes')} processes with {s.whole('omp_num_threads')} threads would crowd "
            f"{s.hardware.cpu.cores} cores."
        ),
        "Lower num_processes or omp_num_threads.",
        "measured",
    ),
)


def broken(s: Situation) -> list[Constraint]:
    """Return every constraint that the decisions break."""
    return [constraint for constraint in CONSTRAINTS if constraint.broken(s)]


def broken_by_pins(s: Situation) -> tuple[list[Constraint], Situation]:
    """Return the constraints that the pins break on their own, and the neutral situation they were judged
    in."""
    neutral: dict[str, Value] = {
        "num_processes": s.workers,
        "tensor_parallel_degree": 1,
        "pipeline_parallel_degree": 1,
        "sharding": "none",
    }
    trial = Situation(s.facts, s.wishes, {})
    for name, value in neutral.items():
        fixed = s.pin(name)
        trial.decisions[name] = Decision(
            value=value if fixed is None else fixed, because="on trial", rule="", source=""
        )
    return [constraint for constraint in CONSTRAINTS if constraint.early and constraint.broken(trial)], trial
