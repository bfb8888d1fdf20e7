"""The one shape of a row after reading: messages, then a conversation of question/answer pairs, then
PaddleNLP's row.

PaddleNLP's row is `{"src": [questions], "tgt": [answers]}`. Always lists, because upstream's script reads the
file through Arrow, where a column is either text or lists. The system prompt goes into `{"context":
{"system": ...}}`, PaddleNLP's own place for it. Upstream passes it on only to a `chat_template.json`; with
the Jinja template of a `tokenizer_config.json` it is ignored there, and Steersman's own worker renders it.
Once one row has a system prompt all rows get a `context`: Arrow would make a missing one null, at which
upstream's script fails.
"""

from __future__ import annotations

import json
from typing import Any, Literal, NamedTuple

Role = Literal["system", "user", "assistant"]


class Message(NamedTuple):
    """One message as read. `field` names its place in the row, such as `messages[2].content`."""

    role: Role
    text: str
    field: str


class Conversation(NamedTuple):
    """A validated row: at least one (question, answer) pair, none of them empty."""

    system: str
    pairs: tuple[tuple[str, str], ...]

    def messages(self) -> list[dict[str, str]]:
        """Return role/content dictionaries of the system prompt and all pairs."""
        found = [{"role": "system", "content": self.system}] if self.system else []
        for question, answer in self.pairs:
            found.append({"role": "user", "content": question})
            found.append({"role": "assistant", "content": answer})
        return found

    def canonical(self) -> str:
        """Return the conversation as one line of JSON: what duplicates and the split are decided by."""
        return json.dumps([self.system, self.pairs], ensure_ascii=False, separators=(",", ":"))


def paddlenlp_row(conversation: Conversation, with_context: bool) -> dict[str, Any]:
    """Return the row in PaddleNLP's format; `with_context` when any row of the set has a system prompt."""
    row: dict[str, Any] = {
        "src": [question for question, _ in conversation.pairs],
        "tgt": [answer for _, answer in conversation.pairs],
    }
    if with_context:
        row["context"] = {"system": conversation.system}
    return row
