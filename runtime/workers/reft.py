"""ReFT: a low-rank change of the hidden states at a few positions of the prompt (arXiv:2404.03592).

The interventions are PaddleNLP's own layers and its own files; around them PaddleNLP's model class is not
used. It looks for a model named `llama`, hides its parameters from checkpoints and from data parallel
training, and forgets what it loads on resume. Positions are those of upstream: the first and the last few
tokens before the last answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import paddle
from paddle import nn
from paddlenlp.peft.reft import intervention_mapping

from runtime.workers.conversation import IGNORED
from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say

CONFIG = "config.json"


class Settings(NamedTuple):
    """What an intervention is made of, as upstream's arguments of the same names say."""

    layers: list[int]
    position: str
    intervention_type: str
    rank: int
    act_fn: str
    dropout: float


class Reft(nn.Layer):  # type: ignore[misc]
    """A frozen model whose blocks hand on changed hidden states at chosen positions."""

    def __init__(self, model: Any, settings: Settings, dtype: str) -> None:
        super().__init__()
        if settings.intervention_type not in intervention_mapping:
            raise RefusedError(
                say(
                    "`intervention_type` is {value}; it must be one of {known}.",
                    value=settings.intervention_type,
                    known=", ".join(intervention_mapping),
                )
            )
        self.model = model
        self.config = model.config
        self.settings = settings
        self.dtype = dtype
        self.first, self.last = parse_position(settings.position)
        kind = intervention_mapping[settings.intervention_type]
        self.interventions = nn.LayerList([kind(**self.parameters_of_one()) for _ in settings.layers])
        self.places: paddle.Tensor | None = None
        for parameter in model.parameters():
            parameter.stop_gradient = True
        blocks = getattr(model, model.base_model_prefix).layers
        for index, intervention in zip(settings.layers, self.interventions, strict=True):
            blocks[index].register_forward_post_hook(self.hook(intervention))

    def parameters_of_one(self) -> dict[str, Any]:
        """Return the arguments of an intervention layer."""
        return {
            "embed_dim": self.config.hidden_size,
            "low_rank_dimension": self.settings.rank,
            "dropout": self.settings.dropout,
            "dtype": self.dtype,
            "act_fn": self.settings.act_fn,
        }

    def hook(self, intervention: Any) -> Any:
        """Return what a block does with its output [rows, length, width]."""

        def change(layer: Any, inputs: Any, outputs: Any) -> Any:
            if self.places is None:
                return outputs
            hidden = outputs[0] if isinstance(outputs, tuple) else outputs
            where = self.places.astype(hidden.dtype)
            changed = hidden + where * (intervention(hidden) - hidden)
            return (changed, *outputs[1:]) if isinstance(outputs, tuple) else changed

        return change

    @contextmanager
    def steering(self, places: np.ndarray) -> Iterator[None]:
        """Intervene where `places` [rows, length] is true, in forward passes within the block."""
        self.places = as_factor(places)
        try:
            yield
        finally:
            self.places = None

    def forward(self, **inputs: Any) -> Any:
        """Run the model; the prompt is what comes before the last answer, or everything without labels."""
        mask = inputs.get("attention_mask")
        if mask is not None and len(mask.shape) > 2:
            raise RefusedError(
                say("ReFT has no positions in packed rows."), remedy=say("Set zero_padding to false.")
            )
        ids = inputs["input_ids"]
        real = np.ones(ids.shape, np.int64) if mask is None else mask.numpy()
        labels = inputs.get("labels")
        places = self.prompt_places(real, None if labels is None else labels.numpy())
        self.places = as_factor(places)  # stays until the next pass: recomputation runs the blocks again
        return self.model(**inputs)

    def prompt_places(self, mask: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
        """Return [rows, length]: the first and last tokens of every prompt, at most half of it each."""
        places = np.zeros(mask.shape, bool)
        for row, real in enumerate(mask):
            start = int(np.argmax(real))
            length = int(real.sum()) if labels is None else prompt_length(labels[row, start:])
            half = length // 2
            places[row, start : start + min(self.first, half)] = True
            places[row, start + length - min(self.last, half) : start + length] = True
        return places


def as_factor(places: np.ndarray) -> paddle.Tensor:
    """Return [rows, length, 1]: one where a hidden state is changed, zero elsewhere."""
    return paddle.to_tensor(places.astype(np.float32)).unsqueeze(-1)


def prompt_length(labels: np.ndarray) -> int:
    """Return the number of tokens before a row's last answer; `labels[i]` is the token after position i."""
    answers = np.flatnonzero(labels != IGNORED)
    if not len(answers):
        return len(labels)
    silent = np.flatnonzero(labels[: answers[-1]] == IGNORED)
    return int(silent[-1]) + 2 if len(silent) else 1


def parse_position(position: str) -> tuple[int, int]:
    """Return (first, last) of a position such as `f7+l7`, `f5` or `l3`."""
    counts = {"f": 0, "l": 0}
    for part in position.split("+"):
        if part[:1] not in counts or not part[1:].isdigit():
            raise RefusedError(say("`position` is {position}; it must read like f7+l7.", position=position))
        counts[part[0]] = int(part[1:])
    return counts["f"], counts["l"]


def fresh(model: Any, given: Any, dtype: str) -> Reft:
    """Return `model` with fresh interventions; `given` holds upstream's arguments."""
    count = model.config.num_hidden_layers
    layers = list(range(count)) if given.layers == "all" else [int(part) for part in given.layers.split(";")]
    if strange := [layer for layer in layers if not 0 <= layer < count]:
        raise RefusedError(
            say(
                "`layers` names block {first}, and the model has blocks 0 to {last}.",
                first=strange[0],
                last=count - 1,
            )
        )
    settings = Settings(
        layers, given.position, given.intervention_type, given.rank, given.act_fn, float(given.dropout)
    )
    return Reft(model, settings, dtype)


def from_folder(base: Any, folder: Path) -> Reft:
    """Return `base` with interventions of the saved shape; their tensors are still to be read."""
    written = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    given = written["intervention_params"]
    settings = Settings(
        [entry["layer"] for entry in written["representations"]],
        written["position"],
        written["intervention_types"][0].split(".")[-1].rstrip("'>"),
        given["low_rank_dimension"],
        given["act_fn"],
        given["dropout"],
    )
    return Reft(base, settings, given["dtype"])


def save_config(adapted: Reft, folder: Path) -> None:
    """Write config.json as PaddleNLP's own ReFTConfig does."""
    kind = intervention_mapping[adapted.settings.intervention_type]
    values = {
        "representations": [
            {"layer": layer, "component": "block_output", "low_rank_dimension": adapted.settings.rank}
            for layer in adapted.settings.layers
        ],
        "intervention_params": adapted.parameters_of_one(),
        "intervention_types": [repr(kind)] * len(adapted.settings.layers),
        "position": adapted.settings.position,
    }
    (folder / CONFIG).write_text(json.dumps(values, indent=4), encoding="utf-8")


def save_tensors(adapted: Reft, folder: Path) -> None:
    """Write one file for each block, as PaddleNLP does."""
    for layer, intervention in zip(adapted.settings.layers, adapted.interventions, strict=True):
        paddle.save(intervention.state_dict(), str(folder / f"intkey_layer.{layer}.bin"))


def read_tensors(adapted: Reft, folder: Path) -> dict[str, np.ndarray]:
    """Return the saved tensors by the names that `tensors` gives them."""
    found: dict[str, np.ndarray] = {}
    for number, layer in enumerate(adapted.settings.layers):
        state = paddle.load(str(folder / f"intkey_layer.{layer}.bin"), return_numpy=True)
        found |= {f"{number}.{name}": value for name, value in state.items()}
    return found


def tensors(adapted: Reft) -> dict[str, paddle.Tensor]:
    """Return every tensor that the interventions consist of."""
    state: dict[str, paddle.Tensor] = adapted.interventions.state_dict()
    return dict(state)
