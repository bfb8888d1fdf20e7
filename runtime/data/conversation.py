"""The one shape of a row after reading: messages, then a conversation of question/answer pairs.

A conversation is what every layout and every kind of training comes down to. Preference pairs have a second,
rejected last answer; judged answers have a label; a plain text is an answer that nobody asked for. A query
with its passages has a pair for each passage that answers it, only the first of them with the query.
How a conversation is written for an engine stands in `runtime.data.engine_rows`.
"""

from __future__ import annotations

import json
from typing import Literal, NamedTuple

Role = Literal["system", "user", "assistant"]
Kind = Literal["conversation", "preference", "labelled", "text", "retrieval"]


class Message(NamedTuple):
    """One message as read. `field` names its place in the row, such as `messages[2].content`."""

    role: Role
    text: str
    field: str
    calls: str = ""
    """JSON list of the tools that an assistant calls, each with `name` and `arguments`."""
    result: bool = False
    """Whether a user's turn is what a tool answered."""

    def plain(self) -> Message:
        """Return the message with its tool calls as part of its text."""
        return Message(self.role, "\n".join(filter(None, (self.text, self.calls))), self.field)


class Conversation(NamedTuple):
    """A validated row: at least one (question, answer) pair, none of them empty.

    Only a plain text has an empty question.
    """

    system: str
    pairs: tuple[tuple[str, str], ...]
    rejected: str = ""
    """The worse of two last answers; the better one stands in the last pair."""
    label: bool | None = None
    """Whether the last answer was judged good."""
    negatives: tuple[str, ...] | None = None
    """Passages that do not answer the query; None where the row is no query with passages."""

    @property
    def kind(self) -> Kind:
        """What kind of training the row is made for."""
        if self.negatives is not None:
            return "retrieval"
        if self.rejected:
            return "preference"
        if self.label is not None:
            return "labelled"
        return "conversation" if self.pairs[0][0] else "text"

    def messages(self) -> list[dict[str, str]]:
        """Return role/content dictionaries of the system prompt and all pairs, what is rejected last."""
        found = [{"role": "system", "content": self.system}] if self.system else []
        for question, answer in self.pairs:
            found += [{"role": "user", "content": question}] if question else []
            found.append({"role": "assistant", "content": answer})
        worse = [self.rejected] if self.rejected else [*(self.negatives or ())]
        return found + [{"role": "assistant", "content": text} for text in worse]

    def with_rejected(self) -> Conversation:
        """Return the conversation as it would have been with the rejected answer."""
        return Conversation(self.system, (*self.pairs[:-1], (self.pairs[-1][0], self.rejected)))

    def canonical(self) -> str:
        """Return the conversation as one line of JSON: what duplicates and the split are decided by."""
        judged = [self.rejected, self.label] if self.kind in ("preference", "labelled") else []
        passages = ["", None, self.negatives] if self.kind == "retrieval" else []
        values = [self.system, self.pairs, *judged, *passages]
        return json.dumps(values, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def of_canonical(cls, text: str) -> Conversation:
        """Return the conversation of which `text` is the canonical line."""
        system, pairs, *judged = json.loads(text)
        found = cls(system, tuple((question, answer) for question, answer in pairs), *judged)
        return found if found.negatives is None else found._replace(negatives=tuple(found.negatives))


def plain_text(text: str) -> Conversation:
    """Return a text to be learned as it is."""
    return Conversation("", (("", text),))
