"""Reads the text of a config: its values, and the line of each key."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

import yaml

from planner.errors import BadInput
from planner.language import say

TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]')
"""Strings and punctuation of JSON; all else is a number or a word."""


class Document(NamedTuple):
    """A config as it is written."""

    values: dict[str, Any]
    lines: dict[str, int]
    """Key -> line, counted from 1; of a key written twice, the last one."""
    twice: tuple[str, ...]
    """Keys that are written more than once."""
    form: str
    """json or yaml."""


def read(text: str) -> Document:
    """Return the values of a JSON or YAML text; BadInput with the line when it is neither."""
    if not text.strip():
        raise BadInput(
            say("The config is empty."), remedy=say("Give a PaddleNLP JSON or a PaddleFormers YAML.")
        )
    if "\x00" in text:
        raise BadInput(say("This is a binary file, not a config."))
    return read_json(text) if text.lstrip().startswith("{") else read_yaml(text)


def read_json(text: str) -> Document:
    """Return the values of a JSON object."""
    try:
        pairs = json.loads(text, object_pairs_hook=list)
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise BadInput(
            say("Line {line} is not valid JSON: {fault}.", line=error.lineno, fault=error.msg)
        ) from error
    except RecursionError as error:
        raise BadInput(say("The config is nested too deeply to be one.")) from error
    keys = [key for key, _ in pairs]
    return Document(values, json_lines(text), repeated(keys), "json")


def json_lines(text: str) -> dict[str, int]:
    """Return the line of every key of the outermost object."""
    found: dict[str, int] = {}
    depth, last = 0, None
    for token in TOKEN.finditer(text):
        word = token.group()
        if word in "{[":
            depth += 1
        elif word in "}]":
            depth -= 1
        elif word == ":" and depth == 1 and last is not None:
            found[json.loads(last.group())] = text.count("\n", 0, last.start()) + 1
        last = token if word.startswith('"') else None
    return found


def read_yaml(text: str) -> Document:
    """Return the values of a YAML mapping, read as the engine reads it (yaml.safe_load)."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise BadInput(
            say(
                "Line {line} is not valid YAML: {fault}.",
                line=mark.line + 1 if mark else 1,
                fault=error.problem or error.context or "",
            )
        ) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BadInput(say("This is neither JSON nor YAML: {fault}.", fault=first_line(error))) from error
    if not isinstance(node, yaml.MappingNode) or not isinstance(values, dict):
        raise BadInput(
            say("The config is a {kind}, not a list of `key: value` lines.", kind=type(values).__name__),
            remedy=say("Give a PaddleNLP JSON or a PaddleFormers YAML."),
        )
    keys = [(str(key.value), key.start_mark.line + 1) for key, _ in node.value]
    named = {str(key): value for key, value in values.items()}
    return Document(named, dict(keys), repeated([key for key, _ in keys]), "yaml")


def repeated(keys: list[str]) -> tuple[str, ...]:
    """Return the keys that come more than once, in order."""
    return tuple(dict.fromkeys(key for key in keys if keys.count(key) > 1))


def first_line(error: Exception) -> str:
    """Return the first line of an error's text."""
    return (str(error).splitlines() or [type(error).__name__])[0]
