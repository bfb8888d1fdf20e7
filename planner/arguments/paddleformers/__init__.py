"""Every constraint of PaddleFormers 1.2.0, by subject. Paths in `source` are relative to the wheel's
paddleformers/ folder."""

from __future__ import annotations

from planner.arguments.paddleformers import parallel, precision, sharding, training

RULES = (*training.RULES, *precision.RULES, *parallel.RULES, *sharding.RULES)
"""All rules, in the order in which they are reported."""
