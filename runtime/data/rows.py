"""From a raw row of each layout to messages: one small function per layout.

Whatever is odd is noted, never passed over.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from runtime.data.conversation import Message, Role
from runtime.data.findings import Note
from runtime.data.formats import LAYOUTS, Format
from runtime.data.text import as_text, clean

ROLES: dict[str, Role] = {
    "system": "system", "developer": "system",
    "user": "user", "human": "user", "prompter": "user",
    "assistant": "assistant", "gpt": "assistant", "chatgpt": "assistant",
    "bot": "assistant", "model": "assistant",
    "observation": "user", "tool": "user", "function": "user", "ipython": "user",
    "function_call": "assistant", "tool_call": "assistant",
}  # fmt: skip
"""Role names in use -> the three that a chat template is sure to know."""

TOOL_ROLES = {"observation", "tool", "function", "ipython", "function_call", "tool_call"}


def messages_of(row: Mapping[str, Any], layout: Format, note: Note) -> list[Message] | None:
    """Return the row's messages with their text cleaned, or None (and a note) when it cannot be used."""
    for name in sorted(set(row) & {"tools", "images", "videos", "audios"}):
        if row[name]:
            note("field.ignored", name, f"`{name}` is not used in training")
    messages = READERS[layout](row, note)
    if messages is None:
        return None
    return [message._replace(text=clean(message.text, message.field, note)) for message in messages]


def alpaca(row: Mapping[str, Any], note: Note) -> list[Message] | None:
    """instruction + input ask, output answers; history holds earlier turns, system the system prompt."""
    if not has(row, "alpaca", note):
        return None
    system, instruction = optional(row, "system", note), optional(row, "instruction", note)
    extra, output = optional(row, "input", note), optional(row, "output", note)
    history = parsed(row.get("history")) or []
    if system is None or instruction is None or extra is None or output is None:
        return None
    if not isinstance(history, list) or not all(
        isinstance(pair, list) and len(pair) == 2 for pair in history
    ):
        note("field.type", "history", "`history` must be a list of [question, answer] pairs")
        return None
    messages = [Message("system", system, "system")] if system.strip() else []
    for index, pair in enumerate(history):
        for role, value, place in (("user", pair[0], 0), ("assistant", pair[1], 1)):
            field = f"history[{index}][{place}]"
            text = as_text(value, field, note)
            if text is None:
                return None
            messages.append(Message(ROLES[role], text, field))
    question = "\n".join(part for part in (instruction, extra) if part.strip())
    return [*messages, Message("user", question, "instruction"), Message("assistant", output, "output")]


def src_tgt(row: Mapping[str, Any], note: Note) -> list[Message] | None:
    """PaddleNLP's own layout: text or lists of equal length, with an optional `context.system`."""
    if not has(row, "src_tgt", note):
        return None
    sides = [row["src"], row["tgt"]]
    if all(
        isinstance(cell, list) and all(isinstance(turn, str) for turn in cell) for cell in map(parsed, sides)
    ):
        sides = [parsed(side) for side in sides]
    sides = [side if isinstance(side, list) else [side] for side in sides]
    if len(sides[0]) != len(sides[1]):
        note("turns.unequal", "tgt", f"{len(sides[0])} questions but {len(sides[1])} answers")
        return None
    context = parsed(row.get("context"))
    system = optional(
        context if isinstance(context, Mapping) and context.get("system") else row, "system", note
    )
    if system is None:
        return None
    messages = [Message("system", system, "system")] if system.strip() else []
    many = len(sides[0]) > 1
    for index, pair in enumerate(zip(*sides, strict=True)):
        for name, role, value in (("src", "user", pair[0]), ("tgt", "assistant", pair[1])):
            field = f"{name}[{index}]" if many else name
            text = as_text(value, field, note)
            if text is None:
                return None
            messages.append(Message(ROLES[role], text, field))
    return messages


def openai(row: Mapping[str, Any], note: Note) -> list[Message] | None:
    """`messages`: role and content; content may be a list of text parts."""
    return turns(row, "messages", note)


def sharegpt(row: Mapping[str, Any], note: Note) -> list[Message] | None:
    """`conversations`: from and value, with an optional `system` beside it."""
    messages = turns(row, "conversations", note)
    system = optional(row, "system", note)
    if messages is None or system is None:
        return None
    if system.strip() and not (messages and messages[0].role == "system"):
        messages.insert(0, Message("system", system, "system"))
    return messages


def turns(row: Mapping[str, Any], name: str, note: Note) -> list[Message] | None:
    """Read a list of turns. Each has `role`/`content` or `from`/`value`, whichever list it stands in."""
    value = parsed(row.get(name))
    if isinstance(value, Mapping):  # Arrow's other way to store a list of records: a record of lists
        value = [dict(zip(value, entries, strict=False)) for entries in zip(*value.values(), strict=False)]
    if value is None:
        note("field.missing", name, f"`{name}` is missing")
        return None
    if not isinstance(value, list):
        note("field.type", name, f"`{name}` must be a list of turns, not {type_name(value)}")
        return None
    messages: list[Message] = []
    tools = False
    for index, turn in enumerate(value):
        place = f"{name}[{index}]"
        if not isinstance(turn, Mapping):
            note("field.type", place, f"a turn must be an object with role and text, not {type_name(turn)}")
            return None
        role_key, text_key = ("from", "value") if "from" in turn else ("role", "content")
        role = turn.get(role_key)
        known = ROLES.get(role.lower()) if isinstance(role, str) else None
        if known is None:
            what = f"the role {role!r} is unknown" if role is not None else f"the turn has no `{role_key}`"
            note("role.unknown", f"{place}.{role_key}", f"{what}; known are {', '.join(ROLES)}")
            return None
        field = f"{place}.{text_key}"
        content = turn.get(text_key)
        if content is None and turn.get("tool_calls"):
            content, tools = json.dumps(turn["tool_calls"], ensure_ascii=False), True
        text = as_text(content, field, note)
        if text is None:
            return None
        tools = tools or str(role).lower() in TOOL_ROLES
        messages.append(Message(known, text, field))
    if tools:
        note(
            "role.tool", name, "tool calls and their results are trained on as ordinary answers and questions"
        )
    return messages


READERS: dict[Format, Callable[[Mapping[str, Any], Note], list[Message] | None]] = {
    "alpaca": alpaca,
    "sharegpt": sharegpt,
    "messages": openai,
    "src_tgt": src_tgt,
}
"""Layout -> its reader."""


def has(row: Mapping[str, Any], layout: Format, note: Note) -> bool:
    """Return whether the row has the layout's required fields; note the first that is missing."""
    for name in LAYOUTS[layout].required:
        if row.get(name) is None:
            code = "answer.missing" if name in ("output", "tgt") else "field.missing"
            note(code, name, f"`{name}` is missing")
            return False
    return True


def optional(row: Mapping[str, Any], name: str, note: Note) -> str | None:
    """Return a field's text, "" when it is absent or null, or None (and a note) when it is no text."""
    value = row.get(name)
    return "" if value is None else as_text(value, name, note)


def parsed(value: Any) -> Any:
    """Return the JSON list or object inside a text, as CSV cells hold them; anything else unchanged."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            found = json.loads(value)
        except (ValueError, RecursionError):
            return value
        return found if isinstance(found, (list, dict)) else value
    return value


def type_name(value: Any) -> str:
    """Return a JSON value's type in words."""
    names = {
        str: "text",
        bool: "true/false",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "an object",
    }
    return names.get(type(value), "null" if value is None else type(value).__name__)
