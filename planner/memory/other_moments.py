"""Peaks outside training steps: evaluation and generation. Bytes of one process, tensors alone."""

from __future__ import annotations

import numpy as np

from planner.facts import ModelFacts
from planner.memory import activations, scores, stage, states
from planner.memory.profile import PADDLENLP, Profile
from planner.setup import Real, Setup, Whole


def evaluation_bytes(model: ModelFacts, setup: Setup, rows: Whole, profile: Profile = PADDLENLP) -> Real:
    """Return what a forward pass over `rows` sequences adds to weights and states: one block's
    activations, or the scores over the vocabulary with their float32 copies."""
    share = np.asarray(rows) / np.asarray(setup.micro_batch)
    here = stage.last(model, setup)
    block = activations.working_bytes(model, setup, activations.count(model, setup, profile), profile)
    added: Real = share * np.maximum(block, scores.score_bytes(model, setup, here, profile))
    return added


def cache_bytes(model: ModelFacts, setup: Setup, rows: Whole, length: Whole) -> Real:
    """Return keys and values of `rows` sequences of `length` tokens: two per key head and block; latent
    attention keeps its compressed width instead (arXiv:2405.04434, section 2.1)."""
    latent = model.latent_attention
    if latent is None:
        width = 2 * model.num_key_value_heads * model.head_dim
    else:
        width = latent.kv_lora_rank + latent.qk_rope_head_dim
    tokens = np.asarray(rows) * np.asarray(length)
    each = model.num_hidden_layers * width * setup.activation_bytes
    cache: Real = tokens * each / np.asarray(setup.tensor)
    return cache


def generation_bytes(
    model: ModelFacts, setup: Setup, rows: Whole, length: Whole, profile: Profile = PADDLENLP
) -> Real:
    """Return tensors while answers are generated: weights, adapters, cache, and scores of one token a row."""
    here = stage.first(model, setup)
    number = states.counts(model, setup, here, profile)
    adapters = states.adapter_weights(model, setup, here, number, profile)
    held = states.base_weights(model, setup, number) + adapters
    scored = np.asarray(rows) * model.vocab_size * scores.word_bytes(setup, profile)
    whole: Real = held + cache_bytes(model, setup, rows, length) + scored
    return whole
