"""The forecast of one way as a person reads it: every part with the formula that gave it."""

from __future__ import annotations

import numpy as np

from planner import weights
from planner.facts import ModelFacts
from planner.language import say
from planner.memory import activations, scores, stage, states
from planner.memory.forecast import PARTS, terms
from planner.memory.profile import PADDLENLP, Profile
from planner.memory.reserve import CPU_ALLOCATOR
from planner.phrases import count, parameters, plural, size
from planner.plan import MemoryPart
from planner.setup import NO_RECOMPUTE, Setup


def peak(model: ModelFacts, setup: Setup, device: str, profile: Profile = PADDLENLP) -> dict[str, MemoryPart]:
    """Return every part that this way has, in bytes and with its reason; `device` is gpu or cpu."""
    found = {
        name: int(np.asarray(value).item()) for name, value in terms(model, setup, device, profile).items()
    }
    reasons = because(model, setup, device, profile)
    shown = [name for name in PARTS if found[name] or name in always(setup)]
    return {name: MemoryPart(bytes=found[name], because=reasons[name]) for name in shown}


def total(parts: dict[str, MemoryPart]) -> int:
    """Return the sum of the parts in bytes."""
    return sum(part.bytes for part in parts.values())


def always(setup: Setup) -> tuple[str, ...]:
    """Return the parts that are shown even when they are zero."""
    adapter = () if setup.trains_all else ("adapter",)
    return (
        "weights",
        *adapter,
        "gradients",
        "master weights",
        "optimizer",
        "activations",
        "logits",
        "allocator",
        "overhead",
    )


def because(model: ModelFacts, setup: Setup, device: str, profile: Profile) -> dict[str, str]:
    """Return part -> reason."""
    return {
        "weights": of_weights(model, setup),
        "reference model": say("a frozen copy of the model beside the trained one"),
        "adapter": say(
            "{number} adapter weights x {bytes} B",
            number=count(weights.adapter_parameters(model, setup)),
            bytes=states.trained_bytes(setup, profile),
        ),
        "gradients": of_gradients(model, setup, profile),
        "master weights": of_master_weights(model, setup, profile),
        "optimizer": of_optimizer(model, setup, profile),
        "activations": of_activations(model, setup, profile),
        "logits": of_logits(model, setup, profile),
        "pipeline": say("activations and gradients between pipeline stages, 4 buffers"),
        "communication": say("buffers of the communication library, for every group of processes"),
        "allocator": of_allocator(device, profile),
        "overhead": say("Python and the engine's libraries")
        if device == "cpu"
        else say("device context and library workspaces"),
    }


def of_weights(model: ModelFacts, setup: Setup) -> str:
    """Say how many base weights of which width are split among how many processes."""
    each = states.stored_bytes(model, setup)
    split = int(setup.tensor * setup.pipeline * (setup.sharding_degree if setup.sharding == 3 else 1))
    figures = {"number": parameters(model.parameters), "bytes": f"{each:.2g}"}
    if split == 1:
        return say("{number} weights x {bytes} B", **figures)
    return say("{number} weights x {bytes} B / {split} processes", **figures, split=split)


def per_weight(model: ModelFacts, setup: Setup, width: float, stage_from: int) -> str:
    """Say trained weights x width / processes; states are spread from sharding stage `stage_from` on."""
    split = int(
        setup.tensor * setup.pipeline * (setup.sharding_degree if setup.sharding >= stage_from else 1)
    )
    figures = {"number": parameters(weights.trainable(model, setup)), "bytes": f"{width:g}"}
    if split == 1:
        return say("{number} trained weights x {bytes} B", **figures)
    return say("{number} trained weights x {bytes} B / {split} processes", **figures, split=split)


def of_gradients(model: ModelFacts, setup: Setup, profile: Profile) -> str:
    """Say what gradients take; under stage2 all of them may be there before they are given away."""
    spread = per_weight(model, setup, states.gradient_bytes(setup, profile), 2)
    if setup.sharding == 2 and profile.late_reduce:
        return say("{spread}, or all of them when the backward pass ends", spread=spread)
    return spread


def of_states(model: ModelFacts, setup: Setup, width: float, profile: Profile) -> str:
    """Say what states of trained weights take; a share of whole tensors is at least the largest one."""
    here = stage.first(model, setup)
    number = states.counts(model, setup, here, profile)
    even = float(np.asarray(number.trained).item()) / max(1, int(setup.sharding_degree))
    kept = float(np.asarray(number.shared).item())
    if setup.sharding >= 1 and kept > 1.01 * even and np.all(np.asarray(setup.expert) == 1):
        return say(
            "{number} weights of the largest tensor x {bytes} B: sharding deals out whole tensors",
            number=parameters(round(kept)),
            bytes=f"{width:g}",
        )
    return per_weight(model, setup, width, 1)


def of_master_weights(model: ModelFacts, setup: Setup, profile: Profile) -> str:
    """Say why float32 copies are there or not."""
    if states.trained_bytes(setup, profile) > 2:
        return say("none: the trained weights are float32 themselves")
    if setup.offload:
        return say("none on the device: float32 copies lie in host memory")
    return of_states(model, setup, 4, profile)


def of_optimizer(model: ModelFacts, setup: Setup, profile: Profile) -> str:
    """Say what the optimizer's states take."""
    if setup.offload:
        return say("none on the device: optimizer states lie in host memory")
    width = min(states.OPTIMIZER_BYTES[setup.optimizer], states.moment_bytes(setup, profile))
    return of_states(model, setup, width, profile)


def of_activations(model: ModelFacts, setup: Setup, profile: Profile) -> str:
    """Say how many blocks are kept, at how many tokens."""
    here = stage.first(model, setup)
    blocks = round(float(np.asarray(here.blocks_kept).item()))
    block = activations.count(model, setup, profile)
    working = activations.working_bytes(model, setup, block, profile)
    figures = {
        "blocks": plural(blocks, "block"),
        "tokens": count(float(np.asarray(activations.tokens(setup)).item())),
        "working": size(float(np.asarray(working).item())),
    }
    if setup.recompute == NO_RECOMPUTE:
        return say(
            "what {blocks} keep at {tokens} tokens, and {working} while one is computed back", **figures
        )
    return say(
        "what {blocks} keep beside recompute at {tokens} tokens, and {working} while one is computed back",
        **figures,
    )


def of_logits(model: ModelFacts, setup: Setup, profile: Profile) -> str:
    """Say how large the scores over the vocabulary are, beside what the backward pass needs anyway."""
    if setup.fused_loss:
        return say("output layer and loss are computed in pieces, never whole")
    return say(
        "{tokens} tokens x {words} words x {bytes} B, as far as it exceeds one block computed back",
        tokens=count(float(np.asarray(activations.tokens(setup)).item())),
        words=count(model.vocab_size),
        bytes=f"{scores.word_bytes(setup, profile):g}",
    )


def of_allocator(device: str, profile: Profile) -> str:
    """Say which share of the tensors is held in gaps."""
    return say(
        "{share:.0%} of the tensors, held in gaps",
        share=CPU_ALLOCATOR if device == "cpu" else profile.allocator,
    )
