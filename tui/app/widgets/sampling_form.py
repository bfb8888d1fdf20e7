"""How tokens are drawn, as a small form; a wrong value is named in a sentence."""

from __future__ import annotations

import math

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Label

from planner.errors import BadInput
from planner.language import say, template
from tui.app.talk import Sampling

LONGEST_ANSWER = 100_000
"""Tokens: beyond what any model of the catalogue holds; the worker cuts at what its model holds."""

FIELDS = {
    "temperature": (
        template("Temperature"),
        "0",
        template("0 takes the likeliest token; 1 draws by the odds."),
    ),
    "top_p": (
        template("Top-p"),
        "1",
        template("Draw from the likeliest tokens that together hold this probability."),
    ),
    "max_new_tokens": (template("Longest answer"), "256", template("Tokens after which an answer is cut.")),
    "seed": (
        template("Seed"),
        "",
        template("The same number draws the same answer again; empty: by chance."),
    ),
}
"""Field -> label, value at first, what it means."""


class Field(Input):
    """One value of the form."""

    HELP = template("A setting of how tokens are drawn. It holds from the next question on. Escape closes.")


class SystemField(Input):
    """The system prompt."""

    HELP = template("What both models are told before the conversation; empty tells them nothing.")


class SamplingForm(Vertical):
    """Temperature, top-p, longest answer, seed, and the system prompt."""

    def __init__(self, texts: dict[str, str]) -> None:
        """`texts` holds what was typed, by field; the form writes into it."""
        super().__init__(id="sampling")
        self.texts = texts

    def compose(self) -> ComposeResult:
        """Yield the fields in one row, and the system prompt below."""
        with Horizontal(id="numbers"):
            for name, (label, _, meaning) in FIELDS.items():
                with Vertical(classes="field"):
                    yield Label(say(label))
                    field = Field(self.texts[name], id=name, compact=True)
                    field.tooltip = say(meaning)
                    yield field
        with Horizontal(id="system-row"):
            yield Label(say("System prompt"))
            yield SystemField(
                self.texts["system"], id="system", compact=True, placeholder=say("nothing is said before")
            )

    def on_input_changed(self, event: Input.Changed) -> None:
        """Keep what was typed."""
        if event.input.id:
            self.texts[event.input.id] = event.value
        event.stop()


def first_texts() -> dict[str, str]:
    """Return the values at first."""
    return {**{name: value for name, (_, value, _) in FIELDS.items()}, "system": ""}


def sampling(texts: dict[str, str]) -> Sampling:
    """Return the settings that were typed. BadInput names the field, the value and what it may be."""
    temperature = _number(texts["temperature"], "temperature")
    top_p = _number(texts["top_p"], "top_p")
    longest = _whole(texts["max_new_tokens"], "max_new_tokens")
    if temperature < 0:
        raise _refusal("temperature", texts["temperature"], say("a number from 0 on"))
    if not 0 < top_p <= 1:
        raise _refusal("top_p", texts["top_p"], say("a number above 0 and up to 1"))
    if not 0 < longest <= LONGEST_ANSWER:
        raise _refusal("max_new_tokens", texts["max_new_tokens"], say("a whole number from 1 on"))
    seed = _whole(texts["seed"], "seed") if texts["seed"].strip() else None
    if seed is not None and seed < 0:
        raise _refusal("seed", texts["seed"], say("a whole number from 0 on, or nothing"))
    return Sampling(temperature, top_p, longest, seed)


def described(chosen: Sampling) -> str:
    """Return the settings in a few words."""
    if chosen.temperature == 0:
        how = say("the likeliest token each time")
    else:
        how = say(
            "temperature {temperature:g}, top-p {top_p:g}",
            temperature=chosen.temperature,
            top_p=chosen.top_p,
        )
        if chosen.seed is not None:
            how += " · " + say("seed {seed}", seed=chosen.seed)
    return f"{how} · " + say("at most {tokens} tokens", tokens=chosen.max_new_tokens)


def _number(text: str, name: str) -> float:
    try:
        value = float(text.strip().replace(",", "."))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise _refusal(name, text, say("a number"))
    return value


def _whole(text: str, name: str) -> int:
    try:
        return int(text.strip())
    except ValueError:
        raise _refusal(name, text, say("a whole number")) from None


def _refusal(name: str, text: str, wanted: str) -> BadInput:
    return BadInput(
        say("{field}: `{text}` is not {wanted}.", field=say(FIELDS[name][0]), text=text, wanted=wanted)
    )
