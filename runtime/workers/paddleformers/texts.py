"""Plain texts for continued pretraining: the token files that the prepare stage writes.

The toolkit's own stage PT reads rows of `text` and cuts and packs them while it trains; the token files hold
the same texts, each with its end token, and can be read at any place, so a run resumes where it stopped.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from runtime.workers.paddleformers.arguments import Arguments
from runtime.workers.paddleformers.dataset import Loaded
from runtime.workers.pretrain_dataset import DEV, TRAIN, Blocks
from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say


class Texts(Blocks):
    """Sequences of `length` tokens, each a list of one row as the collator wants it."""

    def __getitem__(self, number: int) -> Any:
        return [super().__getitem__(number)]


def load(path: Path, tokenizer: Any, arguments: Arguments) -> Loaded:
    """Return the sequences of a role; `path` is the file of rows beside which the token files lie."""
    name = path.parent / (DEV if path.name.startswith("dev") else TRAIN)
    blocks = Texts(name, int(arguments.data.max_seq_len))
    if len(blocks) < 1:
        raise RefusedError(
            say("{name} holds fewer than two tokens.", name=name), remedy=say("Give more text.")
        )
    learned = blocks.count - 1
    return Loaded(blocks, blocks.texts, learned, learned, 0, 0)
