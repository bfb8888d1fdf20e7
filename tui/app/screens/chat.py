"""Talk to a run's models: the one before the training and the one after it, side by side."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.screen import Screen
from textual.widgets import Input, Static

from planner.errors import BadInput
from planner.language import say, template
from planner.phrases import size
from runtime.chat import Which
from runtime.run.layout import RunFolder
from tui.app.application import the_app
from tui.app.keys import Key, KeyFooter
from tui.app.messages import Cancelled, LanguageChanged, Refused, Worked
from tui.app.talk import BOTH, AnswerBegan, AnswerEnded, AnswerGrew, ModelLoading, ModelMadeWay, Talk
from tui.app.widgets.answer_pane import NAMES, AnswerPane, Turn
from tui.app.widgets.refusal_block import RefusalBlock
from tui.app.widgets.sampling_form import Field, SamplingForm, described, first_texts, sampling

ASKING = "chat.ask"
"""The job that asks; the other starts the worker."""

NOTICE_SECONDS = 12
"""Time to read a sentence of two lines."""

CIRCLE: tuple[tuple[Which, ...], ...] = (BOTH, ("tuned",), ("base",))
"""Who answers: what ctrl+t goes through."""


class Question(Input):
    """The line in which a person asks the models."""

    HELP = template(
        "Ask both models the same. Enter sends; escape stops an answer and keeps what was said. "
        "Each model remembers its own answers. Everything is saved in chat.jsonl of the run."
    )


class ChatScreen(Screen[None]):
    """Two panes, one question line, and a small form for how tokens are drawn."""

    HELP = template("Compare the model before and after the training on the same questions.")
    CSS_PATH = "chat.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Key(
            "escape",
            "stop_or_leave",
            template("Stop / back"),
            id="chat.stop",
            tooltip=template("End the answer that is being given; when there is none, go back."),
        ),
        Key(
            "ctrl+s",
            "settings",
            template("Sampling"),
            id="chat.sampling",
            tooltip=template("Show or hide temperature, top-p, longest answer, seed and system prompt."),
        ),
        Key(
            "ctrl+t",
            "partner",
            template("Who answers"),
            id="chat.partner",
            tooltip=template("Ask both models, only the tuned one, or only the base model."),
        ),
        Key(
            "ctrl+r",
            "reset",
            template("Reset"),
            id="chat.reset",
            tooltip=template("Begin anew: both models forget what was said. The transcript stays."),
        ),
        Key(
            "ctrl+y",
            "copy_details",
            template("Copy"),
            id="chat.copy",
            show=False,
            tooltip=template("Copy the conversation; after an error, its details."),
        ),
    ]

    def __init__(self, run: RunFolder) -> None:
        super().__init__()
        self.folder = run
        self.talk = Talk(run)
        self.turns: dict[Which, list[Turn]] = {"base": [], "tuned": []}
        self.partners: tuple[Which, ...] = BOTH
        self.texts = first_texts()
        self.shows_form = False
        self.ready = False
        self.heard = False
        """Whether the worker has said anything yet: until then its libraries are being imported."""
        self.one_at_a_time = False
        """Whether there is no room for both models, so that they are loaded in turn."""
        self.refused: Refused | None = None
        self._typed = ""

    # What is on the screen

    def compose(self) -> ComposeResult:
        """Yield head, panes, form and question line."""
        yield Static(id="chat-head", markup=False)
        with Horizontal(id="panes"):
            for which in BOTH:
                yield AnswerPane(which, self.turns[which])
        yield RefusalBlock(self.refused)
        yield SamplingForm(self.texts)
        with Horizontal(id="question-row"):
            yield Static("❯", id="question-sign", markup=False)
            yield Question(
                self._typed, id="question", compact=True, placeholder=say("Ask both models the same")
            )
        yield KeyFooter()

    def on_mount(self) -> None:
        """Start the worker; its libraries take some seconds to import."""
        self.show()
        self.query_one(Question).focus()
        the_app(self).work.start("chat.open", self, lambda reporter: self.talk.open())

    def on_unmount(self) -> None:
        """End the worker."""
        self.talk.close()

    def show(self) -> None:
        """Show head, form and panes as they are now."""
        if not self.query(SamplingForm):
            return
        self.query_one("#chat-head", Static).update(self.head())
        self.query_one(SamplingForm).display = self.shows_form
        for which in BOTH:
            self.query_one(f"#pane-{which}").display = which in self.partners
        self.query_one(Question).placeholder = self.placeholder()
        self.query_one(RefusalBlock).show(self.refused)

    def head(self) -> str:
        """Return whom one talks to and how tokens are drawn, in one line each."""
        who = say("both models") if self.partners == BOTH else say(NAMES[self.partners[0]])
        try:
            how = described(sampling(self.texts))
        except BadInput as error:
            how = error.what
        state = "" if self.ready or self.refused else f" · {say('starting')}"
        turns = f" · {say('one model at a time')}" if self.one_at_a_time else ""
        return f"{say('Chat')} · {self.folder.name}{state}\n{who} · {how}{turns}"

    def placeholder(self) -> str:
        """Return what the empty question line says."""
        if self.answering:
            return say("Escape stops the answer")
        return say("Ask both models the same") if self.partners == BOTH else say("Ask the model")

    @property
    def answering(self) -> bool:
        """Whether an answer is awaited."""
        return any(not turn.over for turns in self.turns.values() for turn in turns[-1:])

    # What a person does

    @on(Input.Submitted, "#question")
    def ask(self, event: Input.Submitted) -> None:
        """Ask the models."""
        text = event.value.strip()
        if not text or self.answering:
            return
        try:
            chosen = sampling(self.texts)
        except BadInput as error:
            self.refuse(Refused("", error))
            return
        self.refuse(None)
        event.input.clear()
        for which in self.partners:
            self.turns[which].append(Turn(text))
            self.query_one(f"#pane-{which}", AnswerPane).add(self.turns[which][-1])
        partners, system = self.partners, self.texts["system"].strip()
        the_app(self).work.start(
            ASKING, self, lambda reporter: self.talk.ask(text, partners, chosen, system, self)
        )
        self.show()

    @on(Input.Changed, "#question")
    def remember(self, event: Input.Changed) -> None:
        """Keep what is typed, for when the screen is built anew."""
        self._typed = event.value

    @on(Input.Submitted, "#sampling Input")
    def close_form(self) -> None:
        """Go back to the question line."""
        self.action_settings()

    def action_stop_or_leave(self) -> None:
        """End the answer; without one close the form; else go back."""
        if self.answering:
            self.talk.stop()
        elif self.shows_form:
            self.action_settings()
        else:
            self.dismiss()

    def action_settings(self) -> None:
        """Show or hide the form."""
        self.shows_form = not self.shows_form
        self.show()
        (self.query(Field).first() if self.shows_form else self.query_one(Question)).focus()

    def action_partner(self) -> None:
        """Change who answers."""
        if not self.answering:
            self.partners = CIRCLE[(CIRCLE.index(self.partners) + 1) % len(CIRCLE)]
            self.show()

    async def action_reset(self) -> None:
        """Forget what was said."""
        if self.answering:
            self.notify(say("Escape stops the answer first."))
            return
        self.talk.reset()
        for turns in self.turns.values():
            turns.clear()
        self.refused = None
        await self.recompose()
        self.show()
        self.query_one(Question).focus()

    def action_copy_details(self) -> None:
        """Copy the conversation, or the error."""
        text = self.query_one(RefusalBlock).text or self.transcript()
        self.app.copy_to_clipboard(text)
        self.notify(say("Copied."))

    def transcript(self) -> str:
        """Return the conversation as text."""
        parts = []
        for which in BOTH:
            if self.turns[which]:
                parts.append(f"# {say(NAMES[which])}")
                parts += [f"> {turn.asked}\n\n{turn.answer}" for turn in self.turns[which]]
        return "\n\n".join(parts) + "\n"

    # What the models do

    @on(AnswerBegan)
    def begin(self, event: AnswerBegan) -> None:
        """Show who is thinking."""
        self._change(event.which, "starting" if self.heard else "waking")
        self.ready = True

    @on(ModelLoading)
    def load(self, event: ModelLoading) -> None:
        """Show who is being loaded."""
        self.heard = True
        self._change(event.which, "loading")

    @on(ModelMadeWay)
    def make_way(self, event: ModelMadeWay) -> None:
        """Say once why each question takes longer."""
        if not self.one_at_a_time:
            self.one_at_a_time = True
            told = say(
                "There is no room for both models: the second takes about {needed}, and {free} are free. "
                "They are loaded in turn, so every question takes longer.",
                needed=size(event.needed_bytes),
                free=size(event.free_bytes),
            )
            self.notify(told, timeout=NOTICE_SECONDS, markup=False)
            self.show()

    @on(AnswerGrew)
    def grow(self, event: AnswerGrew) -> None:
        """Show more of an answer."""
        self._change(event.which, "speaking", event.text)

    @on(AnswerEnded)
    def end(self, event: AnswerEnded) -> None:
        """Show how an answer ended."""
        turn = self.turns[event.which][-1]
        turn.tokens, turn.tokens_per_second = event.tokens, event.tokens_per_second
        self._change(event.which, event.reason)

    def _change(self, which: Which, state: str, more: str = "") -> None:
        if not self.turns[which]:
            return
        turn = self.turns[which][-1]
        turn.state = state
        turn.answer += more
        for pane in self.query(f"#pane-{which}").results(AnswerPane):
            pane.show(turn)

    def settle(self, state: str) -> None:
        """Give every answer that will not come its end."""
        for which in BOTH:
            if self.turns[which] and not self.turns[which][-1].over:
                never_asked = state == "interrupted" and self.turns[which][-1].state == "waiting"
                self._change(which, "skipped" if never_asked else state)
        self.show()

    @on(Worked)
    def worked(self, event: Worked) -> None:
        """The worker is there, or everybody has answered."""
        self.ready = True
        if event.job == ASKING:
            self.settle("interrupted")
        self.show()

    @on(Cancelled)
    def cancelled(self, event: Cancelled) -> None:
        """Somebody ended it."""
        if event.job == ASKING:
            self.settle("interrupted")

    @on(Refused)
    def not_possible(self, event: Refused) -> None:
        """Say why there is no answer."""
        self.settle("failed")
        self.refuse(event)

    def refuse(self, refused: Refused | None) -> None:
        """Show a refusal, or none."""
        self.refused = refused
        self.show()

    @on(LanguageChanged)
    def say_again(self) -> None:
        """Say everything again, once it is built anew."""
        self.call_after_refresh(self.show)
