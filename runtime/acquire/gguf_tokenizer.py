"""Rebuild a Hugging Face tokenizer from the fields of a GGUF file.

GGUF keeps the vocabulary, the merges, the kind of every token and the *name* of the splitting rule; the rule
itself lives in llama.cpp's code. `SPLITTERS` restates the rules that we have checked; a file with any other
name is refused, because a wrong rule gives other tokens silently.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from planner.errors import BadInput
from planner.language import say
from runtime.acquire.gguf_sentencepiece import build_sentencepiece

CONTROL, USER_DEFINED = 3, 4
"""Values of `tokenizer.ggml.token_type` (gguf.TokenType) of tokens that are never split."""

CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+"
TAIL = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def _by_pattern(pattern: str) -> Callable[[], pre_tokenizers.PreTokenizer]:
    return lambda: pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def _single_digits() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )


SPLITTERS: dict[str, Callable[[], pre_tokenizers.PreTokenizer]] = {
    "smollm": _single_digits,
    "starcoder": _single_digits,
    "refact": _single_digits,
    "gpt-2": lambda: pre_tokenizers.ByteLevel(add_prefix_space=False),
    "qwen2": _by_pattern(rf"{CONTRACTIONS}|\p{{N}}|{TAIL}"),
    "llama-bpe": _by_pattern(rf"{CONTRACTIONS}|\p{{N}}{{1,3}}|{TAIL}"),
}
"""`tokenizer.ggml.pre` -> how text is split before merging (llama.cpp, src/llama-vocab.cpp)."""


def build_tokenizer(fields: Mapping[str, Any]) -> Tokenizer:
    """Return the tokenizer that `fields` (GGUF key -> value) describe.

    Raises BadInput for a tokenizer that is neither byte-level BPE with a known splitting rule nor
    SentencePiece's BPE.
    """
    kind, rule = fields.get("tokenizer.ggml.model"), fields.get("tokenizer.ggml.pre", "gpt-2")
    if kind == "llama":
        return build_sentencepiece(fields)
    if kind != "gpt2" or rule not in SPLITTERS:
        raise BadInput(
            say(
                "Steersman cannot rebuild the GGUF file's {kind} tokenizer with the splitting rule {rule}.",
                kind=repr(kind),
                rule=repr(rule),
            ),
            why=say(
                "Known are SentencePiece tokenizers, and byte-level BPE with {rules}.",
                rules=", ".join(SPLITTERS),
            ),
            remedy=say("Use the model's Hugging Face folder instead of its GGUF file."),
        )
    tokens: list[str] = fields["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ", 1)) for merge in fields["tokenizer.ggml.merges"]]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    try:
        # A llama 3 vocabulary holds whole words that its merges cannot reach.
        model = models.BPE(vocab=vocabulary, merges=merges, ignore_merges=rule == "llama-bpe")
    except Exception as error:  # The library raises no other type.
        raise BadInput(
            say("The GGUF file's tokenizer is damaged: {reason}.", reason=error),
            remedy=say("Fetch the file again."),
        ) from error
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = SPLITTERS[rule]()
    tokenizer.decoder = decoders.ByteLevel()
    if rule == "qwen2":
        tokenizer.normalizer = normalizers.NFC()
    for token, token_type in zip(tokens, fields["tokenizer.ggml.token_type"], strict=True):
        if token_type in (CONTROL, USER_DEFINED):
            special = token_type == CONTROL
            tokenizer.add_tokens([AddedToken(token, special=special, normalized=False)])
    if fields.get("tokenizer.ggml.add_bos_token"):
        bos = int(fields["tokenizer.ggml.bos_token_id"])
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{tokens[bos]} $A",
            pair=f"{tokens[bos]} $A {tokens[bos]}:1 $B:1",
            special_tokens=[(tokens[bos], bos)],
        )
    return tokenizer


def special_ids(fields: Mapping[str, Any]) -> dict[str, int]:
    """Return those of `bos_token_id`, `eos_token_id`, `pad_token_id`, `unk_token_id` that the file names."""
    names = {"bos": "bos", "eos": "eos", "pad": "padding", "unk": "unknown"}
    found = {
        f"{short}_token_id": fields.get(f"tokenizer.ggml.{long}_token_id") for short, long in names.items()
    }
    return {name: int(value) for name, value in found.items() if value is not None}


def write_tokenizer(fields: Mapping[str, Any], folder: Path, max_length: int) -> None:
    """Write tokenizer.json and tokenizer_config.json (with the file's chat template) into `folder`."""
    tokenizer = build_tokenizer(fields)
    tokenizer.save(str(folder / "tokenizer.json"))
    tokens: list[str] = fields["tokenizer.ggml.tokens"]
    config: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": max_length,
        "model_input_names": ["input_ids", "attention_mask"],
        "clean_up_tokenization_spaces": False,
        "added_tokens_decoder": {
            str(index): {
                "content": token.content,
                "lstrip": token.lstrip,
                "normalized": token.normalized,
                "rstrip": token.rstrip,
                "single_word": token.single_word,
                "special": token.special,
            }
            for index, token in sorted(tokenizer.get_added_tokens_decoder().items())
        },
        **{name.removesuffix("_id"): tokens[index] for name, index in special_ids(fields).items()},
    }
    if template := fields.get("tokenizer.chat_template"):
        config["chat_template"] = template
    text = json.dumps(config, ensure_ascii=False, indent=2)
    (folder / "tokenizer_config.json").write_text(text, encoding="utf-8")
