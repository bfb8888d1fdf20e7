"""How many tokens a conversation has, which of them carry loss, and what is done when they are too many.

Prompt and answer of every turn are tokenized by themselves, as the training worker does. What is too long is
cut here, in the text, so that nothing is left to cut for an engine, which would cut in the middle of the
template's own tokens. Only an answer that is too long stays whole: the engine trains on its beginning, and
not on an end that is not its own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tokenizers import Tokenizer

from planner.errors import BadInput
from runtime.data.chat_template import ChatTemplate, Parts, load_chat_template, read_config, token_text
from runtime.data.conversation import Conversation

Lengths = list[tuple[int, int]]
"""(prompt tokens, answer tokens) per turn."""


class TokenCounter:
    """A model's tokenizer and chat template.

    Without `tokenizer.json` lengths are estimated, and `exact` is False.
    """

    def __init__(self, tokenizer: Tokenizer | None, template: ChatTemplate | None, eos_token: str) -> None:
        self.tokenizer = tokenizer
        self.template = template
        self.eos_token = eos_token
        self.exact = tokenizer is not None
        special = [] if tokenizer is None else special_tokens(tokenizer)
        self.special = re.compile("|".join(map(re.escape, special))) if special else None

    def parts(self, conversation: Conversation) -> Parts:
        """Return (prompt text, answer text) per turn, rendered by the chat template when there is one."""
        if self.template is not None:
            return self.template.parts(conversation)
        return [(question, answer + self.eos_token) for question, answer in conversation.pairs]

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text."""
        if self.tokenizer is None:
            return [estimate(text) for text in texts]
        return [
            len(encoding) for encoding in self.tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        ]

    def lengths(self, all_parts: Sequence[Parts]) -> list[Lengths]:
        """Return (prompt tokens, answer tokens) per turn, for many rows at once: batches use all cores."""
        counts = iter(self.count([text for parts in all_parts for part in parts for text in part]))
        return [[(next(counts), next(counts)) for _ in parts] for parts in all_parts]

    def encode(self, text: str) -> list[int]:
        """Return the token ids of `text`, none added."""
        if self.tokenizer is None:
            raise BadInput("The model folder has no tokenizer.json.", remedy="Fetch the model again.")
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def ids_and_labels(
        self, conversation: Conversation, max_length: int | None = None
    ) -> tuple[list[int], list[int]]:
        """Return the training worker's ids and labels (-100: no loss), before the shift by one."""
        ids: list[int] = []
        labels: list[int] = []
        for prompt, answer in self.parts(conversation):
            prompt_ids, answer_ids = self.encode(prompt), self.encode(answer)
            ids += prompt_ids + answer_ids
            labels += [-100] * len(prompt_ids) + answer_ids
        return ids[:max_length], labels[:max_length]

    def head(self, text: str, tokens: int) -> str:
        """Return the beginning of `text` that has at most `tokens` tokens."""
        if self.tokenizer is None or tokens <= 0:
            return ""
        encoding = self.tokenizer.encode(text, add_special_tokens=False)
        if len(encoding) <= tokens:
            return text
        return text[: encoding.offsets[tokens][0]]


def special_tokens(tokenizer: Tokenizer) -> list[str]:
    """Return the tokens that end a turn or a text wherever they stand."""
    added = tokenizer.get_added_tokens_decoder().values()
    return sorted({token.content for token in added if token.special and len(token.content) > 2})


def estimate(text: str) -> int:
    """Return a guess of the token count: 4 ASCII characters, or 0.8 others, per token.

    Measured on alpaca: English 4.7 characters per token; Chinese 0.55 where the vocabulary does not know it
    (SmolLM2), about 1.5 where it does.
    """
    wide = len(text) - len(text.encode("ascii", "ignore"))
    return max(1, round((len(text) - wide) / 4 + wide / 0.8)) if text else 0


def load_counter(folder: Path | None) -> TokenCounter:
    """Return the counter for a model folder in Hugging Face's format;

    None or no tokenizer.json: an estimating one.
    """
    if folder is None:
        return TokenCounter(None, PLAIN_CHATML, "")
    template = load_chat_template(folder)
    eos = "" if template is None else str(template.special_tokens.get("eos_token", ""))
    path = folder / "tokenizer.json"
    if not path.exists():
        return TokenCounter(None, template, eos)
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception
        raise BadInput(f"{path} cannot be read: {error}.", remedy="Fetch the model again.") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    if template is None:
        eos = token_text(read_config(folder / "tokenizer_config.json").get("eos_token", ""))
    return TokenCounter(tokenizer, template, eos)


PLAIN_CHATML = ChatTemplate(
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
    {},
)
"""The commonest template, for estimates before the model is there."""


class Fitted(NamedTuple):
    """A conversation that fits, its lengths, and what had to be done: (code, what).

    `conversation` None: dropped.
    """

    conversation: Conversation | None
    lengths: Lengths
    done: tuple[tuple[str, str], ...]


def fit(
    counter: TokenCounter, conversation: Conversation, lengths: Lengths, max_length: int, src_length: int
) -> Fitted:
    """Return the conversation cut to `max_length`: oldest turns first, then the question, then the answer.

    The last question may keep `src_length` tokens, template and system prompt included; the answer gets what
    is left. Estimated lengths cut nothing. Raises what the template raises.
    """
    total = sum(map(sum, lengths))
    if total <= max_length or not counter.exact:
        return Fitted(conversation, lengths, ())
    done: list[tuple[str, str]] = []
    while total > max_length and len(conversation.pairs) > 1:
        shorter = conversation._replace(pairs=conversation.pairs[_turns_to_drop(lengths, max_length) :])
        left_out = len(conversation.pairs) - len(shorter.pairs)
        done = [
            (
                "length.rounds_cut",
                f"{total} tokens; the oldest {left_out} of {len(conversation.pairs)} turns are left out",
            )
        ]
        conversation, lengths = shorter, counter.lengths([counter.parts(shorter)])[0]
        total = sum(map(sum, lengths))
    if total <= max_length:
        return Fitted(conversation, lengths, tuple(done))
    return _fit_last_pair(counter, conversation, lengths[0], max_length, src_length, done)


def _turns_to_drop(lengths: Lengths, max_length: int) -> int:
    """Return how many of the oldest turns must go, at least one, so that the last one stays."""
    total = sum(map(sum, lengths))
    for index, (prompt, answer) in enumerate(lengths[:-1], start=1):
        total -= prompt + answer
        if total <= max_length:
            return index
    return len(lengths) - 1


def _fit_last_pair(
    counter: TokenCounter,
    conversation: Conversation,
    lengths: tuple[int, int],
    max_length: int,
    src_length: int,
    done: list[tuple[str, str]],
) -> Fitted:
    prompt, answer = lengths
    whole_prompt = prompt
    question, text = conversation.pairs[0]
    keep = counter.count([question])[0]
    while prompt > src_length:
        keep -= prompt - src_length
        cut = counter.head(question, keep)
        if not cut.strip():
            return Fitted(
                None, [], (*done, ("length.no_prompt", f"more than src_length {src_length} tokens"))
            )
        conversation = conversation._replace(pairs=((cut, text),))
        prompt, answer = counter.lengths([counter.parts(conversation)])[0][0]
    if prompt < whole_prompt:
        done.append(
            (
                "length.prompt_cut",
                f"the prompt has {whole_prompt} tokens, {prompt} are kept (src_length {src_length})",
            )
        )
    room = max_length - prompt
    if room <= 0:
        what = f"the prompt alone has {prompt} tokens of max_length {max_length}: no answer would be left"
        return Fitted(None, [], (*done, ("length.no_answer", what)))
    if answer > room:
        done.append(
            (
                "length.answer_cut",
                f"{room} of the answer's {answer} tokens are trained on (max_length {max_length})",
            )
        )
    return Fitted(conversation, [(prompt, min(answer, room))], tuple(done))
