"""A row as it is trained on, token by token: which of them carry loss, which are special, which are cut off.

The texts come from the same parts, the tokens from the same tokenizer as the training worker's, so the
screen shows what the engine learns.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from runtime.data.chat_template import Parts
from runtime.data.tokens import TokenCounter


class Token(NamedTuple):
    """A piece of a row. Characters that several tokens share stand together; joined, pieces are the text."""

    text: str
    trained: bool
    """Whether the model is taught to write it: its label is not ignored."""
    special: bool
    """Whether it is one of the tokenizer's own tokens, such as <|im_end|>."""
    cut: bool
    """Whether it lies beyond max_length, so that nothing of it is seen."""
    tokens: int
    """How many tokens it stands for; an estimate without a tokenizer."""


def masked_row(counter: TokenCounter, parts: Parts, max_length: int | None = None) -> tuple[Token, ...]:
    """Return the tokens of a row's (prompt, answer) parts in order.

    Those before `max_length` are the worker's input with its label after them: `trained` says the same as
    `TokenCounter.ids_and_labels`. Without a tokenizer.json each part is one piece of an estimated length.
    """
    found: list[Token] = []
    reached = 0
    for part in parts:
        for text, trained in zip(part, (False, True), strict=True):
            for piece, special, tokens in pieces(counter, text):
                room = tokens if max_length is None else min(tokens, max(0, max_length - reached))
                if room:
                    found.append(Token(piece, trained, special, False, room))
                if room < tokens:
                    found.append(Token("" if room else piece, False, special, True, tokens - room))
                reached += tokens
    return tuple(found)


def pieces(counter: TokenCounter, text: str) -> Iterator[tuple[str, bool, int]]:
    """Yield (text, whether special, number of tokens) of each piece of `text`."""
    if counter.tokenizer is None:
        if text:
            yield text, False, counter.count([text])[0]
        return
    encoding = counter.tokenizer.encode(text, add_special_tokens=False)
    special = {
        number for number, token in counter.tokenizer.get_added_tokens_decoder().items() if token.special
    }
    start, tokens, kind = 0, 0, False
    ends = [*(begin for begin, _ in encoding.offsets[1:]), len(text)]
    for number, end in zip(encoding.ids, ends, strict=False):
        tokens += 1
        kind = kind or number in special
        if end > start:
            yield text[start:end], kind, tokens
            start, tokens, kind = end, 0, False
    if tokens:
        yield text[start:], kind, tokens
