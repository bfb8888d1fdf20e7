"""What PaddleFormers does with a YAML file: exact names, and values as PyYAML read them.

Source: paddleformers 1.2.0 cli/hparams/parser.py:93-145 and trainer/argparser.py:402-476. Nothing is
converted, so a wrong type passes the parser unless `__post_init__` computes with it
(trainer/training_args.py:1721-2760).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from planner.arguments import degrees, schema
from planner.arguments.rule import without_output_dir
from planner.arguments.schema import Argument
from planner.did_you_mean import closest
from planner.findings import Finding
from planner.language import say

NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
COMPUTED = frozenset({
    "save_steps", "warmup_ratio", "sharding_degree", "flash_device_save_steps", "zcc_ema_interval",
    "moe_subbatch_token_num_before_dispatch",
})  # fmt: skip
"""Numbers that `__post_init__` always computes with."""
OPTIMIZER = frozenset({"learning_rate", "weight_decay", "adam_beta1", "adam_beta2", "adam_epsilon"})
"""Numbers that Paddle's AdamW refuses as text (TypeError, measured with Paddle 3.3.1)."""
WORDS = {
    "fine_tuning": str,
    "_attn_implementation": str,
    "stage": str,
    "compute_type": str,
    "sharding": str | bool | list,
}
"""Texts that are taken apart while parsing -> what they may be; null stops it."""
POPPED = frozenset({"custom_register_path"})
"""Keys that are taken out before the parser sees them (parser.py:131)."""
RENAMED = {
    "tensor_parallel_degree": "tensor_model_parallel_size",
    "pipeline_parallel_degree": "pipeline_model_parallel_size",
    "sharding_parallel_degree": "sharding_parallel_size",
    "expert_parallel_degree": "expert_model_parallel_size",
    "context_parallel_degree": "context_parallel_size",
    "sep_parallel_degree": "sep_parallel_size",
    "virtual_pp_degree": "virtual_pipeline_model_parallel_size",
    "recompute": "recompute_granularity",
    "offload_optim": "tensorwise_offload_optimizer",
    "batch_size": "per_device_train_batch_size",
    "fuse_rope": "apply_rope_fusion",
    "use_fused_rope": "apply_rope_fusion",
    "attn_impl": "_attn_implementation",
    "max_seq_length": "max_seq_len",
    "max_length": "max_seq_len",
    "min_learning_rate": "min_lr",
    "dataset_name_or_path": "train_dataset_path",
    "zero_padding": "packing",
    "use_flash_attention": "_attn_implementation",
    "moe_grouped_gemm": "moe_expert_fusion",
}
"""Names of PaddleNLP or of earlier versions -> the name here (facts: renamed arguments)."""


def parse(
    script: str, values: Mapping[str, Any], processes: int
) -> tuple[dict[str, Any], frozenset[str], list[Finding]]:
    """Return the values after parsing (defaults included), the names that were given, and findings."""
    known = schema.arguments("paddleformers", script)
    parsed = {entry.name: entry.default for entry in known.values()}
    given: set[str] = set()
    found: list[Finding] = []
    for key, value in values.items():
        if key in POPPED:
            continue
        if key not in known:
            found.append(unknown(script, str(key)))
            continue
        parsed[key] = value
        given.add(key)
        found += value_faults(known[key], value, processes, str(values.get("stage", "")))
    if "output_dir" not in given:
        found.append(without_output_dir("cli/hparams/finetuning_args.py:249"))
        parsed["output_dir"] = ""
    return parsed, frozenset(given), found


def value_faults(argument: Argument, value: object, processes: int, stage: str) -> Iterator[Finding]:
    """Yield what is wrong with one value; at most one finding."""
    if argument.choices:
        if value not in argument.choices:
            yield choice(argument, value)
    elif argument.kind in ("int", "float") and not isinstance(value, int | float):
        yield from number(argument, value, processes, stage)
    elif argument.kind == "int" and isinstance(value, float):
        yield fault(argument, "parser.fraction", "warns", value,
                    say("`{key}` is {value}; the engine expects a whole number and converts nothing.",
                        key=argument.name, value=value))  # fmt: skip
    elif argument.kind == "bool" and isinstance(value, str):
        yield fault(argument, "parser.text-switch", "fails", value,
                    say("`{key}` is the text \"{value}\", and any text counts as true: PaddleFormers "
                        "converts nothing.",
                        key=argument.name, value=value))  # fmt: skip
    elif argument.name in WORDS and not isinstance(value, WORDS[argument.name]):
        yield fault(argument, "parser.value", "rejects", value,
                    say("`{key}` must be a text; {value} stops the parser.",
                        key=argument.name, value=value))  # fmt: skip


def number(argument: Argument, value: object, processes: int, stage: str) -> Iterator[Finding]:
    """Yield the finding for something that is no number where one is needed."""
    if value is None and argument.default is None:
        return
    converts = stage == "ernie_pretrain" and argument.name == "adam_epsilon"  # pretraining_trainer.py:1401
    split = argument.name in degrees.NAMES["paddleformers"].values() and processes > 1
    if argument.name in COMPUTED or split:
        severity = "rejects"
    else:
        severity = "fails" if argument.name in OPTIMIZER and not converts else "warns"
    if isinstance(value, str) and NUMBER.fullmatch(value):
        because = say(
            "`{key}: {value}` is a text for PyYAML (a number with an exponent needs a dot), and "
            "PaddleFormers converts "
            "nothing.",
            key=argument.name,
            value=value,
        )
        fixed = f"{float(value):.1e}" if "e" in value.lower() else value
        yield fault(argument, "parser.text-number", severity, value, because,
                    say("Write `{key}: {fixed}`.", key=argument.name, fixed=fixed))  # fmt: skip
    else:
        yield fault(argument, "parser.value", severity, value,
                    say("`{key}` must be a number; {value} is "
                        "none.", key=argument.name, value=value))  # fmt: skip


def choice(argument: Argument, value: object) -> Finding:
    """Return the finding for a word that an enum does not have; a bare `no` is one."""
    if value is False:
        return fault(argument, "parser.yaml-no", "rejects", False,
                     say("A bare `no` is False in YAML, and `{key}` needs one of "
                         "{choices}.", key=argument.name,
                         choices=", ".join(argument.choices)),
                     say("Put quotes around it: `{key}: \"no\"`.", key=argument.name))  # fmt: skip
    return fault(argument, "parser.value", "rejects", value,
                 say("`{key}` must be one of {choices}; {value} is not.", key=argument.name,
                     choices=", ".join(argument.choices), value=value))  # fmt: skip


def fault(
    argument: Argument, code: str, severity: Any, value: object, because: str, fix: str = ""
) -> Finding:
    """Return a finding about one value."""
    return Finding(
        code=code,
        severity=severity,
        field=argument.name,
        got=value if isinstance(value, str | int | float | bool) else None,
        needed=", ".join(argument.choices) or argument.kind,
        because=because,
        fix=fix,
        source="trainer/argparser.py:462-476",
    )


def unknown(script: str, key: str) -> Finding:
    """Return the finding for a key that no dataclass has."""
    known = schema.arguments("paddleformers", script)
    near = RENAMED.get(key) or closest(key, list(known), schema.ALIKE)
    return Finding(
        code="parser.unknown",
        severity="rejects",
        field=key,
        because=say(
            "`{key}` is no argument of {script}: the parser refuses the whole file.", key=key, script=script
        ),
        fix=say("Did you mean `{near}`?", near=near) if near else say("Remove the line."),
        source="cli/hparams/parser.py:139-142",
    )
