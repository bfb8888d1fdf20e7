"""What is known of the data as a whole, and the titles of the parts of its screen."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text
from textual.widget import Widget

from planner.language import say, template
from planner.phrases import plural
from planner.plan import Plan
from tui.app.widgets.ink import ink
from tui.page import rows

LAYOUTS = {
    "alpaca": template("alpaca (instruction, input, output)"),
    "sharegpt": template("ShareGPT (conversations)"),
    "messages": template("OpenAI messages"),
    "src_tgt": template("PaddleNLP src/tgt"),
    "text": template("plain text"),
    "preference": template("preferences (chosen and rejected answers)"),
    "labelled": template("answers with a label"),
    "retrieval": template("queries with passages"),
}
"""Format of the facts -> its words."""

LANGUAGES = {"en": template("English"), "zh": template("Chinese")}


class SectionTitle(Widget):
    """A title with a rule to the end of the line; the text is said when it is drawn."""

    def __init__(self, words: str, id: str | None = None) -> None:  # noqa: A002 - the word of Textual
        super().__init__(id=id)
        self.words = words
        self.more = ""

    def render(self) -> RenderableType:
        """Return the title."""
        line = Text(f"{say(self.words)} ", ink(self, "text-accent", bold=True), no_wrap=True)
        line.append(f"{self.more} " if self.more else "", ink(self, "foreground", bold=True))
        return line.append("─" * max(0, self.size.width - line.cell_len), ink(self, "foreground-disabled"))


class DataFactsPart(Widget):
    """Rows, turns, languages, duplicates, layout."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.facts = plan.facts.data

    def render(self) -> RenderableType:
        """Return the facts as labelled rows."""
        data = self.facts
        held = say("given") if data.dev_given else say("split off by the text of each row and the seed")
        sure = "" if data.lengths.counted else say(" (estimated)")
        share = data.lengths.answer_total / max(1, data.lengths.total)
        lengths = data.lengths
        learnt = say(
            "{all:,} in one epoch, {share:.0%} of them answers{sure}",
            all=lengths.total,
            share=share,
            sure=sure,
        )
        per_row = say(
            "{mean:.0f} on average, half the rows up to {p50:,}, 99% up to {p99:,}, longest {most:,}",
            mean=lengths.mean,
            p50=lengths.p50,
            p99=lengths.p99,
            most=lengths.max,
        )
        language = LANGUAGES.get(data.language or "", data.language or "")
        training = say("{rows}, {turns}", rows=plural(data.train_rows, "row"), turns=turns(data.max_turns))
        held_out = say("{rows}, {how}", rows=plural(data.dev_rows, "row"), how=held)
        if data.typed:  # nothing more is known than what was typed
            training, held_out = plural(data.train_rows, "row"), plural(data.dev_rows, "row")
        return rows(
            (
                (say("Data"), say("described, not read") if data.typed else data.path),
                (say("Layout"), "" if data.typed else say(LAYOUTS[data.format])),
                (say("Training"), training),
                (say("Held out"), held_out),
                (say("Unusable"), "" if data.typed else plural(data.unusable_rows, "row")),
                (say("Duplicates"), "" if data.typed else plural(data.duplicate_rows, "row")),
                (say("Language"), say(language) if language else ""),
                (say("Tokens"), learnt),
                (say("Per row"), per_row),
            )
        )


def turns(most: int) -> str:
    """Return how many turns a row has."""
    return say("one turn each") if most == 1 else say("up to {most} turns", most=most)
