"""From a raw row of any layout to a conversation: the one way in for scanning, fixing and preparing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from planner.language import say
from runtime.data.cells import parsed
from runtime.data.chat_template import ChatTemplate
from runtime.data.conversation import Conversation, Message, plain_text
from runtime.data.findings import Note
from runtime.data.formats import Format, kind_of
from runtime.data.pairs import judged_conversation, read_judged
from runtime.data.retrieval import read_retrieval
from runtime.data.rows import messages_of, missing
from runtime.data.text import as_text, clean
from runtime.data.tools import tools_of, uses_tools, with_tools
from runtime.data.validate import conversation_of


def read_row(
    row: Mapping[str, Any], layout: Format, template: ChatTemplate | None, note: Note
) -> Conversation | None:
    """Return what can be trained on, or None (and a note) when the row cannot be used.

    `template` writes tool calls, if it can; what it cannot write is noted and stays plain text.
    """
    kind = kind_of(layout)
    if kind == "text":
        return read_text(row, note)
    if kind == "retrieval":
        found = read_retrieval(row, layout, note)
        return None if found is None else found.conversation()
    if kind == "conversation":
        messages = messages_of(row, layout, note)
        return None if messages is None else spoken(messages, row.get("tools"), template, note)
    judged = read_judged(row, layout, note)
    if judged is None:
        return None
    everything = [*judged.prompt, *judged.answer, *judged.rejected]
    note_plain_tools(everything, row.get("tools"), note)
    return judged_conversation(judged, note)


def read_text(row: Mapping[str, Any], note: Note) -> Conversation | None:
    """Return a plain text; empty ones teach nothing."""
    if row.get("text") is None:
        note("field.missing", "text", missing("text"))
        return None
    text = as_text(row["text"], "text", note)
    if text is None:
        return None
    text = clean(text, "text", note)
    if not text.strip():
        note("answer.empty", "text", say("the text is empty"))
        return None
    return plain_text(text)


def spoken(
    messages: list[Message], tools: Any, template: ChatTemplate | None, note: Note
) -> Conversation | None:
    """Return the conversation, tool calls as the template writes them, or as plain text."""
    if parsed(tools) or uses_tools(messages):
        known = tools_of(tools)
        found = with_tools(messages, known, template) if known or not parsed(tools) else None
        if found is not None:
            return found
        note_plain_tools(messages, tools, note)
    return conversation_of([message.plain() for message in messages], note)


def note_plain_tools(messages: list[Message], tools: Any, note: Note) -> None:
    """Note that tools are left out, and that their calls and results are ordinary text."""
    if parsed(tools):
        note("field.ignored", "tools", say("`{field}` is not used in training", field="tools"))
    first = next((message for message in messages if message.calls or message.result), None)
    if first is not None:
        what = say("tool calls and their results are trained on as ordinary answers and questions")
        note("role.tool", first.field.split("[")[0], what)
