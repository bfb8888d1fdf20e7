"""Every constraint of PaddleNLP 3.0.0b4, by subject. Paths in `source` are relative to the wheel's paddlenlp/
folder, or name upstream's llm/ scripts at commit 4711e147."""

from __future__ import annotations

from planner.arguments.paddlenlp import (
    checkpoints,
    data,
    kernels,
    method,
    parallel,
    pipeline,
    precision,
    preference,
    quantisation,
    sharding,
)

RULES = (
    *precision.RULES,
    *parallel.RULES,
    *sharding.RULES,
    *pipeline.RULES,
    *method.RULES,
    *kernels.RULES,
    *data.RULES,
    *checkpoints.RULES,
    *preference.RULES,
    *quantisation.RULES,
)
"""All rules, in the order in which they are reported."""
