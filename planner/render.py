"""A plan in the engine's own words: its config file, its launch command, its environment.

The config is upstream's own format and runs with upstream's own script. Templates are data
(`recipes/paddlenlp`), filled in by sandboxed Jinja that refuses an undefined name.
"""

from __future__ import annotations

import json
import shlex
from functools import lru_cache
from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from planner.catalogue import RECIPES
from planner.plan import Plan


@lru_cache(maxsize=1)
def templates() -> ImmutableSandboxedEnvironment:
    """Return the environment that renders every recipe."""
    return ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(RECIPES),
        undefined=StrictUndefined,
        autoescape=False,
        keep_trailing_newline=True,
    )


def values(plan: Plan) -> dict[str, Any]:
    """Return every decided value by setting, and the device to train on."""
    decided: dict[str, Any] = {name: decision.value for name, decision in plan.decisions.items()}
    return decided | {"device": "cpu" if plan.value("engine_build") == "cpu" else "gpu"}


def train_config(plan: Plan, *, model: str, data: str, output_dir: str) -> str:
    """Return the JSON of upstream's `llm/run_finetune.py`: paths as given, everything else from the
    decisions."""
    template = templates().get_template(f"{plan.value('engine')}/sft.json.j2")
    text = template.render(values(plan), model=model, data=data, output_dir=output_dir)
    json.loads(text)  # a template that is not JSON must fail here and not in the engine
    return text


def train_extras(plan: Plan) -> dict[str, Any]:
    """Return what the training worker needs and upstream's config has no field for."""
    names = ("lora_alpha", "lora_dropout", "lora_target_modules", "tracker")
    return {name: plan.value(name) for name in names} | {
        "project": plan.name,
        "planned_steps": plan.value("max_steps"),
    }


def launch_arguments(plan: Plan, log_dir: str) -> list[str]:
    """Return the arguments of `python` up to the script: the launcher, its processes or devices, its log
    folder.

    With several machines only their number is given; the launcher reads the first one's address from
    PADDLE_MASTER.
    """
    nodes = plan.facts.hardware.nodes
    local = int(str(plan.value("num_processes"))) // nodes
    arguments = ["-m", "paddle.distributed.launch"]
    if plan.value("engine_build") == "cpu":
        arguments += ["--nproc_per_node", str(local)]
    else:
        arguments += ["--gpus", ",".join(str(index) for index in range(local))]
    if nodes > 1:
        arguments += ["--nnodes", str(nodes)]
    return [*arguments, "--log_dir", log_dir]


def launch_command(plan: Plan, python: str, start: str, spec: str, log_dir: str) -> list[str]:
    """Return the training command as an argument list: `start` is the worker starter, `spec` its
    specification."""
    return [python, *launch_arguments(plan, log_dir), start, "train", spec]


def worker_environment(plan: Plan, *, alone: bool = False) -> dict[str, str]:
    """Return the variables of an engine's processes that the plan decides.

    A process that works `alone` (convert, merge, generate, chat) gets the threads of all training processes.
    """
    threads = int(str(plan.value("omp_num_threads")))
    if alone and not plan.facts.hardware.devices:
        threads *= int(str(plan.value("num_processes")))
    environment = {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    if plan.value("mkl_debug_cpu_type"):
        environment["MKL_DEBUG_CPU_TYPE"] = str(plan.value("mkl_debug_cpu_type"))
    return environment


def launch_script(plan: Plan, arguments: list[str]) -> str:
    """Return `launch.sh`: the environment and the command; `arguments` follow the interpreter."""
    return (
        templates()
        .get_template(f"{plan.value('engine')}/launch.sh.j2")
        .render(
            name=plan.name,
            nodes=plan.facts.hardware.nodes,
            environment=worker_environment(plan),
            arguments=" ".join(shlex.quote(argument) for argument in arguments),
        )
    )


def explanation(plan: Plan) -> str:
    """Return a Markdown table of every setting with its value and reason, to lie beside a config without
    comments."""
    lines = [f"# Why {plan.name} is set up like this", "", "| setting | value | because |", "|---|---|---|"]
    for name, decision in plan.decisions.items():
        value = json.dumps(decision.value) if isinstance(decision.value, bool) else str(decision.value)
        lines.append(f"| `{name}` | {value} | {decision.because.replace('|', '/')} |")
    return "\n".join(lines) + "\n"
