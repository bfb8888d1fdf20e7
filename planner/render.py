"""A plan in the engine's own words: its config file, its launch command, its environment.

The config is upstream's own format and runs with upstream's own script. Templates are data
(`recipes/<engine>`), filled in by sandboxed Jinja that refuses an undefined name. A person's own folder of
templates, named in the wishes, overlays ours.
"""

from __future__ import annotations

import json
import shlex
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from jinja2 import FileSystemLoader, StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from planner.catalogue import RECIPES
from planner.errors import BadInput
from planner.language import say
from planner.plan import Plan
from planner.stage_workers import worker

FAMILY = {"orpo": "dpo", "simpo": "dpo", "quantise": "quantization"}
"""Stage -> template, where they differ in name: ORPO and SimPO are losses of DPO."""

SUFFIX = {"paddlenlp": "json", "paddleformers": "yaml"}
"""Format of an engine's config."""

SCRIPT = {
    "sft": "run_finetune",
    "dpo": "run_dpo",
    "kto": "run_kto",
    "pretrain": "run_pretrain",
    "reward": "run_reward",
    "embedding": "run_embedding",
    "quantization": "run_quantization",
    "export": "export_model",
    "pretrain_auto": "run_pretrain_auto",
}
"""PaddleNLP's script that reads each template's config."""

DTYPES = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}
"""Word of the setting `precision` -> the numbers' name in Paddle."""

COMPUTE_TYPE = {"weight_only_int8": "wint8", "weight_only_int4": "wint4", "nf4": "nf4"}
"""PaddleFormers' word for quantised base weights (cli/hparams/finetuning_args.py:310-348)."""

WITHOUT_ADAPTERS = ("pretrain", "embedding")
"""Stages whose scripts train every weight (llm/run_pretrain.py, run_embedding.py): their configs have no
field for adapters, and our worker is told of them beside the config."""

DEVICE = {"cpu": "cpu", "xpu": "xpu", "npu": "npu", "dcu": "gpu"}
"""Build -> Paddle's device word; gpu for CUDA builds, and for DCU, which answers to the same word."""


MISTAKES = (
    TemplateError,
    yaml.YAMLError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    RecursionError,
)
"""What filling in a person's own template may raise, whatever it computes."""


@lru_cache(maxsize=8)
def templates(overlay: str | None = None) -> ImmutableSandboxedEnvironment:
    """Return the environment that renders every recipe; templates in the folder `overlay` come first.

    Raises `BadInput` when that folder is gone: rendering with ours instead would be another config.
    """
    if overlay and not Path(overlay).is_dir():
        raise BadInput(
            say("The folder of own recipes {folder}, which the plan names, does not exist.", folder=overlay),
            remedy=say("Bring it back, or make the plan without it."),
        )
    folders = [*([overlay] if overlay else []), str(RECIPES)]
    environment = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(folders),
        undefined=StrictUndefined,
        autoescape=False,
        keep_trailing_newline=True,
    )
    environment.filters |= {"yaml": yaml_scalar, "comment": comment}
    return environment


def yaml_scalar(value: Any) -> str:
    """Return a value as one YAML scalar that is read back with the same type: 1.0e-05, "no", true."""
    text: str = yaml.safe_dump(value, default_flow_style=True, width=10_000, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")


def comment(sentence: str) -> str:
    """Return a sentence that stays on its comment line."""
    return " ".join(str(sentence).split())


def family(plan: Plan) -> str:
    """Return the name of the template for the plan's stage."""
    name = FAMILY.get(plan.wishes.stage, plan.wishes.stage)
    return f"{name}_auto" if plan.value("enable_auto_parallel") else name


def script(plan: Plan) -> str:
    """Return upstream's script (or CLI verb) that reads the plan's config."""
    if plan.value("engine") == "paddleformers":
        return "export" if plan.wishes.stage == "export" else "train"
    return SCRIPT[family(plan)]


def config_name(plan: Plan) -> str:
    """Return the file name of the plan's config: config.json or config.yaml."""
    return f"config.{SUFFIX[str(plan.value('engine'))]}"


def values(plan: Plan) -> dict[str, Any]:
    """Return every decided value by setting, the reasons as `why`, and what templates derive from them."""
    decided: dict[str, Any] = {name: decision.value for name, decision in plan.decisions.items()}
    quantised = COMPUTE_TYPE.get(str(decided["weight_quantize_algo"]))
    plain = {"fp32": "float32"}.get(str(decided["precision"]), decided["precision"])
    return decided | {
        "why": {name: decision.because for name, decision in plan.decisions.items()},
        "name": plan.name,
        "stage": plan.wishes.stage,
        "model_type": plan.facts.model.model_type,
        "positions": plan.facts.model.max_position_embeddings,
        "device": DEVICE.get(str(plan.value("engine_build")), "gpu"),
        "compute_type": quantised or plain,
    }


def train_config(plan: Plan, *, model: str, data: str, output_dir: str) -> str:
    """Return the config of the plan's script: paths as given, everything else from the decisions.

    Raises `BadInput` when a person's own recipe cannot be filled in, or does not give the engine's format.
    """
    engine = str(plan.value("engine"))
    name = f"{engine}/{family(plan)}.{SUFFIX[engine]}.j2"
    text = filled(plan, name, **values(plan), model=model, data=data, output_dir=output_dir)
    try:
        read_config(text, engine)  # a template that is no config must fail here and not in the engine
    except MISTAKES as error:
        if plan.wishes.recipes is None:
            raise
        raise own_recipe_fails(plan.wishes.recipes, name, error) from error
    return text


def filled(plan: Plan, name: str, /, **given: Any) -> str:
    """Return a recipe filled in; `BadInput` when it is a person's own and cannot be."""
    try:
        return templates(plan.wishes.recipes).get_template(name).render(given)
    except MISTAKES as error:
        if plan.wishes.recipes is None:
            raise
        raise own_recipe_fails(plan.wishes.recipes, name, error) from error


def read_config(text: str, engine: str) -> dict[str, Any]:
    """Return a rendered config as the engine's own reader would see it; ValueError if it holds no keys."""
    found = json.loads(text) if SUFFIX[engine] == "json" else yaml.safe_load(text)
    if not isinstance(found, dict):
        raise ValueError(say("it makes no keys with values"))
    return found


def own_recipe_fails(folder: str, name: str, error: Exception) -> BadInput:
    """Say which own recipe is at fault, and where."""
    line = getattr(error, "lineno", None)
    where = f"{Path(folder) / name}" if (Path(folder) / name).is_file() else folder
    return BadInput(
        say(
            "The recipe {where}{line} cannot be filled in: {error}.",
            where=where,
            line=say(", line {line},", line=line) if line else "",
            error=str(error).rstrip("."),
        ),
        remedy=say("`steersman recipes show` prints the built-in one to compare with."),
    )


def train_extras(plan: Plan) -> dict[str, Any]:
    """Return what the training worker needs and upstream's config has no field for."""
    names = ["lora_alpha", "lora_dropout", "lora_target_modules", "early_stopping_patience", "tracker"]
    if plan.wishes.stage in WITHOUT_ADAPTERS and plan.value("method") == "lora":
        names += ["method", "lora_rank", "lora_variant", "lora_plus_scale"]
    return {name: plan.value(name) for name in names} | {
        "stage": plan.wishes.stage,
        "project": plan.name,
        "planned_steps": plan.value("max_steps"),
    }


def launch_arguments(plan: Plan, log_dir: str) -> list[str]:
    """Return the arguments of `python` up to the script: the launcher, its processes, its log folder.

    Devices are not named: the launcher takes names as they stand in CUDA_VISIBLE_DEVICES, which differ from
    machine to machine (paddle/distributed/launch/context/device.py:82-90), and deals out the visible ones by
    itself. With several machines only their number is given; the launcher reads the first one's address from
    PADDLE_MASTER.
    """
    nodes = plan.facts.hardware.nodes
    local = int(str(plan.value("num_processes"))) // nodes
    arguments = ["-m", "paddle.distributed.launch", "--nproc_per_node", str(local)]
    if nodes > 1:
        arguments += ["--nnodes", str(nodes)]
    return [*arguments, "--log_dir", log_dir]


def launch_command(
    plan: Plan, python: str, start: str, spec: str, log_dir: str, stage: str = "train"
) -> list[str]:
    """Return the command of a stage that takes all the plan's processes, as an argument list: `start` is the
    worker starter, `spec` its specification."""
    module = worker(plan.wishes.stage, stage, str(plan.value("engine")))
    return [python, *launch_arguments(plan, log_dir), start, module, spec]


def worker_environment(plan: Plan, *, alone: bool = False) -> dict[str, str]:
    """Return the variables of an engine's processes that the plan decides.

    A process that works `alone` (convert, merge, generate, chat) gets the threads of all training processes
    of its machine.
    """
    threads = int(str(plan.value("omp_num_threads")))
    if alone:
        threads *= max(1, int(str(plan.value("num_processes"))) // plan.facts.hardware.nodes)
    environment = {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    if plan.value("mkl_debug_cpu_type"):
        environment["MKL_DEBUG_CPU_TYPE"] = str(plan.value("mkl_debug_cpu_type"))
    if plan.value("engine") == "paddleformers" and str(plan.value("tracker")).startswith("swanlab"):
        environment["SWANLAB_MODE"] = "cloud" if plan.value("tracker") == "swanlab-cloud" else "local"
    if plan.value("network_interface"):
        environment["NCCL_SOCKET_IFNAME"] = str(plan.value("network_interface"))
    if alone and plan.facts.hardware.devices:
        environment["STEERSMAN_ANSWER_DTYPE"] = DTYPES[str(plan.value("precision"))]
    return environment


def visible_devices(plan: Plan) -> str:
    """Return the devices that a machine gives where nobody chose others: as many as it has processes."""
    return ",".join(map(str, range(int(str(plan.value("num_processes"))) // plan.facts.hardware.nodes)))


def launch_script(plan: Plan, arguments: list[str]) -> str:
    """Return `launch.sh`: the environment and the command; `arguments` follow the interpreter."""
    return filled(
        plan,
        f"{plan.value('engine')}/launch.sh.j2",
        name=plan.name,
        nodes=plan.facts.hardware.nodes,
        environment=worker_environment(plan),
        device=values(plan)["device"],
        devices=visible_devices(plan),
        arguments=" ".join(shlex.quote(argument) for argument in arguments),
    )


def after(plan: Plan, result: str) -> str:
    """Return what to do with the finished model in the folder `result`, as Markdown with commands."""
    dtype = DTYPES[str(plan.value("precision"))]
    name = f"{plan.value('engine')}/after.md.j2"
    text = filled(plan, name, **values(plan), result=shlex.quote(result), dtype=dtype)
    lines = text.strip().splitlines()
    return "\n".join(line for line, before in zip(lines, ["", *lines], strict=False) if line or before) + "\n"


def explanation(plan: Plan) -> str:
    """Return a Markdown table of every setting with its value and reason, to lie beside a config without
    comments."""
    lines = [f"# Why {plan.name} is set up like this", "", "| setting | value | because |", "|---|---|---|"]
    for name, decision in plan.decisions.items():
        value = json.dumps(decision.value) if isinstance(decision.value, bool) else str(decision.value)
        lines.append(f"| `{name}` | {value} | {decision.because.replace('|', '/')} |")
    return "\n".join(lines) + "\n"
