"""No text commands the terminal: what a model says, and what files hold, may contain escape sequences.

Rich and Textual take only some control codes out of text. A model that answers with `ESC [ 2 J` would clear
the screen, and marks of right-to-left writing would turn what follows around.
"""

from __future__ import annotations

FORBIDDEN = (
    *(code for code in range(0x20) if code not in (0x09, 0x0A)),
    *range(0x7F, 0xA0),
    *range(0x202A, 0x202F),
    *range(0x2066, 0x206A),
)
"""C0 but tabs and line ends, DEL and C1 (ECMA-48), embeddings, overrides and isolates (Unicode UAX #9)."""


def forbid_control_codes() -> None:
    """Let Rich and Textual take all of them out of whatever is shown; once is enough."""
    import rich.control
    import textual.content

    for table in (rich.control._CONTROL_STRIP_TRANSLATE, textual.content._CONTROL_STRIP_TRANSLATE):
        table.update(dict.fromkeys(FORBIDDEN))
