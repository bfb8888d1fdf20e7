"""Load the result of a run: a merged Hugging Face folder, or an adapter that stays beside its base."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from runtime.workers.hf_load import load_hf_model
from runtime.workers.paddle_load import load_paddle_model


def is_adapter(folder: str | Path) -> bool:
    """Return whether a folder holds an adapter that is not merged."""
    folder = Path(folder)
    return (
        next(folder.glob("*.pdparams"), None) is not None
        or next(folder.glob("intkey_*.bin"), None) is not None
    )


def load_result(folder: str | Path, base: str | Path, dtype: str = "float32") -> Any:
    """Return the tuned model in eval mode; `base` is the model in PaddleNLP's format."""
    if not is_adapter(folder):
        return load_hf_model(folder, dtype)
    from runtime.workers.adapter import attach

    return attach(load_paddle_model(base, dtype), folder)
