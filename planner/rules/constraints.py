"""What the engine refuses, as a table. Checked on the complete set of decisions, whoever made them."""

from __future__ import annotations

from planner.plan import Decision
from planner.rules.constraint import Constraint
from planner.rules.constraints_kernels import KERNELS
from planner.rules.constraints_parallel import PARALLEL
from planner.situation import Situation
from planner.wishes import Value

ADAPTER_SETTINGS = ("lora_rank", "lora_alpha", "lora_dropout", "lora_target_modules")

TRAINING: tuple[Constraint, ...] = (
    Constraint(
        "greedy-needs-packing",
        ("greedy_zero_padding", "zero_padding"),
        lambda s: s.flag("greedy_zero_padding") and not s.flag("zero_padding"),
        lambda s: "greedy_zero_padding packs rows, and zero_padding is off.",
        "Set greedy_zero_padding=false or zero_padding=true.",
        "llm/run_finetune.py",
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
)

CONSTRAINTS = (*KERNELS, *PARALLEL, *TRAINING)


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
