"""How an answer is written in OpenAI's form: whole, or in the pieces of a stream."""

from __future__ import annotations

import time
import uuid
from abc import ABC, abstractmethod
from typing import Any

from runtime.serving.model import Reply


def usage_of(end: Reply) -> dict[str, int]:
    """Return the counts of tokens in OpenAI's words."""
    prompt, answer = int(end["prompt_tokens"]), int(end["tokens"])
    return {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}


class Form(ABC):
    """How an answer is written. One per request: all of its parts have the same id."""

    prefix = ""
    kind = ""
    chunk_kind = ""

    def __init__(self, model: str) -> None:
        self.model, self.id, self.created = model, f"{self.prefix}-{uuid.uuid4().hex}", int(time.time())

    def _frame(self, kind: str, choices: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        frame = {"id": self.id, "object": kind, "created": self.created, "model": self.model}
        return {**frame, "choices": choices, **more}

    def usage_chunk(self, end: Reply) -> dict[str, Any]:
        """Return the counts of tokens at the end of a stream."""
        return self._frame(self.chunk_kind, [], usage=usage_of(end))

    def opening(self) -> list[dict[str, Any]]:
        """Return what comes before the first piece."""
        return []

    def whole(self, text: str, end: Reply) -> dict[str, Any]:
        """Return an answer that is sent at once."""
        choice = {"index": 0, **self._said(text), "finish_reason": end["finish"], "logprobs": None}
        return self._frame(self.kind, [choice], usage=usage_of(end))

    def piece(self, text: str) -> dict[str, Any]:
        """Return a piece of a stream."""
        return self._frame(self.chunk_kind, [{"index": 0, **self._part(text), "finish_reason": None}])

    def closing(self, end: Reply) -> dict[str, Any]:
        """Return the last piece, which says why the answer ends."""
        return self._frame(self.chunk_kind, [{"index": 0, **self._part(""), "finish_reason": end["finish"]}])

    @abstractmethod
    def _said(self, text: str) -> dict[str, Any]:
        """Return where a whole answer stands in a choice."""

    @abstractmethod
    def _part(self, text: str) -> dict[str, Any]:
        """Return where a piece of an answer stands in a choice; an empty one ends it."""


class ChatForm(Form):
    """chat/completions."""

    prefix, kind, chunk_kind = "chatcmpl", "chat.completion", "chat.completion.chunk"

    def opening(self) -> list[dict[str, Any]]:
        """Return the piece that says whose turn it is."""
        delta = {"role": "assistant", "content": ""}
        return [self._frame(self.chunk_kind, [{"index": 0, "delta": delta, "finish_reason": None}])]

    def _said(self, text: str) -> dict[str, Any]:
        return {"message": {"role": "assistant", "content": text}}

    def _part(self, text: str) -> dict[str, Any]:
        return {"delta": {"content": text} if text else {}}


class TextForm(Form):
    """completions."""

    prefix, kind, chunk_kind = "cmpl", "text_completion", "text_completion"

    def _said(self, text: str) -> dict[str, Any]:
        return {"text": text}

    def _part(self, text: str) -> dict[str, Any]:
        return {"text": text, "logprobs": None}
