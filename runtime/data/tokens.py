"""How many tokens a row has, and which of them carry loss.

Prompt and answer of every turn are tokenized by themselves, as the training worker does. Of a conversation
every answer carries loss; of preference pairs and judged answers only the last ones; of a text everything.
A query and its passages each end with the end token, and no template is put around them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

from planner.errors import BadInput
from planner.language import say
from runtime.data.chat_template import (
    ChatTemplate,
    Parts,
    TemplateRewritesError,
    load_chat_template,
    read_config,
    token_text,
)
from runtime.data.conversation import Conversation

Lengths = list[tuple[int, int]]
"""(prompt tokens, answer tokens) per turn."""


def learned(conversation: Conversation, lengths: Lengths) -> int:
    """Return how many tokens of a row carry loss."""
    last = {"preference": 2, "labelled": 1}.get(conversation.kind, len(lengths))
    return sum(answer for _, answer in lengths[-last:])


def shown(conversation: Conversation, parts: Parts, lengths: Lengths) -> tuple[Parts, Lengths]:
    """Return parts and lengths of which every answer carries loss: earlier turns of pairs and judged answers
    become part of the prompt."""
    last = {"preference": 2, "labelled": 1}.get(conversation.kind, len(parts))
    early = len(parts) - last
    if early <= 0:
        return parts, lengths
    prompt = "".join(asked + answered for asked, answered in parts[:early]) + parts[early][0]
    tokens = sum(map(sum, lengths[:early])) + lengths[early][0]
    return (
        [(prompt, parts[early][1]), *parts[early + 1 :]],
        [(tokens, lengths[early][1]), *lengths[early + 1 :]],
    )


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
        """Return (prompt text, answer text) per turn, rendered by the chat template when there is one.

        A rejected answer is one turn more, with an empty prompt. A text is an answer without any template.
        """
        if conversation.kind == "retrieval":
            query, *texts = (message["content"] for message in conversation.messages())
            ended = [text + self.eos_token for text in texts]
            return [(query + self.eos_token, ended[0]), *(("", text) for text in ended[1:])]
        if self.template is None or conversation.kind == "text":
            parts = [(question, answer + self.eos_token) for question, answer in conversation.pairs]
            return parts + ([("", conversation.rejected + self.eos_token)] if conversation.rejected else [])
        parts = self.template.parts(conversation)
        if not conversation.rejected:
            return parts
        prompt, rejected = self.template.parts(conversation.with_rejected())[-1]
        if prompt != parts[-1][0]:
            raise TemplateRewritesError
        return [*parts, ("", rejected)]

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
            raise BadInput(
                say("The model folder has no tokenizer.json."), remedy=say("Fetch the model again.")
            )
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token ids of many texts at once, none added."""
        if self.tokenizer is None:
            return [self.encode(text) for text in texts]
        found = self.tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        return [list(encoding.ids) for encoding in found]

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
        raise BadInput(
            say("{path} cannot be read: {error}.", path=path, error=error),
            remedy=say("Fetch the model again."),
        ) from error
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
