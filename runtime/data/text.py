"""What may stand in a text: values that are no text, and characters that a tokenizer or a reader stumbles
over.
"""

from __future__ import annotations

import re
from typing import Any

from planner.language import say, template
from runtime.data.findings import Note

ODD = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
SURROGATE = re.compile("[\ud800-\udfff]")


def as_text(value: Any, field: str, note: Note) -> str | None:
    """Return `value` as text.

    Numbers are written out (noted); a list of text parts is joined; else None (noted).
    """
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        note("text.number", field, say("the number {number} is written as text", number=value))
        return str(value)
    if value is None:
        note("field.missing", field, say("the text is missing (null)"))
        return None
    if isinstance(value, list) and value and all(isinstance(part, dict) for part in value):
        kinds = [str(part.get("type", "text")) for part in value]
        texts = [part.get("text") for part in value]
        if set(kinds) == {"text"} and all(isinstance(text, str) for text in texts):
            return "".join(str(text) for text in texts)
        other = next((kind for kind in kinds if kind != "text"), "text")
        note(
            "field.type",
            field,
            say("a part of type {kind} stands where only text can be trained on", kind=repr(other)),
        )
        return None
    words = {bool: template("true/false"), list: template("a list"), dict: template("an object")}
    found = say(words.get(type(value), type(value).__name__))
    note("field.type", field, say("text is expected, not {found}", found=found))
    return None


def clean(text: str, field: str, note: Note) -> str:
    """Return `text` without what no model should learn; every change and every oddity is noted."""
    if ODD.search(text) is None:
        return text
    if "\r" in text:
        note("text.carriage_return", field, say("Windows line ends become plain ones"))
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\0" in text:
        note("text.nul", field, say("NUL characters are removed"))
        text = text.replace("\0", "")
    if SURROGATE.search(text):
        note("text.surrogate", field, say("half characters become U+FFFD"))
        text = SURROGATE.sub("\ufffd", text)
    rest = ODD.search(text)
    if rest is not None:
        note(
            "text.control", field, say("there is a control character (U+{code:04X})", code=ord(rest.group()))
        )
    return text
