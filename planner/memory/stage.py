"""Pipeline stages: which share of the model each holds, and how many micro-batches it keeps in flight.

Only the ends can be fullest: under one-forward-one-backward the first stage keeps the most micro-batches
(arXiv:2104.04473, section 2.2), the last one has the output head and the scores over the vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner import weights
from planner.facts import ModelFacts
from planner.setup import Real, Setup, Switch


@dataclass(frozen=True)
class Stage:
    """What one pipeline stage holds; numbers, or arrays over a grid."""

    layers: Real
    """Blocks of the model on this stage."""
    blocks_kept: Real
    """Blocks x micro-batches whose activations lie in memory at once."""
    embedding: Switch
    """Whether the embedding matrix is here."""
    head: Switch
    """Whether the output head and the loss are here."""


def first(model: ModelFacts, setup: Setup) -> Stage:
    """Return the first stage: as many micro-batches in flight as there are stages, or more with virtual
    stages: chunks of layers x (pipeline x virtual + pipeline - 1) (arXiv:2104.04473, section 2.2)."""
    layers = stage_layers(model, setup)
    pipeline, virtual = np.asarray(setup.pipeline), np.asarray(setup.virtual)
    waiting = np.minimum(setup.accumulation, pipeline) if _limited(setup) else pipeline
    interleaved = waiting + np.where(virtual > 1, (pipeline - 1) / virtual, 0.0)
    return Stage(layers, layers * interleaved, True, pipeline == 1)


def last(model: ModelFacts, setup: Setup) -> Stage:
    """Return the last stage: one micro-batch in flight; with virtual stages one of each chunk but the
    last."""
    layers = stage_layers(model, setup)
    pipeline, virtual = np.asarray(setup.pipeline), np.asarray(setup.virtual)
    waiting = np.where(virtual > 1, 1 + (virtual - 1) * (pipeline - 1) / virtual, 1.0)
    return Stage(layers, layers * waiting, pipeline == 1, True)


def stage_layers(model: ModelFacts, setup: Setup) -> Real:
    """Return the blocks on the fullest stage; whole blocks in every chunk."""
    layers = model.num_hidden_layers + model.next_token_layers
    share: Real = weights.largest_stage_share(model, setup.pipeline, setup.virtual) * layers
    return share


def _limited(setup: Setup) -> bool:
    """Whether accumulation is known; a search decides it later, and 1 then stands for any number."""
    return bool(np.any(np.asarray(setup.accumulation) > 1))
