"""In which precision a merge is proven, and how exact that can be.

In float32 the same weights give logits that differ by 1e-4 to 2e-4 when only the shape of a batch changes
(measured on SmolLM2-135M): noise as large as the allowed difference. In float64 what remains is the rounding
of the merged weights themselves, 4e-5 there. So float64 is taken where it fits; elsewhere the noise is
measured and allowed for.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from runtime.workers.decoding import batch_logits

HEADROOM = 1.25
"""Memory that float64 must leave free, as a factor on the weights: activations and the cast itself."""


def host_memory_available_bytes() -> int:
    """Return what this process may still allocate in host RAM, a container's limit included."""
    import psutil

    available = int(psutil.virtual_memory().available)
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    try:
        return min(available, int(limit.read_text()) - int(used.read_text()))
    except (OSError, ValueError):  # no cgroup v2, or the limit is `max`
        return available


def memory_available_bytes() -> int:
    """Return the free memory of the device that computes."""
    if paddle.device.get_device().startswith("gpu"):
        free, _ = paddle.cuda.mem_get_info()
        return int(free)
    return host_memory_available_bytes()


FLOAT32_ONLY = ("gemma",)
"""Models whose rotary angles PaddleNLP keeps in float32 whatever the rest is (gemma/modeling.py:390)."""


def computes_double(model: Any) -> bool:
    """Return whether the model, bare or with an adapter around it, can compute in float64 at all."""
    bare = model if getattr(model, "config", None) is not None else getattr(model, "model", model)
    return getattr(getattr(bare, "config", None), "model_type", "") not in FLOAT32_ONLY


def fits_double(model: Any) -> bool:
    """Return whether the model's weights fit a second time, in float64, beside what is in memory."""
    if not computes_double(model):
        return False
    weights_bytes = 8 * sum(int(np.prod(parameter.shape)) for parameter in model.parameters())
    return weights_bytes * HEADROOM <= memory_available_bytes()


def noise(model: Any, prompts: Sequence[Sequence[int]], alone: list[np.ndarray]) -> float:
    """Return max |difference| between the prompts' logits `alone` and those of one left-padded batch."""
    together = batch_logits(model, prompts).astype("float32").numpy()
    rows = [together[row, -len(prompt) :] for row, prompt in enumerate(prompts)]
    return float(max(np.abs(one - other).max() for one, other in zip(alone, rows, strict=True)))
