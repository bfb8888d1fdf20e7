"""Prepared token files as training sequences.

The texts of a role lie one after the other in `<name>.bin`, each with its end token, as PaddleNLP's own
pretraining reads them (`paddlenlp/data/causal_dataset.py`): a sequence may hold the end of one text and the
beginning of the next, and attention does not stop between them. Upstream repeats and shuffles the sequences
into an index for the whole run, and keeps up to a tenth of them for another split; here the sampler decides
the order from seed and epoch, every token is learned once per epoch, and the dev texts have their own files.

Only what a batch needs is read from the disk.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from paddle.io import Dataset

from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say
from runtime.workers.toolkit import part

if TYPE_CHECKING:
    from runtime.workers.sft_dataset import Loaded

TRAIN, DEV = "train", "dev/dev"
"""Where the files of a role lie in the prepared data, without ending."""


class Blocks(Dataset):  # type: ignore[misc]
    """Sequences of `length` tokens with the token after each as its label; the last one may be shorter."""

    def __init__(self, name: Path, length: int) -> None:
        super().__init__()
        self.length = length
        index = open_index(name)
        self.texts = len(index.doc_idx) - 1
        self.dtype = index._index.dtype
        self.count = int(index.sizes.sum())
        self.stream = np.memmap(name.with_name(f"{name.name}.bin"), mode="r", dtype=self.dtype)
        if len(self.stream) != self.count:
            raise RefusedError(
                say(
                    "{name}.bin holds {found} tokens, and its index says {expected}.",
                    name=name,
                    found=len(self.stream),
                    expected=self.count,
                ),
                remedy=say("Resume the run from its stage prepare."),
            )

    def __len__(self) -> int:
        return -(-(self.count - 1) // self.length)

    def __getitem__(self, number: int) -> dict[str, Any]:
        piece = self.stream[number * self.length : (number + 1) * self.length + 1].astype(np.int64)
        return {"input_ids": piece[:-1].tolist(), "labels": piece[1:].tolist()}

    def tokens(self, number: int) -> int:
        """Return the number of tokens in a sequence."""
        return min(self.length, self.count - 1 - number * self.length)


def open_index(name: Path) -> Any:
    """Return the toolkit's own reader of `<name>.idx`; raises `RefusedError` when there is none."""
    if not name.with_name(f"{name.name}.idx").is_file():
        raise RefusedError(
            say("There are no token files {name}.bin and {name}.idx.", name=name),
            remedy=say(
                "Pretraining learns from plain texts: rows such as {example}.", example='{"text": ...}'
            ),
        )
    return part("data.indexed_dataset", "make_dataset")(str(name), "mmap")


def load(folder: Path, name: str, length: int) -> Loaded:
    """Return the sequences of a role, and what was noticed."""
    blocks = Blocks(folder / name, length)
    if len(blocks) < 1:
        raise RefusedError(
            say("{name} holds fewer than two tokens.", name=folder / name),
            remedy=say("Give more text."),
        )
    from runtime.workers.sft_dataset import Loaded  # here: the other engine reads blocks, too

    learned = blocks.count - 1
    return Loaded(blocks, blocks.texts, learned, learned, 0, 0)
