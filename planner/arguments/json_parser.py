"""What PaddleNLP's PdArgumentParser does with a JSON file: every key becomes `--key value` for argparse.

Source: paddlenlp 3.0.0b4 trainer/argparser.py:95-192 (kinds) and :253-280 (keys and values). The argparse
of the standard library judges the values here too, one key at a time, so that all faults are found at once.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from functools import cache, lru_cache
from typing import Any, NoReturn

from planner.arguments import schema
from planner.arguments.rule import without_output_dir
from planner.arguments.schema import Argument
from planner.did_you_mean import closest
from planner.findings import Finding
from planner.language import say

SOURCE = "trainer/argparser.py"
PATHS = frozenset({
    "lora_path", "prefix_path", "lokr_path", "resume_from_checkpoint", "weight_quantize_algo",
    "model_name_or_path", "tokenizer_name_or_path", "chat_template", "strategy_type", "strategy_name",
    "refined_recompute", "device", "hybrid_parallel_topo_order", "quant_type", "cachekv_int8_type",
    "speculate_method", "dtype",
})  # fmt: skip
"""Texts for which the word `None` is acted upon: a folder or an algorithm of that name is looked for."""
WORDS = {"yes": True, "true": True, "t": True, "y": True, "1": True,
         "no": False, "false": False, "f": False, "n": False, "0": False}  # fmt: skip
"""Words that a switch accepts, in any case (argparser.py:34-50)."""


class Refused(Exception):
    """argparse refuses a value."""


class Judge(argparse.ArgumentParser):
    """argparse that raises instead of leaving the process."""

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would have printed."""
        raise Refused(message)


def switch(text: str) -> bool:
    """Return what a word means for a switch; ValueError for other words."""
    if text.lower() not in WORDS:
        raise ValueError(text)
    return WORDS[text.lower()]


def mapping(text: str) -> dict[str, Any]:
    """Return what a generic dict type makes of a text: ValueError for all but the empty one."""
    if text:
        raise ValueError(text)
    return {}


CONVERTERS: dict[str, Callable[[str], Any]] = {
    "int": int, "float": float, "str": str, "bool": switch, "json": json.loads, "dict": mapping, "any": str,
}  # fmt: skip


@cache
def judge(script: str) -> Judge:
    """Return the argparse parser of one script."""
    parser = Judge(add_help=False, argument_default=argparse.SUPPRESS, allow_abbrev=False)
    for argument in schema.arguments("paddlenlp", script).values():
        parser.add_argument(f"--{argument.name}", **options(argument))
    return parser


def options(argument: Argument) -> dict[str, Any]:
    """Return how PdArgumentParser registers an argument of this kind."""
    if argument.choices:
        return {"choices": argument.choices, "type": str}
    if argument.kind == "bool":
        return {"type": switch, "nargs": "?", "const": True}
    if argument.kind.startswith("list["):
        inner = argument.kind[5:-1]
        return {"type": CONVERTERS.get(inner, int), "nargs": "+"}
    return {"type": CONVERTERS[argument.kind]}


@cache
def options_of(script: str) -> tuple[str, ...]:
    """Return all option names, with the `no_...` twins of switches that are on by default."""
    known = schema.arguments("paddlenlp", script).values()
    twins = [f"no_{entry.name}" for entry in known if entry.kind == "bool" and entry.default is True]
    return (*(entry.name for entry in known), *twins)


def full_name(script: str, key: str) -> tuple[str, ...]:
    """Return the options that a key means: itself, or all that begin with it (argparse abbreviations)."""
    names = options_of(script)
    return (key,) if key in names else tuple(name for name in names if key and name.startswith(key))


def command_line(value: object) -> list[str]:
    """Return the words that a JSON value becomes (argparser.py:266-275)."""
    if isinstance(value, list | tuple):
        return [str(part) for part in value]
    return [json.dumps(value) if isinstance(value, dict) else str(value)]


def parse(script: str, values: Mapping[str, Any]) -> tuple[dict[str, Any], frozenset[str], list[Finding]]:
    """Return the values after parsing (defaults included), the full names that were given, and findings."""
    parsed = {entry.name: entry.default for entry in schema.arguments("paddlenlp", script).values()}
    given: set[str] = set()
    found: list[Finding] = []
    for key, value in values.items():
        names = full_name(script, key)
        if len(names) != 1 or names[0] not in parsed:
            found.append(unknown(script, key, names))
            continue
        name = names[0]
        if name != key:
            found.append(abbreviated(key, name, value))
        faults = list(value_faults(script, name, key, value, parsed))
        found += faults
        given.add(name)
    if "output_dir" in parsed and "output_dir" not in given:
        found.append(without_output_dir("trainer/training_args.py:402"))
        parsed["output_dir"] = ""
    return parsed, frozenset(given), found


@lru_cache(maxsize=4096)
def judged(script: str, name: str, words: tuple[str, ...]) -> dict[str, Any] | None:
    """Return what argparse makes of the words after an option, by its name; None if it refuses them.

    Kept: the plans that are compared for one answer share nearly all of their config. Not to be written into.
    """
    try:
        accepted, extra = judge(script).parse_known_args([f"--{name}", *words])
    except (Refused, json.JSONDecodeError):
        return None
    return None if extra else vars(accepted)


def value_faults(
    script: str, name: str, key: str, value: object, parsed: dict[str, Any]
) -> Iterator[Finding]:
    """Let argparse judge one value; what it accepts is put into `parsed`."""
    argument = schema.arguments("paddlenlp", script)[name]
    accepted = judged(script, name, tuple(command_line(value)))
    if accepted is None:
        yield refused(argument, key, value)
        return
    parsed[name] = deepcopy(accepted.get(name, parsed[name]))
    if value is None:
        yield none_text(key, name)


def unknown(script: str, key: str, names: tuple[str, ...]) -> Finding:
    """Return the finding for a key that no argument, or more than one, answers to."""
    if len(names) > 1:
        return Finding(
            code="parser.ambiguous",
            severity="rejects",
            field=key,
            because=say(
                "`{key}` is no argument of {script}, and as an abbreviation it could mean {names}: "
                "argparse stops.",
                key=key,
                script=script,
                names=", ".join(names[:4]),
            ),
            fix=say("Write the name in full."),
            source=f"{SOURCE}:261-274",
        )
    near = closest(key, list(options_of(script)), schema.ALIKE)
    return Finding(
        code="parser.unknown",
        severity="rejects",
        field=key,
        because=say(
            "`{key}` is no argument of {script}: the parser refuses the whole file.", key=key, script=script
        ),
        fix=say("Did you mean `{near}`?", near=near) if near else say("Remove the line."),
        source=f"{SOURCE}:256",
    )


def abbreviated(key: str, name: str, value: object) -> Finding:
    """Return the finding for a key that is taken as the beginning of another argument."""
    return Finding(
        code="parser.prefix",
        severity="warns",
        field=key,
        got=value if isinstance(value, str | int | float | bool) else None,
        because=say(
            "`{key}` is no argument here; the parser silently takes it as an abbreviation of `{name}`.",
            key=key,
            name=name,
        ),
        needed=name,
        fix=say("Write `{name}` if that is meant; otherwise remove the line.", name=name),
        source=f"{SOURCE}:261-274",
    )


def refused(argument: Argument, key: str, value: object) -> Finding:
    """Return the finding for a value that argparse does not convert."""
    needed = ", ".join(argument.choices) or argument.kind
    code = "parser.null" if value is None else "parser.value"
    text = (
        say(
            "`{key}` is null, which the parser hands on as the word None; that is no {needed}.",
            key=key,
            needed=needed,
        )
        if value is None
        else say("`{key}` must be {needed}; {value} is not.", key=key, needed=needed, value=json.dumps(value))
    )
    return Finding(
        code=code,
        severity="rejects",
        field=key,
        got=value if isinstance(value, str | int | float | bool) else None,
        needed=needed,
        because=text,
        fix=say("Remove the line.") if value is None else "",
        source=f"{SOURCE}:135-170",
    )


def none_text(key: str, name: str) -> Finding:
    """Return the finding for null: the engine reads the text `None`."""
    return Finding(
        code="parser.null-text",
        severity="fails" if name in PATHS else "warns",
        field=key,
        because=say(
            '`{key}` is null, and the parser turns it into the text "None", not into nothing.', key=key
        ),
        fix=say("Remove the line: the default applies."),
        source=f"{SOURCE}:273",
    )
