"""From messages to prompt tokens and back to text, by the very template and tokenizer that training uses."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runtime.workers.conversation import render
from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say
from runtime.workers.toolkit import is_paddleformers

Message = dict[str, str]


def load_tokenizer(base: str | Path) -> Any:
    """Return the tokenizer of a converted model folder, as the training worker loads it."""
    if is_paddleformers():
        from runtime.workers.paddleformers.tokenizer import load

        return load(base)
    from paddlenlp.transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(str(base), use_fast=True)


def encode_prompt(tokenizer: Any, messages: Sequence[Message]) -> list[int]:
    """Return the tokens after which the model's answer to `messages` begins.

    The template adds whatever it adds in training too, such as the default system prompt. A tokenizer
    without a template was trained on bare text with the end token after each answer.
    """
    if not messages or messages[-1]["role"] == "assistant":
        raise RefusedError(say("A prompt must end with a message that the model is to answer."))
    if tokenizer.chat_template is not None:
        text = render(tokenizer, list(messages), prompt=True)
        return [int(token) for token in tokenizer(text, add_special_tokens=False)["input_ids"]]
    tokens: list[int] = []
    for message in messages:
        tokens += tokenizer(message["content"], add_special_tokens=False)["input_ids"]
        if message["role"] == "assistant":
            tokens.append(tokenizer.eos_token_id)
    return tokens


def end_tokens(tokenizer: Any, *folders: str | Path) -> set[int]:
    """Return every token that ends an answer.

    These are the tokenizer's end of sequence, those that generation_config.json of `folders` names, and the
    special token that the chat template puts after an answer.
    """
    ends = {tokenizer.eos_token_id}
    for folder in folders:
        path = Path(folder) / "generation_config.json"
        if path.exists():
            named = json.loads(path.read_text(encoding="utf-8")).get("eos_token_id")
            ends.update(named if isinstance(named, list) else [named])
    if tokenizer.chat_template is not None:
        answered = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
        text = render(tokenizer, answered, prompt=False)
        after = text[len(render(tokenizer, answered[:1], prompt=True)) + 1 :]
        following = tokenizer(after, add_special_tokens=False)["input_ids"]
        if following and following[0] in tokenizer.all_special_ids:
            ends.add(following[0])
    return {int(token) for token in ends if token is not None}


def decode_answer(tokenizer: Any, tokens: Sequence[int]) -> str:
    """Return an answer's text as it is: no special tokens, no spaces moved around punctuation."""
    text: str = tokenizer.decode(list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return text
