"""Time spans for people, finer than a forecast's: what was measured deserves its seconds."""

from __future__ import annotations


def span(seconds: float) -> str:
    """Return `0.4 s`, `21 s`, `2 min 05 s` or `3 h 10 min`."""
    if seconds < 9.95:
        return f"{max(seconds, 0):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
