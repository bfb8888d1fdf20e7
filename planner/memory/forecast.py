"""All parts together: bytes of the fullest process at its fullest moment."""

from __future__ import annotations

from typing import Literal

import numpy as np

from planner.facts import ModelFacts
from planner.memory import activations, reserve, scores, stage, states
from planner.memory.profile import PADDLENLP, Profile
from planner.memory.stage import Stage
from planner.setup import Real, Setup

TENSORS = (
    "weights",
    "reference model",
    "adapter",
    "gradients",
    "master weights",
    "optimizer",
    "activations",
    "logits",
    "pipeline",
)
"""Parts that are tensors of the training program: what an allocator counts as allocated."""

PARTS = (*TENSORS, "communication", "allocator", "overhead")
"""All parts, in the order in which they are shown."""

Which = Literal["fullest", "first", "last"]


def terms(
    model: ModelFacts,
    setup: Setup,
    device: str,
    profile: Profile = PADDLENLP,
    which: Which = "fullest",
) -> dict[str, Real]:
    """Return bytes of each part of one process, by part; `device` is gpu or cpu.

    `which` pipeline stage: the fullest of each way, or a named one.
    """
    ends = [] if which == "last" else [on_stage(model, setup, stage.first(model, setup), device, profile)]
    if which != "first" and (which == "last" or np.any(np.asarray(setup.pipeline) > 1)):
        ends.append(on_stage(model, setup, stage.last(model, setup), device, profile))
    if len(ends) == 1:
        return ends[0]
    head, tail = ends
    tail_wins = sum(tail.values()) > sum(head.values())
    return {name: np.where(tail_wins, tail[name], head[name]) for name in PARTS}


def peak_bytes(
    model: ModelFacts, setup: Setup, device: str, profile: Profile = PADDLENLP, which: Which = "fullest"
) -> Real:
    """Return the forecast peak of one process in bytes: the sum of its parts."""
    whole: Real = sum(terms(model, setup, device, profile, which).values())
    return whole


def on_stage(model: ModelFacts, setup: Setup, here: Stage, device: str, profile: Profile) -> dict[str, Real]:
    """Return bytes of each part on one pipeline stage."""
    parts = tensors(model, setup, here, profile)
    held = sum(parts.values())
    if device == "cpu":
        parts["communication"] = 0.0
        parts["allocator"] = held * reserve.CPU_ALLOCATOR
        parts["overhead"] = float(reserve.CPU_OVERHEAD)
        return parts
    parts["communication"] = reserve.collectives(setup, profile)
    parts["allocator"] = held * profile.allocator + profile.allocator_floor
    parts["overhead"] = float(profile.context)
    return parts


def tensors(model: ModelFacts, setup: Setup, here: Stage, profile: Profile) -> dict[str, Real]:
    """Return bytes of the parts that are tensors, at the fullest moment.

    Scores count as far as they exceed what the backward pass of a block needs later. Gradients that do not
    persist come as activations go, so only the larger of the two counts.
    """
    number = states.counts(model, setup, here, profile)
    block = activations.count(model, setup, profile)
    backward = activations.working_bytes(model, setup, block, profile)
    backward = backward + activations.lingering_bytes(model, setup, here, profile)
    passing = activations.kept_bytes(model, setup, here, block, profile) + backward
    excess = np.maximum(0.0, scores.score_bytes(model, setup, here, profile) - backward)
    gradients = states.gradients(model, setup, number, profile)
    step = states.step_copies(setup, number, profile)
    accumulates = np.any(np.asarray(setup.accumulation) > 1)
    if profile.gradients_persist or profile.update_in_backward or accumulates:
        late = states.late_gradients(setup, number, profile)
        gradients = gradients + np.maximum(0.0, late - passing - excess)
        step = np.maximum(0.0, step - passing - excess)
    else:
        over = np.maximum(0.0, passing + excess - gradients - step)
        excess = np.minimum(excess, over)
        passing = over - excess
    copies = states.float8_copies(number, profile) + reserve.gathered(model, setup, profile)
    return {
        "weights": states.base_weights(model, setup, number) + copies,
        "reference model": states.reference_weights(model, setup, number),
        "adapter": states.adapter_weights(model, setup, here, number, profile),
        "gradients": gradients,
        "master weights": states.master_weights(setup, number, profile),
        "optimizer": states.optimizer(setup, number, profile) + step,
        "activations": passing,
        "logits": excess,
        "pipeline": reserve.pipeline_buffers(model, setup),
    }
