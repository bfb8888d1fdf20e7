"""Turn one row of PaddleNLP's src/tgt format into token ids and labels, as upstream's own script does.

The text comes from the tokenizer's chat template. Upstream finds the answers by searching the rendered text
for them, which miscounts as soon as a question repeats an answer; here every turn is what the template adds
to the turns before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say

if TYPE_CHECKING:
    from paddlenlp.transformers import PretrainedTokenizer

IGNORED = -100
"""Label of a position that carries no loss."""


class Tokens(NamedTuple):
    """A row ready for training: `labels[i]` is the token that should follow `input_ids[i]`, or `IGNORED`."""

    input_ids: list[int]
    labels: list[int]
    cut: bool

    @property
    def teaches(self) -> bool:
        """Whether any position carries loss."""
        return any(label != IGNORED for label in self.labels)


def as_list(value: Any) -> list[str]:
    """Return a turn or a list of turns as a list."""
    return list(value) if isinstance(value, (list, tuple)) else [value]


def turns(row: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the (question, answer) pairs of a row; raises `RefusedError` when they do not pair up."""
    try:
        questions, answers = as_list(row["src"]), as_list(row["tgt"])
    except KeyError as error:
        raise RefusedError(
            say(
                "A data row has no field `{field}`; its fields are {fields}.",
                field=error.args[0],
                fields=", ".join(row),
            )
        ) from error
    if len(questions) != len(answers) or not questions:
        raise RefusedError(
            say(
                "A data row has {questions} questions but {answers} answers.",
                questions=len(questions),
                answers=len(answers),
            )
        )
    return list(zip(questions, answers, strict=True))


def render(tokenizer: PretrainedTokenizer, messages: list[dict[str, str]], prompt: bool) -> str:
    """Return `messages` in the model's chat format; `prompt` appends the header of the answer to come."""
    text: str = tokenizer.chat_template.render(
        messages=messages, add_generation_prompt=prompt, **tokenizer.special_tokens_map
    )
    return text


def rendered_turns(
    tokenizer: PretrainedTokenizer, pairs: list[tuple[str, str]], system: str
) -> list[tuple[str, str]]:
    """Return (prompt text, answer text) per turn; joined they are the rendered conversation."""
    messages = [{"role": "system", "content": system}] if system else []
    parts, so_far = [], ""
    for question, answer in pairs:
        messages = [*messages, {"role": "user", "content": question}]
        with_prompt = render(tokenizer, messages, prompt=True)
        messages = [*messages, {"role": "assistant", "content": answer}]
        whole = render(tokenizer, messages, prompt=False)
        if not (with_prompt.startswith(so_far) and whole.startswith(with_prompt)):
            raise RefusedError(
                say("The model's chat template rewrites earlier turns when a new one comes."),
                say("The answers of such a conversation cannot be told from its questions."),
                say("Use rows of one turn, or another chat template."),
            )
        parts.append((with_prompt[len(so_far) :], whole[len(with_prompt) :]))
        so_far = whole
    return parts


def encode_turns(tokenizer: PretrainedTokenizer, row: dict[str, Any]) -> list[tuple[list[int], list[int]]]:
    """Return (prompt ids, answer ids) of every turn of `row`."""
    pairs = turns(row)
    if tokenizer.chat_template is None:
        texts = pairs
    elif hasattr(tokenizer.chat_template, "render_conversation"):  # PaddleNLP's own chat_template.json
        encoded = tokenizer.encode_chat_inputs(
            [list(pair) for pair in pairs], context_data={"is_training": True}
        )
        system = encoded.get("system") or []
        first, *others = encoded["conversations"]
        return [(system + first[0], first[1]), *((ask, answer) for ask, answer in others)]
    else:
        texts = rendered_turns(tokenizer, pairs, (row.get("context") or {}).get("system", ""))
    plain = tokenizer.chat_template is None
    ids = tokenizer([text for pair in texts for text in pair], add_special_tokens=False)["input_ids"]
    if plain:
        ids = [[*part, tokenizer.eos_token_id] if index % 2 else part for index, part in enumerate(ids)]
    return list(zip(ids[::2], ids[1::2], strict=True))


def encode(tokenizer: PretrainedTokenizer, row: dict[str, Any], src_length: int, max_length: int) -> Tokens:
    """Return the row's tokens, at most `max_length` before the shift by one.

    Whole turns are kept from the last one backwards. When the last turn alone is too long its prompt is cut
    to `src_length` tokens, then its answer to what is left.
    """
    encoded = encode_turns(tokenizer, row)
    ids: list[int] = []
    labels: list[int] = []
    cut = False
    for index in range(len(encoded) - 1, -1, -1):
        prompt, answer = encoded[index]
        if len(ids) + len(prompt) + len(answer) > max_length:
            cut = True
            if index < len(encoded) - 1:
                break
            prompt = prompt[:src_length]
            answer = answer[: max_length - len(prompt)]
        ids = prompt + answer + ids
        labels = [IGNORED] * len(prompt) + answer + labels
        if cut:
            break
    return Tokens(ids[:-1], labels[1:], cut)
