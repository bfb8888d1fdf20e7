"""What is typed after "what if": the options of `steersman what-if`, with or without their dashes."""

from __future__ import annotations

import shlex
import typing
from typing import Any, NamedTuple

from planner.did_you_mean import hint
from planner.errors import BadInput
from planner.language import say, template
from planner.setting_values import find, read_pin, settings
from planner.wishes import Value, Wishes

NUMBERS = {
    "time_limit": "time_limit_minutes",
    "cost_per_hour": "cost_per_device_hour",
    "context_length": "context_length",
}
"""Word -> field of `Wishes` that holds a number."""

WORDS = {"stage": "stage", "goal": "goal", "target": "target"}
"""Word -> field of `Wishes` that holds one of a few words."""

FACTS = ("hardware", "model", "data")
NAMES = {
    "硬件": "hardware",
    "模型": "model",
    "数据": "data",
    "目标": "goal",
    "阶段": "stage",
    "方法": "method",
    "时限": "time_limit",
    "释放": "release",
}
"""The same words in Chinese."""

EXAMPLES = (
    "hardware 8x A100-80G nvlink",
    "goal quality",
    "method full",
    "time_limit 30",
    "data 20000 rows of 800 tokens",
    "lora_rank=32 learning_rate=1e-4",
    "release method",
)
ASK = template("Say what is different, for example: {example}.")


class Change(NamedTuple):
    """What is different. Empty fields leave the plan's own."""

    hardware: str | None = None
    model: str | None = None
    data: str | None = None
    wishes: dict[str, Any] = {}  # noqa: RUF012
    pins: dict[str, Value] = {}  # noqa: RUF012
    release: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is different."""
        return self == Change()


def read(text: str) -> Change:
    """Return what a person typed as a change. Raises `BadInput` in one sentence."""
    change = Change(wishes={}, pins={})
    for word, rest in clauses(words_of(text)):
        change = _with(change, word, rest)
    if change.is_empty:
        raise BadInput(say("Nothing is different from the plan."), remedy=say(ASK, example=EXAMPLES[1]))
    return change


def words_of(text: str) -> list[str]:
    """Return the words of a line; quotes hold together what belongs together."""
    try:
        return shlex.split(text)
    except ValueError as error:
        raise BadInput(say("A quotation mark is not closed: {text}", text=text)) from error


def clauses(words: list[str]) -> list[tuple[str, str]]:
    """Return (word, what follows it) of a line: a known word starts a clause, and so does `name=value`."""
    found: list[tuple[str, list[str]]] = []
    for raw in words:
        name, separator, value = raw.removeprefix("--").partition("=")
        key = NAMES.get(name, name.replace("-", "_"))
        if found and not found[-1][1] and not raw.startswith("--"):
            # A clause without a value takes the next word, such as method in "release method".
            found[-1][1].append(raw)
        elif key in _known() and separator:
            found.append((key, [value]))
        elif key in _known():
            found.append((key, []))
        elif separator:
            found.append(("set", [f"{name}={value}"]))
        elif found:
            found[-1][1].append(raw)
        else:
            raise BadInput(
                say("`{word}` is nothing that can be changed.", word=raw),
                remedy=hint(raw, [*_known(), *settings()]) or say(ASK, example=EXAMPLES[0]),
            )
    return [(word, " ".join(rest)) for word, rest in found]


def _known() -> tuple[str, ...]:
    return (*FACTS, *WORDS, *NUMBERS, "method", "engine", "set", "release")


def _with(change: Change, word: str, rest: str) -> Change:
    if not rest:
        raise BadInput(say("`{word}` needs a value after it.", word=word))
    if word == "hardware":
        return change._replace(hardware=rest)
    if word == "model":
        return change._replace(model=rest)
    if word == "data":
        return change._replace(data=rest)
    if word == "release":
        return change._replace(release=(*change.release, find(rest, "").name))
    if word in ("set", "method", "engine"):
        name, value = read_pin(rest if word == "set" else f"{word}={rest}")
        return change._replace(pins={**change.pins, name: value})
    field = WORDS.get(word) or NUMBERS[word]
    value = _number(word, rest) if word in NUMBERS else _word(word, rest)
    return change._replace(wishes={**change.wishes, field: value})


def _number(word: str, text: str) -> float | int:
    whole = word == "context_length"
    try:
        number = int(text) if whole else float(text)
    except ValueError:
        number = 0
    if not 0 < number < float("inf"):
        raise BadInput(
            say("`{word}` must be a number greater than 0, not {text}.", word=word, text=repr(text))
        )
    return number


def _word(word: str, text: str) -> str:
    allowed = typing.get_args(Wishes.model_fields[WORDS[word]].annotation)
    if text not in allowed:
        raise BadInput(
            say(
                "`{word}` must be one of {allowed}, not {text}.",
                word=word,
                allowed=", ".join(allowed),
                text=repr(text),
            ),
            remedy=hint(text, allowed),
        )
    return text
