"""A row between two layouts: everything that some layout can say, tools and their calls included."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from runtime.data.conversation import Conversation, Kind, Message
from runtime.data.findings import Note
from runtime.data.formats import Format, kind_of
from runtime.data.pairs import judged_conversation, read_judged
from runtime.data.reading import read_text
from runtime.data.retrieval import Retrieval, read_retrieval
from runtime.data.rows import messages_of
from runtime.data.tools import tools_of, uses_tools
from runtime.data.validate import conversation_of


class Example(NamedTuple):
    """`messages` end with the better or only answer; a plain text is their only one."""

    kind: Kind
    messages: tuple[Message, ...]
    rejected: tuple[Message, ...] = ()
    label: bool | None = None
    tools: tuple[Any, ...] = ()

    @property
    def system(self) -> str:
        """The system prompt, if there is one."""
        first = self.messages[:1]
        return first[0].text if first and first[0].role == "system" else ""

    @property
    def turns(self) -> tuple[Message, ...]:
        """The messages without the system prompt."""
        return self.messages[1:] if self.messages[:1] and self.messages[0].role == "system" else self.messages

    @property
    def has_tools(self) -> bool:
        """Whether tools are listed, called, or answer."""
        return bool(self.tools) or uses_tools([*self.messages, *self.rejected])

    def conversation(self, note: Note) -> Conversation | None:
        """Return the row to train on, with tool calls as text, or None (and a note)."""
        if self.kind == "text":
            return Conversation("", (("", self.messages[0].text),))
        if self.kind == "retrieval":
            query, *good = (message.text for message in self.messages)
            return Retrieval(
                query, tuple(good), tuple(message.text for message in self.rejected)
            ).conversation()
        if self.kind == "preference":
            from runtime.data.pairs import Judged

            *prompt, answer = self.messages
            return judged_conversation(Judged(prompt, [answer], list(self.rejected), None), note)
        found = conversation_of([message.plain() for message in self.messages], note)
        return None if found is None else found._replace(label=self.label)


def read_example(row: Mapping[str, Any], layout: Format, note: Note) -> Example | None:
    """Return a row of any layout, or None (and a note) when it cannot be read."""
    kind = kind_of(layout)
    if kind == "text":
        text = read_text(row, note)
        return None if text is None else Example("text", (Message("assistant", text.pairs[0][1], "text"),))
    if kind == "retrieval":
        passages = read_retrieval(row, layout, note)
        return None if passages is None else example_of(passages.conversation())
    tools = tuple(tools_of(row.get("tools")))
    if kind == "conversation":
        messages = messages_of(row, layout, note)
        return None if messages is None else Example(kind, tuple(messages), tools=tools)
    found = read_judged(row, layout, note)
    if found is None or not (found.prompt or found.answer):
        return None
    return Example(kind, (*found.prompt, *found.answer), tuple(found.rejected), found.label, tools)


def example_of(conversation: Conversation, tools: tuple[Any, ...] = ()) -> Example:
    """Return a validated row as messages again."""
    said = conversation._replace(rejected="", negatives=None).messages()
    messages = tuple(Message(entry["role"], entry["content"], "") for entry in said)  # type: ignore[arg-type]
    worse = (conversation.rejected,) if conversation.rejected else conversation.negatives or ()
    rejected = tuple(Message("assistant", text, "") for text in worse)
    return Example(conversation.kind, messages, rejected, conversation.label, tools)
