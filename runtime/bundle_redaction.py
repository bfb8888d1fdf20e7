"""Take out of texts what must not leave the machine: tokens, names of person and folders, rows of the data.

Rows are found by their contents: every piece of `BLOCK` characters of the logs is looked for in the data,
which is streamed, whatever its size. What a piece has in common with a row is taken out, as far as it goes;
so is a row that stands in a log as JSON or as Python writes it.
"""

from __future__ import annotations

import getpass
import json
import os
import re
import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from runtime.run.environment import SECRETS

BLOCK = 16
"""Characters that a log and a row must share, at the least, to be taken for the same text."""

TOKENS = (
    re.compile(r"\b(?:hf|ms|sk|ghp|gho|github_pat|glpat|xox[abp])[-_][A-Za-z0-9_-]{12,}"),
    re.compile(
        r"(?i)\b(authorization|bearer|x-api-key)\b(\s*[:=]\s*|\s+)(?:bearer\s+|token\s+)?[^\s\"',;]{8,}"
    ),
    re.compile(
        r"(?i)([\"']?[\w-]*(?:token|secret|password|passwd|api[_-]?key|access[_-]?key)[\w-]*[\"']?\s*[:=]\s*[\"']?)"
        r"[A-Za-z0-9_./+-]{12,}"
    ),
    re.compile(r"://[^/\s:@]+:[^/\s@]+@"),
    re.compile(r"\bAKIA[0-9A-Z]{16}\b"),
    re.compile(r"\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{5,}"),
)
"""Shapes of tokens: prefixes of services, headers, assignments, addresses with a password, AWS, JWT."""

REMOVED = "<removed>"
ROW = "<row of the data>"
LEAST_SECRET = 6
"""Characters of the value of a variable from which it is looked for; shorter ones stand in other words."""

SECRET_NAME = re.compile(r"(?i)(token|secret|passw|api_?key|access_?key|credential)")


@dataclass
class Counts:
    """How much was taken out."""

    tokens: int = 0
    names: int = 0
    rows: int = 0


@dataclass
class Redaction:
    """Knows the secrets, the names and the shared pieces; `clean` applies them."""

    values: tuple[str, ...]
    names: tuple[tuple[str, str], ...]
    rows: tuple[str, ...] = ()
    counts: Counts = field(default_factory=Counts)

    def without_rows(self, text: str) -> str:
        """Return the text without the pieces of rows that are known."""
        for row in self.rows:
            self.counts.rows += text.count(row)
            text = text.replace(row, ROW)
        return text

    def clean(self, text: str) -> str:
        """Return the text without secrets and names."""
        for value in self.values:
            self.counts.tokens += text.count(value)
            text = text.replace(value, REMOVED)
        for pattern in TOKENS:
            text, number = pattern.subn(_keep_name, text)
            self.counts.tokens += number
        for name, instead in self.names:
            self.counts.names += text.count(name)
            text = text.replace(name, instead)
        return text


def _keep_name(match: re.Match[str]) -> str:
    """Keep what a token was called."""
    if match.group(0).startswith("://"):
        return f"://{REMOVED}@"
    return f"{match.group(1)}{REMOVED}" if match.re.groups == 1 else REMOVED


def secret_values(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the values of variables that hold secrets, the longest first."""
    found = {
        value
        for name, value in environment.items()
        if (name in SECRETS or SECRET_NAME.search(name)) and len(value) >= LEAST_SECRET
    }
    return tuple(sorted(found, key=len, reverse=True))


def personal_names(environment: Mapping[str, str], places: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return (text, instead) of folders, of the person and of the machine, the longest first.

    `places` are more folders: path -> what it is.
    """
    home = str(Path.home())
    found = dict(places)
    if len(home) > 1:
        found[home] = "~"
    try:
        user = environment.get("USER") or getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = ""
    host = socket.gethostname()
    names = {f"/home/{user}": "~", f"/Users/{user}": "~"} if user else {}
    if len(user) > 3 and user != "root":
        names[user] = "<user>"
    if len(host) > 3 and host != "localhost":
        names[host] = "<host>"
    found = {**names, **found}
    return tuple(sorted(found.items(), key=lambda pair: len(pair[0]), reverse=True))


def shared_rows(texts: Iterable[str], data: Iterable[str]) -> tuple[str, ...]:
    """Return every text that a row of `data` has in common with one of `texts`, the longest first.

    Memory is that of the texts alone; the data streams by.
    """
    held = list(texts)
    places: dict[str, tuple[int, int]] = {}
    for number, text in enumerate(held):
        for start in range(len(text) - BLOCK + 1):
            places.setdefault(text[start : start + BLOCK], (number, start))
    found: set[str] = set()
    for row in data:
        for written in spellings(row):
            for start in range(0, len(written) - BLOCK + 1, BLOCK):
                place = places.get(written[start : start + BLOCK])
                if place is not None:
                    common = extended(held[place[0]], place[1], written, start)
                    if any(character.isalnum() for character in common):
                        found.add(common)
    return tuple(sorted(found, key=len, reverse=True))


def extended(text: str, at: int, row: str, start: int) -> str:
    """Return the longest text around two equal places that both have."""
    before = 0
    while before < min(at, start) and text[at - before - 1] == row[start - before - 1]:
        before += 1
    after = BLOCK
    while at + after < len(text) and start + after < len(row) and text[at + after] == row[start + after]:
        after += 1
    return text[at - before : at + after]


def spellings(row: str) -> Iterator[str]:
    """Yield a text as it is, as JSON writes it, and as Python does, where those differ."""
    ways = (row, json.dumps(row)[1:-1], json.dumps(row, ensure_ascii=False)[1:-1], repr(row)[1:-1])
    yield from dict.fromkeys(ways)


def make(environment: Mapping[str, str] | None, places: Mapping[str, str]) -> Redaction:
    """Return a redaction that knows the secrets of this environment and the names of this machine."""
    known = os.environ if environment is None else environment
    return Redaction(secret_values(known), personal_names(known, places))
