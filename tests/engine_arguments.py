"""Run inside an engine: print the arguments of its dataclasses as JSON, group -> name -> [kind, default].

`recipes/engines/<engine>/arguments.yaml` holds the same, and a test compares the two. Kinds are those of
planner/arguments/schema.py: int, float, bool, str, list[str], list[int], json, any, or the words of an enum
joined by `|`. A default of `__required__` has none.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints

GROUPS = {
    "paddlenlp": {
        "ModelConfig": ("paddlenlp.trl", "ModelConfig"),
        "DataConfig": ("paddlenlp.trl", "DataConfig"),
        "QuantConfig": ("paddlenlp.trl", "QuantConfig"),
        "TrainingArguments": ("paddlenlp.trainer", "TrainingArguments"),
        "SFTConfig": ("paddlenlp.trl", "SFTConfig"),
    },
    "paddleformers": {
        "ModelArguments": ("paddleformers.cli.hparams", "ModelArguments"),
        "DataArguments": ("paddleformers.cli.hparams", "DataArguments"),
        "End2EndProcessorArguments": (
            "paddleformers.cli.hparams.preprocess_args",
            "End2EndProcessorArguments",
        ),
        "GeneratingArguments": ("paddleformers.cli.hparams", "GeneratingArguments"),
        "FinetuningArguments": ("paddleformers.cli.hparams", "FinetuningArguments"),
        "ExportArguments": ("paddleformers.cli.hparams", "ExportArguments"),
    },
}
"""Engine -> group -> module and class."""


def kind(hint: Any) -> str:
    """Return the kind of an argument from its type hint."""
    if get_origin(hint) is Union:
        hint = next((part for part in get_args(hint) if part is not type(None)), str)
    if get_origin(hint) is Union:
        return "any"
    if isinstance(hint, type) and issubclass(hint, Enum):
        return "|".join(str(option.value) for option in hint)
    if get_origin(hint) is list:
        inner = get_args(hint)[0]
        return f"list[{getattr(inner, '__name__', 'any') if get_origin(inner) is None else 'list'}]"
    if hint is dict:
        return "json"
    if get_origin(hint) is dict:
        return "dict"
    if hint in (int, float, bool, str):
        return str(hint.__name__)
    return "any"


def default(field: dataclasses.Field[Any]) -> Any:
    """Return the default of a field as JSON can hold it."""
    value = field.default
    if value is dataclasses.MISSING:
        if field.default_factory is dataclasses.MISSING:
            return "__required__"
        value = field.default_factory()
    if isinstance(value, Enum):
        return value.value
    return value if isinstance(value, int | float | str | list | dict | None) else "__object__"


def arguments(kind_of_thing: Any) -> dict[str, list[Any]]:
    """Return name -> [kind, default] of a dataclass."""
    hints = get_type_hints(kind_of_thing)
    return {
        field.name: [kind(hints[field.name]), default(field)]
        for field in dataclasses.fields(kind_of_thing)
        if field.init
    }


def llm_arguments(package: str) -> dict[str, list[Any]]:
    """Return what `llmmetaclass` adds to a class of training arguments that lacks it."""
    configuration = __import__(f"{package}.transformers.configuration_utils", fromlist=["LlmMetaConfig"])
    meta = configuration.LlmMetaConfig._get_all_meta()
    return {name: [kind(hint), value] for name, hint, value, _ in meta}


def main(engine: str) -> None:
    """Print all groups of an engine as one line of JSON after the word ARGUMENTS."""
    found: dict[str, Any] = {}
    for group, (module, name) in GROUPS[engine].items():
        found[group] = arguments(getattr(__import__(module, fromlist=[name]), name))
    found["LlmMetaConfig"] = llm_arguments(engine)
    print("ARGUMENTS" + json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
