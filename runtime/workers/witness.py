"""What a model said when its training ended, kept beside its weights.

A merge that equals base + adapter proves nothing when the adapter itself was lost on the way to the disk: it
would faithfully reproduce the base model. So the live model leaves some of its logits with what it saves, and
whoever loads the files compares.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from runtime.workers.decoding import all_logits
from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say
from runtime.workers.stage_run import Stage

FILE = "witness.npy"
"""[texts, vocabulary]: the logits after each of `TEXTS`; float16 where training computed with 16 bits."""

TEXTS = (
    "The capital of France is",
    "def fibonacci(n):\n    ",
    "1, 2, 3, 5, 8, 13,",
    "Once upon a time there",
)

TOLERANCE = 1e-3
"""Largest difference in float32: five times what the shape of a batch changes (`proof_precision`)."""

SHARE_16_BIT = 0.05
"""Largest difference where training computed with 16 bits, as a share of the largest logit: their rounding
adds up over the layers, and the files are compared in float32."""


def logits_after(model: Any, tokenizer: Any, texts: Sequence[str] = TEXTS) -> np.ndarray:
    """Return [texts, vocabulary] of a model in eval mode."""
    prompts = [[int(token) for token in tokenizer(text)["input_ids"]] for text in texts]
    return np.stack([all_logits(model, prompt)[-1] for prompt in prompts]).astype(np.float32)


def write(model: Any, tokenizer: Any, folder: Path, exact: bool) -> None:
    """Write what `model` says now; `exact` means that it computes in float32."""
    model.eval()
    np.save(folder / FILE, logits_after(model, tokenizer).astype(np.float32 if exact else np.float16))


def prove(model: Any, tokenizer: Any, folder: str | Path, stage: Stage) -> float | None:
    """Emit the proof `merge.reload` and return the difference; None when `folder` holds no witness.

    Raises `RefusedError` when the loaded model is not the one that was trained.
    """
    path = Path(folder) / FILE
    if not path.exists():
        return None
    said = np.load(path, allow_pickle=False)
    exact = said.dtype == np.float32
    allowed = TOLERANCE if exact else SHARE_16_BIT * float(np.abs(said.astype(np.float32)).max())
    difference = float(np.abs(logits_after(model, tokenizer) - said.astype(np.float32)).max())
    close = difference <= allowed
    stage.emitter.proof(
        "merge.reload",
        close,
        say(
            "What training saved, loaded afresh, gives the logits that the model had when training ended, "
            "to within {difference:.1e} ({allowed:.0e} allowed).",
            difference=difference,
            allowed=allowed,
        ),
        max_difference=difference,
        tolerance=allowed,
    )
    if not close:
        raise RefusedError(
            say("What training saved does not give the model that was trained."),
            say(
                "Logits differ by {difference:.2e} from those at the end of training.", difference=difference
            ),
            say("Resume the run from its training; if it fails again, use another method."),
        )
    return difference
