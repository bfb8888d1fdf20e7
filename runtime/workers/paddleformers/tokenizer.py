"""The tokenizer as the workers use it: PaddleFormers takes that of `transformers`, which renders chats.

PaddleNLP's hands out its compiled chat template instead, and what turns rows and prompts into tokens was
written for that; so the same face is given to this one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any


class Template:
    """A tokenizer's chat template."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer

    def render(self, *, messages: list[dict[str, str]], add_generation_prompt: bool, **tokens: Any) -> str:
        """Return the chat as text; special tokens are the tokenizer's own."""
        text: str = self.tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=add_generation_prompt
        )
        return text


class ChatTokenizer:
    """A tokenizer of `transformers` whose `chat_template` renders, or is None. All else is its own."""

    def __init__(self, tokenizer: Any) -> None:
        self.plain = tokenizer
        self.chat_template = Template(tokenizer) if tokenizer.chat_template is not None else None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.plain, name)

    def __call__(self, *texts: Any, **named: Any) -> Any:
        """Return the tokens of texts."""
        return self.plain(*texts, **named)


def load(folder: str | Path) -> ChatTokenizer:
    """Return the tokenizer of a model folder, with a padding token."""
    from paddleformers.transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "right"
    return ChatTokenizer(tokenizer)
