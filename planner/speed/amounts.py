"""The numbers of the time model."""

from __future__ import annotations

from typing import Any

Amount = Any
"""A plain number, or a NumPy array over a grid of ways; all arithmetic broadcasts. NumPy's stubs cannot
express the mix of both, so it is not typed more narrowly inside the model; `planner.speed` itself returns
`Real`."""
