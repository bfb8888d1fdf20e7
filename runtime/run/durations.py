"""Time spans for people, finer than a forecast's: what was measured deserves its seconds."""

from __future__ import annotations

from planner.language import say


def span(seconds: float) -> str:
    """Return `0.4 s`, `21 s`, `2 min 05 s` or `3 h 10 min`, in the current language."""
    if seconds < 9.95:
        return say("{number} s", number=f"{max(seconds, 0):.1f}")
    whole = round(seconds)
    if whole < 60:
        return say("{number} s", number=whole)
    if whole < 3600:
        return say("{minutes} min {seconds:02d} s", minutes=whole // 60, seconds=whole % 60)
    return say("{hours} h {minutes:02d} min", hours=whole // 3600, minutes=whole % 3600 // 60)
