"""Check and convert single setting values against the settings table: pins, `--set` texts, edited plan
files."""

from __future__ import annotations

import math
import operator
import typing
from functools import lru_cache
from typing import Literal, NamedTuple

from pydantic.fields import FieldInfo

from planner.did_you_mean import closest, hint
from planner.errors import BadInput
from planner.language import say, template
from planner.settings import GROUPS
from planner.wishes import Value

BOUNDS = {
    "ge": (template("at least {limit:g}"), operator.ge),
    "gt": (template("greater than {limit:g}"), operator.gt),
    "le": (template("at most {limit:g}"), operator.le),
    "lt": (template("less than {limit:g}"), operator.lt),
}
WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


class Setting(NamedTuple):
    """One row of the settings table."""

    name: str
    group: str
    field: FieldInfo

    @property
    def meaning(self) -> str:
        """The description, one sentence."""
        return self.field.description or ""

    @property
    def choices(self) -> tuple[str, ...]:
        """Allowed words; empty when the setting is a number or a switch."""
        annotation = self.field.annotation
        return typing.get_args(annotation) if typing.get_origin(annotation) is Literal else ()

    @property
    def expected(self) -> str:
        """What a value must be: `true or false`, `one of cpu, cu118`, `a whole number, at least 1`."""
        if self.choices:
            words = ", ".join(self.choices)
            return say("one of {words}", words=words) if len(self.choices) > 1 else words
        if self.field.annotation is bool:
            return say("true or false")
        if self.field.annotation is str:
            return say("a text")
        noun = say("a whole number") if self.field.annotation is int else say("a number")
        bounds = [say(words, limit=limit) for words, _, limit in self.limits()]
        if not bounds:
            return noun
        if len(bounds) == 1:
            return say("{noun}, {bound}", noun=noun, bound=bounds[0])
        return say("{noun}, {low} and {high}", noun=noun, low=bounds[0], high=bounds[1])

    def limits(self) -> list[tuple[str, typing.Callable[[float, float], bool], float]]:
        """Return the range as (words, comparison, limit)."""
        return [
            (words, compare, getattr(entry, name))
            for entry in self.field.metadata
            for name, (words, compare) in BOUNDS.items()
            if getattr(entry, name, None) is not None
        ]


@lru_cache(maxsize=1)
def settings() -> dict[str, Setting]:
    """Return every setting by name, in the order of the table."""
    return {
        name: Setting(name, group, field)
        for group, record in GROUPS.items()
        for name, field in record.model_fields.items()
    }


def find(name: str, where: str = "") -> Setting:
    """Return the setting `name`; `BadInput` with the nearest name when there is none."""
    if name not in settings():
        raise BadInput(
            where + say("there is no setting `{name}`.", name=name)
            if where
            else say("There is no setting `{name}`.", name=name),
            remedy=hint(name, settings()) or say("`steersman plan --list-settings` lists them all."),
        )
    return settings()[name]


def check_value(name: str, value: object, where: str = "") -> Value:
    """Return `value` as the type of setting `name`; texts such as `1e-4` and `yes` are converted.

    `where` is put before the sentence, such as `plan.yaml, line 12: `. Raises `BadInput`.
    """
    setting = find(name, where)
    converted = _convert(setting, value)
    if converted is None:
        word = closest(value, setting.choices) if isinstance(value, str) and setting.choices else None
        raise BadInput(
            where
            + say(
                "`{name}` must be {expected}, not {value}.",
                name=name,
                expected=setting.expected,
                value=_show(value),
            ),
            remedy=say("Did you mean `{match}`?", match=word) if word else "",
        )
    return converted


def read_pin(text: str) -> tuple[str, Value]:
    """Return (setting, value) of a `key=value` text from the command line; raises `BadInput`."""
    name, separator, value = text.partition("=")
    if not separator or not name.strip():
        raise BadInput(
            say("--set {text} is not of the form name=value.", text=repr(text)),
            remedy=say("For example: {command}.", command="--set learning_rate=1e-4"),
        )
    return name.strip(), check_value(name.strip(), value.strip(), "--set: ")


def _convert(setting: Setting, value: object) -> Value | None:
    """Return the value in the setting's own type, or None if it does not fit."""
    if setting.choices:
        # YAML reads an unquoted `no` as false, and `no` is a choice of evaluation_strategy.
        word = "no" if value is False else value
        return word if isinstance(word, str) and word in setting.choices else None
    if setting.field.annotation is str:
        return value.strip() if isinstance(value, str) else None
    if isinstance(value, str):
        value = _from_text(value.strip())
    if setting.field.annotation is bool:
        return value if isinstance(value, bool) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    if setting.field.annotation is int and value != int(value):
        return None
    if not all(compare(value, limit) for _, compare, limit in setting.limits()):
        return None
    return int(value) if setting.field.annotation is int else float(value)


def _from_text(text: str) -> Value:
    """Return what a text says: a switch, a number, or itself."""
    if text.lower() in WORDS:
        return WORDS[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _show(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
