"""One row as it is trained on: which tokens the model is taught to write, which are special or cut off."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.style import Style
from rich.text import Text
from textual.color import Color, ColorParseError
from textual.widget import Widget

from planner.language import say, template
from planner.phrases import plural
from tui.app.data_jobs import Row
from tui.app.widgets.ink import ink

if TYPE_CHECKING:
    from runtime.data.row_pass import Sample

BEGIN, END, LINE_END, CUT = "»", "«", "↵", "✂"
"""Marks that say without colour what is trained, where lines end, and from where on nothing is seen."""

INVISIBLE = {"\t": "⇥ ", "\r": "␍", "\0": "␀"}
EVEN, ODD = 0.28, 0.16
"""Strength of the tint behind tokens in turn, so that their borders can be seen."""


class TokenView(Widget, can_focus=True):
    """The row that is looked at. Trained text stands between marks, is underlined and tinted."""

    HELP = template(
        "A row as the model sees it. What stands between » and « is trained on: the model learns to write "
        "it, or to avoid it where it was rejected. The rest is only read. n and p go from row to row."
    )

    def __init__(self) -> None:
        super().__init__()
        self.row: Row | None = None
        self.held_out: bool | None = None
        """Whether it is held out for evaluation; None while nobody knows."""
        self.borders = True
        self.words = ""
        """What stands there instead of a row; empty while rows are being read."""

    def tell(self, words: str) -> None:
        """Say why there is no row."""
        self.words = words
        self.refresh(layout=True)

    def show(self, row: Row | None, held_out: bool | None) -> None:
        """Show a row."""
        self.row, self.held_out = row, held_out
        self.refresh(layout=True)

    def render(self) -> RenderableType:
        """Return figures, legend and text."""
        if self.row is None:
            return Text(self.words or say("The first rows will stand here."), ink(self, "foreground-muted"))
        return Group(self._figures(), self._legend(), Text(), self._text())

    def _figures(self) -> Text:
        assert self.row is not None
        sample, tokens = self.row.sample, self.row.tokens
        seen = sum(token.tokens for token in tokens if not token.cut)
        taught = sum(token.tokens for token in tokens if token.trained)
        words = [
            say("{file} row {row}", file=sample.file, row=f"{sample.row:,}"),
            kind_of(sample),
            say("{taught:,} of {seen:,} tokens trained ({share:.0%})", taught=taught, seen=seen,
                share=taught / max(1, seen)) if sample.kind != "retrieval" else plural(seen, "token"),
        ]  # fmt: skip
        if self.held_out:
            words.append(say("held out for evaluation, not trained on"))
        return Text("  ·  ".join(words), ink(self, "foreground", bold=True))

    def _legend(self) -> Text:
        assert self.row is not None
        written = any(token.trained for token in self.row.tokens)
        legend = Text.assemble(
            (f"{BEGIN}{say('trained')}{END}", self._taught(EVEN)) if written else "",
            "   " if written else "",
            (say("only read"), ink(self, "foreground-muted")),
            "   ",
            (say("<special token>"), ink(self, "text-accent", bold=True)),
            "   ",
            (f"{LINE_END} {say('line end')}", ink(self, "foreground-disabled")),
        )
        if self.row.rejected is not None or self.row.sample.good is False:
            legend.append(f"   {BEGIN}{say('to be avoided')}{END}", self._taught(EVEN, "error"))
        if any(token.cut for token in self.row.tokens):
            legend.append(f"   {CUT} {say('cut off')}", ink(self, "text-error"))
        return legend

    def _text(self) -> Text:
        text = Text()
        for words, style in self._pieces():
            # The end mark belongs to the line that ends, not alone on the next one.
            if words.startswith((END, CUT)) and text.plain.endswith("\n"):
                text.right_crop(1)
                words += "\n"
            text.append(words, style)
        return text

    def _pieces(self) -> Iterator[tuple[str, Style]]:
        assert self.row is not None
        taught, cut = False, False
        mark = ink(self, "text-success", bold=True)
        heads = headings(self.row)
        for index, token in enumerate(self.row.tokens):
            if taught and (not token.trained or index in heads):
                yield END, mark
                taught = False
            if index in heads:
                yield f"\n{heads[index]}\n", ink(self, "foreground", bold=True)
            if token.cut and not cut:
                yield CUT, ink(self, "text-error", bold=True)
            if token.trained and not taught:
                yield BEGIN, mark
            taught, cut = token.trained, token.cut
            yield visible(token.text), self._style(index)
        if taught:
            yield END, mark

    def _style(self, index: int) -> Style:
        assert self.row is not None
        token = self.row.tokens[index]
        if token.cut:
            return ink(self, "foreground-disabled") + Style(strike=True)
        style = ink(self, "foreground-muted")
        if token.trained:
            avoided = self.row.sample.good is False or index >= (self.row.rejected or len(self.row.tokens))
            strength = ODD if self.borders and index % 2 else EVEN
            style = self._taught(strength, "error" if avoided else "success")
        if token.special:
            style += ink(self, "text-accent", bold=True)
        return style

    def _taught(self, strength: float, meaning: str = "success") -> Style:
        return ink(self, "foreground", underline=True) + tint(self, meaning, strength)


def kind_of(sample: Sample) -> str:
    """Return what a row is, in a few words."""
    if sample.kind == "text":
        return say("plain text")
    if sample.kind == "retrieval":
        return say("a query with passages, each made into a vector")
    if sample.kind == "preference":
        return say("two answers")
    if sample.kind == "labelled":
        return say("judged good") if sample.good else say("judged bad")
    return plural(len(sample.parts), "turn")


def headings(row: Row) -> dict[int, str]:
    """Return index of a token -> what stands above it: which answer begins there."""
    sample = row.sample
    if sample.kind == "retrieval":
        others = {index: say("another passage") for index in row.passages[1:]}
        return {0: say("query"), row.passages[0]: say("▲ passage that answers it"), **others}
    first = next((index for index, token in enumerate(row.tokens) if token.trained), None)
    if first is None or sample.kind not in ("preference", "labelled"):
        return {}
    if sample.kind == "labelled":
        return {first: say("▲ judged good") if sample.good else say("▼ judged bad")}
    found = {first: say("▲ chosen")}
    return found if row.rejected is None else found | {row.rejected: say("▼ rejected")}


def visible(text: str) -> str:
    """Return text in which line ends, tabs and control characters can be seen."""
    for found, shown in INVISIBLE.items():
        text = text.replace(found, shown)
    return text.replace("\n", f"{LINE_END}\n")


def tint(widget: Widget, meaning: str, strength: float) -> Style:
    """Return a background between the screen's and a theme colour; none in sixteen colours."""
    variables = widget.app.theme_variables
    try:
        ground, colour = Color.parse(variables["background"]), Color.parse(variables[meaning])
    except (ColorParseError, KeyError):
        return Style()
    if ground.ansi is not None or colour.ansi is not None:
        return Style()
    return Style(bgcolor=ground.blend(colour, strength).rich_color)
