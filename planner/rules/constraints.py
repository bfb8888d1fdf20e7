"""What engines refuse, as tables. Checked on the complete set of decisions, whoever made them."""

from __future__ import annotations

from planner.families import engines_for
from planner.findings import Finding
from planner.language import say, template
from planner.methods import blocked
from planner.plan import Decision
from planner.rules.constraint import Constraint
from planner.rules.constraints_formers import FORMERS, LOOKS
from planner.rules.constraints_kernels import KERNELS
from planner.rules.constraints_methods import METHODS
from planner.rules.constraints_parallel import PARALLEL
from planner.rules.constraints_pipeline import PIPELINE, SHARDING
from planner.rules.constraints_precision import PRECISION
from planner.rules.constraints_sequence import SEQUENCE
from planner.rules.constraints_training import TRAINING
from planner.rules.engine import preferred
from planner.situation import Situation
from planner.unused import ADAPTER_SETTINGS
from planner.wishes import Value

__all__ = ["ADAPTER_SETTINGS", "CONSTRAINTS", "broken", "broken_by_pins", "findings"]

BUILDS: tuple[Constraint, ...] = (
    Constraint(
        "engine.cpu-build-on-cpu",
        ("engine_build",),
        lambda s: not s.hardware.devices and s.word("engine_build") != "cpu",
        lambda s: say(
            "engine_build {build} needs an accelerator, and there is none.", build=s.word("engine_build")
        ),
        template("Set engine_build=cpu."),
        "recipes/engines/engines.yaml",
        severity="fails",
    ),
)

CONSTRAINTS = (
    *BUILDS,
    *METHODS,
    *PRECISION,
    *KERNELS,
    *PARALLEL,
    *PIPELINE,
    *SHARDING,
    *SEQUENCE,
    *TRAINING,
    *FORMERS,
    *LOOKS,
)


def broken(s: Situation) -> list[Constraint]:
    """Return every constraint for which the decisions have to be refused."""
    return [constraint for constraint in CONSTRAINTS if constraint.refuses and constraint.broken(s)]


def findings(s: Situation) -> tuple[Finding, ...]:
    """Return everything that the decisions break, warnings included, as values."""
    return tuple(constraint.finding(s) for constraint in CONSTRAINTS if constraint.broken(s))


def broken_by_pins(s: Situation) -> tuple[list[Constraint], Situation]:
    """Return the constraints that the pins break on their own, and the neutral situation they were judged
    in."""
    trial = neutral(s)
    return [
        constraint
        for constraint in CONSTRAINTS
        if constraint.early and constraint.refuses and constraint.broken(trial)
    ], trial


def neutral(s: Situation) -> Situation:
    """Return the situation with the pins alone, and with nothing split that was not fixed."""
    able = engines_for(s.model.model_type, s.wishes.stage)
    values: dict[str, Value] = {
        "engine": preferred(s, able) if able else "paddlenlp",
        "lora_variant": "plain",
        "weight_quantize_algo": "none",
        "num_processes": s.workers,
        "tensor_parallel_degree": 1,
        "sequence_parallel": False,
        "pipeline_parallel_degree": 1,
        "virtual_pp_degree": 1,
        "sharding": "none",
        "context_parallel_degree": 1,
        "sep_parallel_degree": 1,
        "expert_parallel_degree": 1,
    }
    trial = Situation(s.facts, s.wishes, {})
    for name, value in values.items():
        fixed = s.pin(name)
        trial.decisions[name] = on_trial(value if fixed is None else fixed)
    method = s.pin("method") or ("full" if blocked(trial, "lora") else "lora")
    trial.decisions["method"] = on_trial(method)
    if method == "qlora" and s.pin("weight_quantize_algo") is None:
        trial.decisions["weight_quantize_algo"] = on_trial("weight_only_int8")
    return trial


def on_trial(value: Value) -> Decision:
    """Return a decision that nobody made."""
    return Decision(value=value, because="on trial", rule="", source="")
