"""Tool calls as the model's chat template writes them.

The template renders the conversation with its tools once. From that text the system prompt, the questions
and the answers are taken so that rendering them *without* tools gives the same text again. So every engine
trains on what the template makes of tool calls, though it knows only questions and answers. Where the two
texts differ (a template with a role of its own for results, or one without tools), this gives None, and the
calls are trained on as ordinary text, which is said.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from runtime.data.cells import parsed
from runtime.data.chat_template import (
    ChatTemplate,
    Parts,
    TemplateRefusedError,
    TemplateRewritesError,
    parts_of,
)
from runtime.data.conversation import Conversation, Message

MARKS = ("\ue000s", "\ue000u", "\ue000a", "\ue000v", "\ue000b")
"""Stand for a system prompt, two questions and two answers while the template is asked for its frames."""


class Frame(NamedTuple):
    """What a template writes before and behind a text."""

    before: str
    behind: str

    def inside(self, text: str) -> str | None:
        """Return what stands in the frame; None when `text` has another frame."""
        long_enough = len(text) >= len(self.before) + len(self.behind)
        if not (long_enough and text.startswith(self.before) and text.endswith(self.behind)):
            return None
        return text[len(self.before) : len(text) - len(self.behind)]


class Frames(NamedTuple):
    """The frames of a template without tools."""

    opening: str
    middle: str
    closing: str
    answer: Frame
    question: Frame


def tools_of(value: Any) -> list[Any]:
    """Return the tools of a row as a list; none for anything that is no list of objects."""
    found = parsed(value)
    return found if isinstance(found, list) and all(isinstance(tool, Mapping) for tool in found) else []


def function_form(tools: list[Any]) -> list[dict[str, Any]]:
    """Return the tools as OpenAI's API has them, which is what templates expect."""
    return [
        dict(tool) if "function" in tool else {"type": "function", "function": dict(tool)} for tool in tools
    ]


def calls_of(text: str) -> list[dict[str, Any]] | None:
    """Return the calls in a message, each with `name` and `arguments`; None when they cannot be read."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    calls = []
    for call in found if isinstance(found, list) else [found]:
        inner = call.get("function", call) if isinstance(call, Mapping) else {}
        arguments = inner.get("arguments", {}) if isinstance(inner, Mapping) else None
        arguments = parsed(arguments)
        if not isinstance(inner.get("name"), str) or not isinstance(arguments, Mapping):
            return None
        calls.append({"name": inner["name"], "arguments": dict(arguments)})
    return calls or None


def uses_tools(messages: list[Message]) -> bool:
    """Return whether a tool is called, or answers."""
    return any(message.calls or message.result for message in messages)


def with_tools(
    messages: list[Message], tools: list[Any], template: ChatTemplate | None
) -> Conversation | None:
    """Return the conversation whose plain rendering is the template's rendering with tools; None: there is
    none."""
    if template is None or not template.takes_tools:
        return None
    spoken = [spoken_form(message) for message in messages]
    if not spoken or any(message is None for message in spoken):
        return None
    try:
        parts = parts_of(template, [message for message in spoken if message], function_form(tools))
        found = flattened(parts, messages, template)
        return found if found is not None and template.parts(found) == parts else None
    except (TemplateRefusedError, TemplateRewritesError):
        return None


def spoken_form(message: Message) -> dict[str, Any] | None:
    """Return a message as templates expect it; None when its calls cannot be read."""
    if message.result:
        return {"role": "tool", "content": message.text}
    if not message.calls:
        return {"role": message.role, "content": message.text}
    calls = calls_of(message.calls)
    if calls is None:
        return None
    return {
        "role": "assistant",
        "content": message.text,
        "tool_calls": [{"type": "function", "function": call} for call in calls],
    }


def flattened(parts: Parts, messages: list[Message], template: ChatTemplate) -> Conversation | None:
    """Return the texts inside the template's frames; None where a part has another frame."""
    frames = frames_of(template)
    first = next((message.text for message in messages if message.role == "user"), None)
    if frames is None or first is None or not parts:
        return None
    opened = Frame(frames.opening, frames.middle + first + frames.closing).inside(parts[0][0])
    questions = [first, *(frames.question.inside(prompt) for prompt, _ in parts[1:])]
    answers = [frames.answer.inside(answer) for _, answer in parts]
    if opened is None or None in questions or None in answers:
        return None
    pairs = tuple((question or "", answer or "") for question, answer in zip(questions, answers, strict=True))
    return Conversation(opened, pairs)


def frames_of(template: ChatTemplate) -> Frames | None:
    """Ask the template for what it writes around the texts; None where it changes them."""
    system, asked, answered, again, last = MARKS
    parts = template.parts(Conversation(system, ((asked, answered), (again, last))))
    pieces = [
        text.split(mark)
        for text, mark in zip(
            (parts[0][0], parts[0][1], parts[1][0], parts[1][1]), (asked, answered, again, last), strict=True
        )
    ]
    head = pieces[0][0].split(system)
    if any(len(piece) != 2 for piece in pieces) or len(head) != 2:
        return None
    return Frames(head[0], head[1], pieces[0][1], Frame(*pieces[1]), Frame(*pieces[2]))
