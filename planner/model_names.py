"""What a person means by a model's name: `qwen 7b`, `llama3 8b`, `mistral-7b base`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from planner.did_you_mean import hint
from planner.errors import BadInput
from planner.language import say
from planner.model_catalogue import ModelEntry, find_model, key, models, row_entries, rows

Weights = Literal["chat", "base"]

TOKEN = re.compile(
    r"a\d+(?:\.\d+)?b|[vr]\d+(?:\.\d+)?|\d+(?:\.\d+)?(?:x\d+)?[bm]\d?(?![a-z])|\d+(?:\.\d+)?|[a-z]+"
)
"""Active size (a3b), version (v0.3) or series (r1), size (7b, 8x7b, 560m), number, word."""

CHAT_WORDS, BASE_WORDS = frozenset({"instruct", "chat", "it"}), frozenset({"base", "pretrained"})
NEUTRAL = frozenset({"meta", "hf", "pt", "ai", "model", "llm"})
LISTED = 8
"""Candidates that an ambiguous name lists at most."""


class Match(NamedTuple):
    """The catalogue's entry, and one sentence where something was assumed (else empty)."""

    entry: ModelEntry
    because: str = ""


def interpret(name: str, prefer: Weights = "chat") -> Match | None:
    """Return what `name` means in the catalogue, or None if it means nothing there.

    An exact name or hub id wins. Otherwise every part of the name (family, version, size) must be in a row's
    name; of several versions the newest is taken, and said. Where a row has chat and base weights and the
    name does not say which, `prefer` decides, and it is said. Raises BadInput that lists the candidates when
    sizes or kinds are left open.
    """
    exact = find_model(name)
    if exact is not None and key(name) not in _row_keys():
        return Match(exact)
    wanted = set(tokens(name)) - NEUTRAL
    asked: Weights | None = "chat" if wanted & CHAT_WORDS else "base" if wanted & BASE_WORDS else None
    if exact is not None:
        return _weights(exact.row, name, asked, prefer, "")
    parts = wanted - CHAT_WORDS - BASE_WORDS
    if not parts or "/" in name:
        return None
    found = {row: set(tokens(row)) - parts for row in rows() if parts <= set(tokens(row))}
    if not found or not any(part.isalpha() for part in parts):
        return None
    row, because = _newest(name, parts, found)
    return _weights(row, name, asked, prefer, because)


def named_in(path: str) -> ModelEntry | None:
    """Return the catalogue's model that the last parts of a path name, such as
    `/models/Qwen/Qwen3-30B-A3B/`; None if they name none exactly. For configs written on another machine."""
    parts = [part for part in re.split(r"[/\\]", path.strip()) if part not in ("", ".", "..")]
    return find_model("/".join(parts[-2:])) or find_model(parts[-1]) if parts else None


def unknown(name: str) -> BadInput:
    """Return the refusal of a name that means nothing, with the nearest name if there is one."""
    known = [word for entry in models().values() for word in (entry.name, *entry.aliases)]
    return BadInput(
        say("There is no model called {name}.", name=repr(name)),
        why=hint(name, [*known, *rows()]),
        remedy=say(
            "Give a catalogue name, a Hugging Face model folder, its config.json, or owner/name on a hub."
        ),
    )


def tokens(name: str) -> list[str]:
    """Return the parts of a name that carry meaning, in lower case."""
    return TOKEN.findall(name.lower().replace("_", "."))


def _row_keys() -> frozenset[str]:
    """Return the names that leave open which weights of a row are meant."""
    open_names = {key(word) for name, row in rows().items() for word in (name, *row.aliases)}
    return frozenset(open_names) - {key(entry.name) for entry in models().values()}


def _newest(name: str, parts: set[str], found: dict[str, set[str]]) -> tuple[str, str]:
    """Return the row that is meant among `found` (row -> parts that the name left open), and why."""
    kinds = {row: {token for token in left if _is_kind(token)} for row, left in found.items()}
    fewest = min(len(words) for words in kinds.values())
    close = [row for row in found if len(kinds[row]) == fewest]
    if len(close) == 1:
        return close[0], ""
    described = any(token[0].isdigit() or token[-1].isdigit() for token in parts)
    sizes = {size for row in close for size in found[row] if _is_size(size)}
    if not described or sizes or len({frozenset(kinds[row]) for row in close}) > 1:
        raise _ambiguous(name, close if described else list(found))
    newest = max(close, key=_version)
    others = ", ".join(sorted(row for row in close if row != newest))
    return newest, say(
        "{name} was taken as {newest}, the newest of that size; there is also {others}.",
        name=name,
        newest=newest,
        others=others,
    )


def _weights(row: str, name: str, asked: Weights | None, prefer: Weights, because: str) -> Match:
    """Return the chat or base weights of a row, and what was assumed."""
    entries = row_entries(row)
    chosen = next((entry for entry in entries if entry.chat == ((asked or prefer) == "chat")), entries[0])
    if asked is not None and chosen.chat != (asked == "chat"):
        return Match(chosen, _joined(because, _only(chosen)))
    if asked is not None or len(entries) == 1:
        return Match(chosen, because)
    other = next(entry for entry in entries if entry is not chosen)
    if chosen.chat:
        said = say(
            "Of {name}, the instruction-tuned weights {chosen} were taken, because they already know chats; "
            "write {other} for the pretrained ones.",
            name=row,
            chosen=chosen.name,
            other=other.name,
        )
    else:
        said = say(
            "Of {name}, the pretrained weights {chosen} were taken, because plain text would undo the chat "
            "training of {other}.",
            name=row,
            chosen=chosen.name,
            other=other.name,
        )
    return Match(chosen, _joined(because, said))


def _only(entry: ModelEntry) -> str:
    if entry.chat:
        return say("The catalogue has only instruction-tuned weights of it: {name}.", name=entry.name)
    return say("The catalogue has only pretrained weights of it: {name}.", name=entry.name)


def _joined(*sentences: str) -> str:
    return " ".join(sentence for sentence in sentences if sentence)


def _ambiguous(name: str, close: Sequence[str]) -> BadInput:
    listed = ", ".join(close[:LISTED])
    more = len(close) - LISTED
    return BadInput(
        say("The name {name} fits {count} models.", name=repr(name), count=len(close)),
        why=say("They are {listed} and {more} more.", listed=listed, more=more)
        if more > 0
        else say("They are {listed}.", listed=listed),
        remedy=say("Name one of them; the size matters most."),
    )


def _is_size(token: str) -> bool:
    return bool(re.fullmatch(r"\d[\d.x]*[bm]\d?", token))


def _is_version(token: str) -> bool:
    return bool(re.fullmatch(r"v?\d{1,2}(?:\.\d+)?", token))


def _is_kind(token: str) -> bool:
    """Return whether a part tells another kind of model: coder, distill, mini, r1, a date."""
    return not (_is_size(token) or _is_version(token) or re.fullmatch(r"a\d[\d.]*b", token))


def _version(row: str) -> tuple[float, ...]:
    return tuple(_numbers(token for token in tokens(row) if _is_version(token)))


def _numbers(versions: Iterable[str]) -> Iterable[float]:
    return (float(version.lstrip("v")) for version in versions)
