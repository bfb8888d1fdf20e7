"""The training and dev rows as datasets of token ids and labels, packed or not.

Packing is PaddleNLP's own `ZeroPaddingMapDataset`. Upstream keeps the dense attention mask of every pack in
memory (`max_length` squared bytes each, 4 MB at 2048); here a pack stays a list of rows until the loader
asks for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from paddle.io import Dataset
from paddlenlp.data import DataCollatorForSeq2Seq
from paddlenlp.datasets import ZeroPaddingMapDataset
from paddlenlp.transformers import AutoTokenizer, PretrainedTokenizer
from paddlenlp.trl import DataConfig
from paddlenlp.trl.llm_utils import init_chat_template

from runtime.workers.conversation import encode, render
from runtime.workers.json_lines import read_rows as read_rows
from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say


class LazyPacks(ZeroPaddingMapDataset):  # type: ignore[misc]
    """`ZeroPaddingMapDataset` that builds a pack's mask when the pack is read."""

    @classmethod
    def _pad_batch_records(cls, batch_records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return list(batch_records)

    def __getitem__(self, index: int) -> dict[str, Any]:
        features: dict[str, Any] = ZeroPaddingMapDataset._pad_batch_records(self.new_data[index])
        return features

    def tokens(self, index: int) -> int:
        """Return the number of tokens in a pack."""
        return sum(len(row["input_ids"]) for row in self.new_data[index])


class Rows(Dataset):  # type: ignore[misc]
    """Unpacked rows."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        super().__init__()
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.rows[index]

    def tokens(self, index: int) -> int:
        """Return the number of tokens in a row."""
        return len(self.rows[index]["input_ids"])


class Loaded(NamedTuple):
    """A split, and what was noticed while it was tokenized."""

    dataset: LazyPacks | Rows
    rows: int
    tokens: int
    answer_tokens: int
    cut_rows: int
    silent_rows: int


def load_tokenizer(model: str, data: DataConfig) -> PretrainedTokenizer:
    """Return the tokenizer of the model folder with its chat template, padding on the right.

    The fast tokenizer is asked for: the slow one of the Qwen2 family drops the line break between two
    turns. Padding on the left would be wrong in training: position ids are counted from the first column.
    """
    tokenizer = AutoTokenizer.from_pretrained(model, use_fast=True)
    init_chat_template(tokenizer, model, data.chat_template)
    tokenizer.padding_side = "right"
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    check_line_breaks(tokenizer)
    return tokenizer


def check_line_breaks(tokenizer: PretrainedTokenizer) -> None:
    """Refuse a tokenizer that loses the line break which the chat template puts after the end of a turn."""
    if tokenizer.chat_template is None or hasattr(tokenizer.chat_template, "render_conversation"):
        return
    roles = ("user", "assistant", "user", "assistant")
    text = render(tokenizer, [{"role": role, "content": "a"} for role in roles], prompt=False).rstrip()
    for token in filter(None, {tokenizer.eos_token, *tokenizer.all_special_tokens}):
        without = text.replace(f"{token}\n", token)
        if without == text:
            continue
        kept, lost = tokenizer([text, without], add_special_tokens=False)["input_ids"]
        if kept == lost:
            raise RefusedError(
                say(
                    "The tokenizer {kind} drops the line break after `{token}`.",
                    kind=type(tokenizer).__name__,
                    token=token,
                ),
                say("The model would be trained on a chat format that it never sees again."),
                say("Use the fast tokenizer: the model folder needs tokenizer.json."),
            )


def load(path: Path, tokenizer: PretrainedTokenizer, data: DataConfig) -> Loaded:
    """Tokenize a split. Rows without any position that carries loss are counted, and not trained on."""
    rows: list[dict[str, Any]] = []
    cut = silent = tokens = answers = 0
    for row in read_rows(path):
        encoded = encode(tokenizer, row, data.src_length, data.max_length)
        cut += encoded.cut
        if not encoded.teaches:
            silent += 1
            continue
        tokens += len(encoded.input_ids)
        answers += sum(label != -100 for label in encoded.labels)
        rows.append({"input_ids": encoded.input_ids, "labels": encoded.labels})
    if not rows:
        raise RefusedError(
            say("{path} has no row that could teach anything.", path=path),
            say(
                "{silent} row(s) have no answer token left within {max_length} tokens.",
                silent=silent,
                max_length=data.max_length,
            )
            if silent
            else say("It is empty."),
            say("Raise max_length, or shorten the prompts.") if silent else "",
        )
    dataset = (
        LazyPacks(rows, tokenizer, data.max_length, data.greedy_zero_padding)
        if data.zero_padding
        else Rows(rows)
    )
    return Loaded(dataset, len(rows), tokens, answers, cut, silent)


def collator(tokenizer: PretrainedTokenizer, data: DataConfig, fixed_length: bool) -> DataCollatorForSeq2Seq:
    """Return what joins rows into a batch. The attention mask is always asked for.

    Left to itself upstream's collator follows the tokenizer's list of inputs, and a tokenizer that does not
    name the mask gets none. `fixed_length` pads to `max_length`: on a GPU equal shapes keep memory from
    fragmenting; on a CPU every padding token costs time.
    """
    length = data.max_length if fixed_length else None
    return DataCollatorForSeq2Seq(
        tokenizer=tokenizer,
        max_length=length,
        padding="max_length" if fixed_length else True,
        max_label_length=length,
        return_tensors="np",
        return_attention_mask=True,
        pad_to_multiple_of=data.pad_to_multiple_of,
    )
