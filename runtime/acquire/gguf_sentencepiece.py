"""Rebuild SentencePiece's BPE (llama 1 and 2, mistral, gemma) from the fields of a GGUF file.

GGUF calls it `llama` and keeps the pieces with their scores, no merges. A piece is made by merging any two
others that spell it, best score first; that is how SentencePiece's own BPE encodes, so the merges follow.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors

from planner.errors import BadInput
from planner.language import say

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, BYTE = 1, 2, 3, 4, 6
"""Values of `tokenizer.ggml.token_type` (gguf.TokenType)."""

SPACE = "\N{LOWER ONE EIGHTH BLOCK}"
"""What SentencePiece writes for a space."""


def merges_of(tokens: list[str], scores: list[float], types: list[int]) -> list[tuple[str, str]]:
    """Return every way to make a normal piece of two others, the best piece first."""
    ids = {token: index for index, token in enumerate(tokens)}
    found: list[tuple[float, int, int, str, str]] = []
    for index, (token, score, kind) in enumerate(zip(tokens, scores, types, strict=True)):
        if kind != NORMAL:
            continue
        for cut in range(1, len(token)):
            left, right = token[:cut], token[cut:]
            if left in ids and right in ids:
                found.append((-score, index, cut, left, right))
    return [(left, right) for _, _, _, left, right in sorted(found)]


def build_sentencepiece(fields: Mapping[str, Any]) -> Tokenizer:
    """Return the tokenizer that `fields` (GGUF key -> value) describe; BadInput if they are incomplete."""
    try:
        tokens: list[str] = fields["tokenizer.ggml.tokens"]
        scores: list[float] = fields["tokenizer.ggml.scores"]
        types: list[int] = fields["tokenizer.ggml.token_type"]
        merges = merges_of(tokens, scores, types)
    except (KeyError, ValueError) as error:
        raise BadInput(
            say("The GGUF file's tokenizer is damaged: {reason}.", reason=error),
            remedy=say("Fetch the file again."),
        ) from error
    unknown = next((token for token, kind in zip(tokens, types, strict=True) if kind == UNKNOWN), None)
    vocabulary = {token: index for index, token in enumerate(tokens)}
    model = models.BPE(
        vocab=vocabulary, merges=merges, unk_token=unknown, fuse_unk=True, byte_fallback=BYTE in types
    )
    tokenizer = Tokenizer(model)
    prefixed = bool(fields.get("tokenizer.ggml.add_space_prefix", True))
    spaces: normalizers.Normalizer = normalizers.Replace(" ", SPACE)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(SPACE), spaces]) if prefixed else spaces
    parts = [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    tokenizer.decoder = decoders.Sequence([*parts, decoders.Strip(" ", 1, 0)] if prefixed else parts)
    for token, kind in zip(tokens, types, strict=True):
        if kind in (UNKNOWN, CONTROL, USER_DEFINED):
            tokenizer.add_tokens([AddedToken(token, special=kind != USER_DEFINED, normalized=False)])
    if fields.get("tokenizer.ggml.add_bos_token", True) and "tokenizer.ggml.bos_token_id" in fields:
        bos = int(fields["tokenizer.ggml.bos_token_id"])
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{tokens[bos]} $A",
            pair=f"{tokens[bos]} $A {tokens[bos]}:1 $B:1",
            special_tokens=[(tokens[bos], bos)],
        )
    return tokenizer
