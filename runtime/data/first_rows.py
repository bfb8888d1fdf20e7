"""The first rows of a data set as they are trained on, at once: the rest of it is not read."""

from __future__ import annotations

from runtime.data.bundled import resolve_data
from runtime.data.findings import FindingLog
from runtime.data.row_pass import RowPass, Sample
from runtime.data.sources import open_source
from runtime.data.split import DevSplit
from runtime.data.tokens import TokenCounter


class _Enough(Exception):
    """So many rows were wanted."""


def first_rows(
    path: str, counter: TokenCounter, *, max_length: int, src_length: int, seed: int, rows: int
) -> tuple[Sample, ...]:
    """Return up to `rows` usable training rows, cut to fit, as a scan with the same settings would give them.

    Whether one is held out for evaluation only a whole scan can say. Raises `BadInput` as a scan does.
    """
    source = open_source(resolve_data(path))
    limits = (max_length, src_length)
    state = RowPass(source, counter, limits, seed, FindingLog(), None, rows, DevSplit(0.0))

    def watch(done: float, total: float, unit: str, message: str) -> None:
        if len(state.samples) >= rows:
            raise _Enough

    try:
        for number, file in enumerate(source.train):
            state.read("train", number, file, watch)
    except _Enough:
        pass
    return tuple(state.samples)
