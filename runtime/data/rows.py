"""From a raw row of each layout to messages: one small function per layout.

Whatever is odd is noted, never passed over.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from planner.language import say, template
from runtime.data.cells import parsed
from runtime.data.conversation import Message, Role
from runtime.data.findings import Note
from runtime.data.formats import ALL_LAYOUTS, Format
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

RESULT_ROLES = {"observation", "tool", "function", "ipython"}
CALL_ROLES = {"function_call", "tool_call"}
IGNORED_FIELDS = {"images", "videos", "audios"}


def messages_of(row: Mapping[str, Any], layout: Format, note: Note) -> list[Message] | None:
    """Return the row's messages with their text cleaned, or None (and a note) when it cannot be used.

    `layout` is one of conversations. What is called of a tool stands in `calls`, apart from the text.
    """
    note_ignored(row, note)
    return cleaned(READERS[layout](row, note), note)


def note_ignored(row: Mapping[str, Any], note: Note) -> None:
    """Note the fields that hold something no text model can learn from."""
    for name in sorted(set(row) & IGNORED_FIELDS):
        if row[name]:
            note("field.ignored", name, say("`{field}` is not used in training", field=name))


def cleaned(messages: list[Message] | None, note: Note) -> list[Message] | None:
    """Return the messages without what no model should learn; None stays None."""
    if messages is None:
        return None
    return [
        message._replace(
            text=clean(message.text, message.field, note), calls=clean(message.calls, message.field, note)
        )
        for message in messages
    ]


def alpaca(row: Mapping[str, Any], note: Note) -> list[Message] | None:
    """instruction + input ask, output answers; history holds earlier turns, system the system prompt."""
    if not has(row, "alpaca", note):
        return None
    asked, output = alpaca_prompt(row, note), optional(row, "output", note)
    return None if asked is None or output is None else [*asked, Message("assistant", output, "output")]


def alpaca_prompt(row: Mapping[str, Any], note: Note) -> list[Message] | None:
    """System prompt, earlier turns and the question of an alpaca row."""
    system, instruction = optional(row, "system", note), optional(row, "instruction", note)
    extra = optional(row, "input", note)
    history = parsed(row.get("history")) or []
    if system is None or instruction is None or extra is None:
        return None
    if not isinstance(history, list) or not all(
        isinstance(pair, list) and len(pair) == 2 for pair in history
    ):
        note("field.type", "history", say("`history` must be a list of [question, answer] pairs"))
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
    return [*messages, Message("user", question, "instruction")]


def src_tgt(row: Mapping[str, Any], note: Note) -> list[Message] | None:
    """PaddleNLP's own layout: text or lists of equal length, with an optional `context.system`."""
    if not has(row, "src_tgt", note):
        return None
    messages = src_tgt_turns(row, note)
    if messages is None:
        return None
    questions = sum(message.role == "user" for message in messages)
    answers = sum(message.role == "assistant" for message in messages)
    if questions != answers:
        note("turns.unequal", "tgt", unequal(questions, answers))
        return None
    return messages


def unequal(questions: int, answers: int) -> str:
    """Say that questions and answers do not pair up."""
    return say("{questions} questions but {answers} answers", questions=questions, answers=answers)


def src_tgt_turns(row: Mapping[str, Any], note: Note) -> list[Message] | None:
    """`src` and `tgt` in turn, with `context.system` or `system` before them; one list may be longer."""
    sides = [row["src"], row["tgt"]]
    if all(
        isinstance(cell, list) and all(isinstance(turn, str) for turn in cell) for cell in map(parsed, sides)
    ):
        sides = [parsed(side) for side in sides]
    sides = [side if isinstance(side, list) else [side] for side in sides]
    context = parsed(row.get("context"))
    system = optional(
        context if isinstance(context, Mapping) and context.get("system") else row, "system", note
    )
    if system is None:
        return None
    messages = [Message("system", system, "system")] if system.strip() else []
    many = len(sides[0]) > 1
    for index in range(max(map(len, sides))):
        for name, role, side in (("src", "user", sides[0]), ("tgt", "assistant", sides[1])):
            if index >= len(side):
                continue
            field = f"{name}[{index}]" if many else name
            text = as_text(side[index], field, note)
            if text is None:
                return None
            messages.append(Message(ROLES[role], text, field))
    return messages


def openai(row: Mapping[str, Any], note: Note) -> list[Message] | None:
    """`messages`: role and content; content may be a list of text parts."""
    return turns(row, "messages", note)


def sharegpt(row: Mapping[str, Any], note: Note) -> list[Message] | None:
    """`conversations`: from and value, with an optional `system` beside it."""
    return with_system(row, turns(row, "conversations", note), note)


def with_system(row: Mapping[str, Any], messages: list[Message] | None, note: Note) -> list[Message] | None:
    """Return the messages behind the row's own `system`, if it has one and they do not."""
    system = optional(row, "system", note)
    if messages is None or system is None:
        return None
    if system.strip() and not (messages and messages[0].role == "system"):
        return [Message("system", system, "system"), *messages]
    return messages


def turns(row: Mapping[str, Any], name: str, note: Note) -> list[Message] | None:
    """Read a list of turns. Each has `role`/`content` or `from`/`value`, whichever list it stands in."""
    value = parsed(row.get(name))
    if isinstance(value, Mapping):  # Arrow's other way to store a list of records: a record of lists
        value = [dict(zip(value, entries, strict=False)) for entries in zip(*value.values(), strict=False)]
    if value is None:
        note("field.missing", name, missing(name))
        return None
    if not isinstance(value, list):
        what = say("`{field}` must be a list of turns, not {found}", field=name, found=type_name(value))
        note("field.type", name, what)
        return None
    messages: list[Message] = []
    for index, entry in enumerate(value):
        message = turn(entry, f"{name}[{index}]", note)
        if message is None:
            return None
        messages.append(message)
    return messages


def turn(entry: Any, place: str, note: Note) -> Message | None:
    """Read one turn; None (and a note) when it has no known role or no text."""
    if not isinstance(entry, Mapping):
        what = say("a turn must be an object with role and text, not {found}", found=type_name(entry))
        note("field.type", place, what)
        return None
    role_key, text_key = ("from", "value") if "from" in entry else ("role", "content")
    role = entry.get(role_key)
    known = ROLES.get(role.lower()) if isinstance(role, str) else None
    if known is None:
        what = (
            say("the role {role} is unknown", role=repr(role))
            if role is not None
            else say("the turn has no `{field}`", field=role_key)
        )
        known_roles = say("{what}; known are {roles}", what=what, roles=", ".join(ROLES))
        note("role.unknown", f"{place}.{role_key}", known_roles)
        return None
    field = f"{place}.{text_key}"
    called = parsed(entry.get("tool_calls")) or None
    content = entry.get(text_key)
    text = "" if content is None and called else as_text(content, field, note)
    if text is None:
        return None
    role = str(role).lower()
    if role in CALL_ROLES:
        return Message(known, "", field, calls=text)
    calls = json.dumps(called, ensure_ascii=False) if called else ""
    return Message(known, text, field, calls, result=role in RESULT_ROLES)


READERS: dict[Format, Callable[[Mapping[str, Any], Note], list[Message] | None]] = {
    "alpaca": alpaca,
    "sharegpt": sharegpt,
    "messages": openai,
    "src_tgt": src_tgt,
}
"""Layout -> its reader."""


def has(row: Mapping[str, Any], layout: Format, note: Note) -> bool:
    """Return whether the row has the layout's required fields; note the first that is missing."""
    for name in ALL_LAYOUTS[layout].required:
        if row.get(name) is None:
            code = "answer.missing" if name in ("output", "tgt") else "field.missing"
            note(code, name, missing(name))
            return False
    return True


def missing(name: str) -> str:
    """Say that a field is missing."""
    return say("`{field}` is missing", field=name)


def optional(row: Mapping[str, Any], name: str, note: Note) -> str | None:
    """Return a field's text, "" when it is absent or null, or None (and a note) when it is no text."""
    value = row.get(name)
    return "" if value is None else as_text(value, name, note)


def type_name(value: Any) -> str:
    """Return a JSON value's type in words."""
    if value is None:
        return "null"
    for kinds, word in TYPE_WORDS:
        if isinstance(value, kinds):
            return say(word)
    return type(value).__name__


TYPE_WORDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (str, template("text")),
    (bool, template("true/false")),
    ((int, float), template("a number")),
    (list, template("a list")),
    (Mapping, template("an object")),
)
"""JSON types in words; the first that fits counts."""
