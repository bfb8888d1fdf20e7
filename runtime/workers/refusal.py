"""The one exception that a worker raises for input it cannot use."""

from __future__ import annotations


class RefusedError(Exception):
    """What is wrong in one sentence, why, and what to do next. A worker turns it into an `error` event."""

    def __init__(self, what: str, why: str = "", remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.remedy = remedy
