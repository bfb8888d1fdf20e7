"""Lines may break between Chinese characters: Rich and Textual break at spaces only.

There a Chinese sentence is one word that is too long, so the line before it stays short, and a comma may
begin the next one. The rules are those of W3C, Requirements for Chinese Text Layout, section "Prohibition
rules for line start and line end": no closing mark begins a line, no opening mark ends one. Words of other
scripts are broken as ever.
"""

from __future__ import annotations

import re

HAN = r"[\u3005\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]"
"""Chinese characters, and Japanese kana, between which lines break, too."""
CLOSING = r"[，。、；：？！）》〉」』】〕”’…—·％,.;:?!)\]}%]"
OPENING = r"[（《〈「『【〔“‘(\[{]"
COMMA = r"，。、；：？！"
"""Marks as wide as a character, behind which a line may end though no blank follows, as in `json、yaml`."""

WORD = re.compile(
    rf"\s*(?:{OPENING}*{HAN}{CLOSING}*"
    rf"|(?:(?!{OPENING}*{HAN})[^\s{COMMA}])*[{COMMA}][{COMMA}”’）》〉」』】〕]*"
    rf"|(?:(?!{OPENING}*{HAN})\S)+)\s*"
)
"""What stays on one line, with the blanks around it. Text without Chinese characters: a word, as in Rich."""


def break_between_characters() -> None:
    """Let Rich, and Textual, which asks Rich, break lines there; once is enough."""
    import rich._wrap

    if rich._wrap.re_word is not WORD:
        rich._wrap.re_word = WORD


def filled(text: str, width: int) -> list[str]:
    """Return `text` in lines of at most `width` columns; only a word that is longer sticks out."""
    from rich.cells import cell_len

    lines = [""]
    for word in WORD.findall(text):
        if lines[-1] and cell_len(lines[-1] + word.rstrip()) > width:
            lines.append("")
        lines[-1] += word
    return [line.rstrip() for line in lines]
