"""Proof that PaddleNLP's tokenizer gives the ids of the `tokenizers` library, chat turns included.

The slow Qwen2 tokenizer drops the newline between `<|im_end|>` and `<|im_start|>`; the model then trains on
another format than it was made for, and nothing complains.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from runtime.workers.speech import say

STRINGS = (
    "The capital of France is Paris.",
    "  Two leading spaces, a\ttab, and a trailing space ",
    "Digits: 0 12 345 6789 3.14159, 1,000,000",
    "It's they'll I'VE don't",
    "naïve café, Grüße, привет, 你好，世界！ こんにちは 🎉👩‍🚀",
    "def f(x):\n    return {'a': [x ** 2]}\n\n\n# done\r\n",
    "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello!<|im_end|>\n<|im_start|>user\n",
    "\n\n<|im_end|>\n \n<|im_start|>",
)
"""Text on which tokenizers are known to differ."""

CHAT = (
    {"role": "user", "content": "What is the capital of France?"},
    {"role": "assistant", "content": "Paris.\n\nAnything else?"},
    {"role": "user", "content": "No, thanks."},
)


def render_as_hugging_face(template: str, tokens: dict[str, Any], messages: Any, prompt: bool) -> str:
    """Return the chat as `transformers` renders it (same Jinja settings and functions)."""

    def refuse(message: str) -> None:
        raise ValueError(message)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
    )
    environment.filters["tojson"] = lambda value, **options: json.dumps(value, ensure_ascii=False, **options)
    environment.globals["raise_exception"] = refuse
    rendered: str = environment.from_string(template).render(
        messages=messages, add_generation_prompt=prompt, **tokens
    )
    return rendered


def first_difference(folder: Path, tokenizer: Any) -> tuple[int, str]:
    """Return how many strings were compared and, in words, the first that differs (empty when none does).

    `tokenizer` is PaddleNLP's, loaded from `folder`. Without a tokenizer.json there is nothing to compare:
    (0, "").
    """
    if not (folder / "tokenizer.json").exists():
        return 0, ""
    from tokenizers import Tokenizer

    reference = Tokenizer.from_file(str(folder / "tokenizer.json"))
    strings = list(STRINGS)
    config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    template = config.get("chat_template")
    if isinstance(template, str):
        for prompt in (False, True):
            try:
                expected = render_as_hugging_face(template, tokenizer.special_tokens_map, CHAT, prompt)
            except (
                Exception
            ):  # Templates may use functions of newer versions, or refuse this chat: nothing to compare.
                continue
            rendered = tokenizer.chat_template.render(
                messages=list(CHAT), add_generation_prompt=prompt, **tokenizer.special_tokens_map
            )
            if rendered != expected:
                return len(strings), say(
                    "a chat is rendered as {rendered!r} instead of {expected!r}",
                    rendered=rendered,
                    expected=expected,
                )
            strings.append(expected)
    for text in strings:
        wanted = reference.encode(text, add_special_tokens=False).ids
        given = tokenizer(text, add_special_tokens=False)["input_ids"]
        if list(given) != wanted:
            return len(strings), say(
                "{text!r} becomes {given} instead of {wanted}", text=text, given=list(given), wanted=wanted
            )
    return len(strings), ""
