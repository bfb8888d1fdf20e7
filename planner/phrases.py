"""Figures as people read them: bytes, seconds, counts. Every sentence of a plan uses these."""

from __future__ import annotations

GIB = 1024**3
MIB = 1024**2


def size(number: float) -> str:
    """Return bytes as `512 MiB` or `3.4 GiB`."""
    if number < 0.95 * GIB:
        return f"{number / MIB:.0f} MiB"
    return f"{number / GIB:.1f} GiB" if number < 100 * GIB else f"{number / GIB:.0f} GiB"


def duration(seconds: float) -> str:
    """Return seconds as `140 s`, `6 min`, `2.5 h` or `3.1 days`."""
    if seconds < 180:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.1f} days"


def count(number: float) -> str:
    """Return a whole number with thousands separated: `11,024`."""
    return f"{round(number):,}"


def parameters(number: int) -> str:
    """Return a number of weights as `135M` or `7.6B`."""
    if number < 1e6:
        return f"{number / 1e3:.0f}K"
    if number < 1e7:
        return f"{number / 1e6:.1f}M"
    return f"{number / 1e6:.0f}M" if number < 1e9 else f"{number / 1e9:.1f}B"


def plural(number: int, noun: str, plural_noun: str = "") -> str:
    """Return `1 row`, `2 rows`."""
    return f"{count(number)} {noun if number == 1 else plural_noun or noun + 's'}"
