"""Load a base model from the folder that the convert stage made for this engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say
from runtime.workers.toolkit import is_paddleformers


def load_paddle_model(folder: str | Path, dtype: str = "float32") -> Any:
    """Return the model in eval mode, cast to `dtype`.

    Random initialisation is left out: it takes longer than reading the weights that replace it.
    """
    if not Path(folder, "config.json").exists():
        raise RefusedError(say("{folder} is no model folder: it has no config.json.", folder=folder))
    if is_paddleformers():
        from runtime.workers.paddleformers.loading import load_model

        return load_model(folder, dtype)
    from paddlenlp.transformers import AutoModelForCausalLM
    from paddlenlp.transformers.model_utils import no_init_weights

    with no_init_weights(_enable=True):
        model = AutoModelForCausalLM.from_pretrained(str(folder), dtype=dtype)
    model.eval()
    return model
