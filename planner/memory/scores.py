"""Scores over the vocabulary and the loss, on the last pipeline stage. Bytes of one process."""

from __future__ import annotations

import numpy as np

from planner.facts import ModelFacts
from planner.memory.activations import tokens
from planner.memory.profile import Profile
from planner.memory.stage import Stage
from planner.setup import Real, Setup


def word_bytes(setup: Setup, profile: Profile) -> float:
    """Return bytes kept per token and word: copies in the activations' format, and float32 ones of the
    loss."""
    copies = profile.logit_copies if setup.activation_bytes < 4 else 0.0
    return copies * setup.activation_bytes + 4.0 * profile.loss_copies


def vocabulary_split(setup: Setup, profile: Profile) -> Real:
    """Return by how many processes the vocabulary is split: tensor parallelism where the loss takes split
    scores."""
    split = profile.split_vocabulary or setup.tensor_parallel_output
    degree: Real = np.asarray(setup.tensor, dtype=np.float64) if split else 1.0
    return degree


def words_at_once(model: ModelFacts, setup: Setup, profile: Profile) -> float:
    """Return scores per token that exist at once: the whole vocabulary; fused linear cross entropy works in
    pieces that hold about as many as the hidden state has numbers (arXiv:2410.10989). A stage that gives one
    score or vector per row has none."""
    if setup.stage in ("reward", "embedding"):
        return 0.0
    if profile.loss_chunks:
        return model.vocab_size / profile.loss_chunks
    return float(min(model.hidden_size, model.vocab_size) if setup.fused_loss else model.vocab_size)


def score_bytes(model: ModelFacts, setup: Setup, stage: Stage, profile: Profile) -> Real:
    """Return bytes of all copies of the scores at the moment of the loss, with the last hidden states."""
    width = words_at_once(model, setup, profile)
    number = tokens(setup) * width * word_bytes(setup, profile) / vocabulary_split(setup, profile)
    ends = tokens(setup) * 3 * model.hidden_size * setup.activation_bytes
    scores: Real = np.where(stage.head, number + ends, 0.0)
    return scores
