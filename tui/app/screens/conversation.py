"""The conversation: questions and answers on the left, the plan so far on the right. Composition only.

What is asked and said is in `tui.app.dialogue`; what is found and planned in `tui.app.pursuit`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widget import Widget
from textual.widgets import Input, OptionList, Static

from planner.errors import SteersmanError
from planner.language import say, template
from planner.plan import Plan
from tui.app.answers import first_dialogue, forget_answers
from tui.app.application import the_app
from tui.app.asking import Asked
from tui.app.blocks.answer import AnswerBlock
from tui.app.blocks.block import Block, ErrorBlock
from tui.app.blocks.question import ChoiceList, QuestionBox
from tui.app.conversation_keys import KEYS
from tui.app.dialogue import Action
from tui.app.keys import KeyFooter
from tui.app.messages import Cancelled, LanguageChanged, Refused, Worked, Working
from tui.app.pursuit import Pursuit
from tui.app.transcript import Entry
from tui.app.typed_into import TypedInto
from tui.app.widgets.busy_line import BusyLine
from tui.app.widgets.completing import offers
from tui.app.widgets.completion_words import words_for
from tui.app.widgets.plan_summary import PlanSummary, one_line
from tui.app.widgets.prompt import Completion, Prompt

QUESTION_SHARE = 0.7
"""Of the height, for the question; as `max-height` of #ask in the style sheet."""


class ConversationScreen(TypedInto):
    """One plan in the making."""

    AUTO_FOCUS = "#prompt"
    CSS_PATH = "conversation.tcss"
    HELP = template(
        "I ask what I cannot find out, one question at a time, and the plan grows beside it. Answer in your "
        "own words, by a letter, or with Enter, which takes what is proposed. Any answer can be given again."
    )
    BINDINGS: ClassVar[list[BindingType]] = KEYS

    def __init__(self, plan: Plan | None = None) -> None:
        super().__init__()
        self.dialogue = first_dialogue(plan)
        self.pursuit = Pursuit(self, self.dialogue)
        self.trouble: SteersmanError | None = None
        """What was wrong with the last line."""
        self.drawn: Asked | None = None
        """The question as it is on the screen."""

    # Drawing

    def compose(self) -> ComposeResult:
        """Yield everything as the dialogue has it now."""
        yield Static(f"▌ Steersman  {say('A new plan')}", id="bar", markup=False)
        with Horizontal(id="body"):
            with Vertical(id="left"):
                with VerticalScroll(id="talk", can_focus=False):
                    yield from self.blocks()
                yield BusyLine(self.pursuit.under_way)
                yield Static(id="summary")
                with Vertical(id="ask"):
                    yield from self.question()
                yield Static(self.problem, id="problem", markup=False)
                with Horizontal(id="line"):
                    yield Static("›", id="sign", markup=False)
                    yield Prompt()
            with VerticalScroll(id="side", can_focus=False):
                yield PlanSummary(self.dialogue)
        yield KeyFooter()
        yield Completion("#prompt", self.offers, self.words)

    def on_mount(self) -> None:
        """Begin to find what can be found."""
        self.draw()
        self.pursuit.go_on()

    async def recompose(self) -> None:
        """Draw everything anew."""
        await super().recompose()
        self.draw()

    def blocks(self) -> list[Widget]:
        """Return a block for each entry."""
        return [block for entry in self.dialogue.transcript.entries if (block := self.block(entry))]

    def block(self, entry: Entry) -> Widget | None:
        """Return the block of an entry; None for an answer that is not there any more."""
        if entry.kind == "error":
            return ErrorBlock(entry)
        if entry.kind != "answer":
            return Block(entry)
        answer = self.dialogue.answer_of(entry.key)
        return AnswerBlock(entry, *answer) if answer else None

    def question(self) -> list[Widget]:
        """Return the question at hand, if there is one."""
        asked = self.drawn = self.dialogue.asked()
        return [QuestionBox(asked)] if asked else []

    @property
    def problem(self) -> str:
        """What was wrong with the last line, in the language of the moment."""
        return self.trouble.sentence() if self.trouble is not None else ""

    @property
    def talk_width(self) -> int:
        """Cells that a block of the transcript has for its words."""
        return self.query_one("#talk").content_size.width - 4 if self.is_mounted else 76

    def offers(self, text: str) -> Sequence[str]:
        """Return what a line could be completed to."""
        asked = self.dialogue.asked()
        return offers(the_app(self), text, asked.completes if asked else "")

    def words(self, line: str) -> str:
        """Return what a completion is."""
        return words_for(the_app(self), line, self.drawn.completes if self.drawn else "")

    def draw(self) -> None:
        """Bring the screen in step with the dialogue."""
        if not self.is_mounted:
            return
        with self.app.batch_update():
            self.draw_talk()
            self.draw_question()
            self.query_one(PlanSummary).refresh(layout=True)
            summary = self.query_one("#summary", Static)
            summary.update(f"▣ {one_line(self.dialogue, max(20, self.size.width - 4))}")
            problem = self.query_one("#problem", Static)
            problem.update(f"✗ {self.problem}" if self.problem else "")
            problem.display = bool(self.problem)
            self.show_example(self.drawn)
            if self.focused is None or isinstance(self.focused, AnswerBlock | ChoiceList):
                self.query_one(Prompt).focus()

    def draw_talk(self) -> None:
        """Add and remove blocks, and leave those that say the same."""
        talk = self.query_one("#talk", VerticalScroll)
        wanted = self.dialogue.transcript.entries
        shown = {child.entry: child for child in talk.children if isinstance(child, Block | AnswerBlock)}
        for entry, child in shown.items():
            now = self.dialogue.answer_of(entry.key) if entry.key else None
            stale = isinstance(child, AnswerBlock) and (child.name_shown, child.answer) != now
            if entry not in wanted or stale:
                child.remove()
                if stale and entry in wanted and (block := self.block(entry)):
                    talk.mount(block, after=child)
        for entry in wanted:
            if entry not in shown and (block := self.block(entry)):
                talk.mount(block)
        self.call_after_refresh(self.show_latest)

    @on(Block.Placed)
    def show_latest(self) -> None:
        """Scroll to what was said last: to its beginning if it is longer than there is room."""
        talk = self.query_one("#talk", VerticalScroll)
        last = talk.children[-1] if talk.children else None
        if last is not None and last.size.height > talk.size.height:
            talk.scroll_to_widget(last, top=True, animate=False)
        else:
            talk.scroll_end(animate=False)

    def draw_question(self) -> None:
        """Replace the question if it is another one, or has other choices."""
        ask = self.query_one("#ask", Vertical)
        asked = self.dialogue.asked()
        if asked == self.drawn:
            return
        self.drawn = asked
        ask.remove_children()
        if asked is not None:
            ask.mount(QuestionBox(asked))

    def on_resize(self) -> None:
        """Fit the question into the new size."""
        self.call_after_refresh(self.fit_question)

    @on(QuestionBox.Placed)
    def fit_question(self) -> None:
        """Leave room above the question: its choices take fewer rows where there are few."""
        for box in self.query(QuestionBox):
            box.fit(int(self.query_one("#left").size.height * QUESTION_SHARE))

    def show_example(self, asked: Asked | None) -> None:
        """Show in the empty prompt what can be typed."""
        example = say("for example: {example}", example=asked.example) if asked and asked.example else ""
        self.query_one(Prompt).show_example(example)

    # The person

    @on(Input.Submitted)
    def take_line(self, event: Input.Submitted) -> None:
        """Take the line; an empty one takes the choice that is marked."""
        event.stop()
        text = event.value.strip() or self.marked_letter()
        event.input.value = ""
        self.take(text)

    def take(self, text: str) -> None:
        """Take a line, however it came about."""
        from tui.app.slash.table import is_command, obey

        self.trouble = None
        try:
            if is_command(text):
                obey(the_app(self), text)
            else:
                self.do(self.dialogue.line(text))
        except SteersmanError as error:
            self.trouble = error
        self.go_on()

    def go_on(self) -> None:
        """Draw what changed, keep the answers, and find what is missing next."""
        self.pursuit.keep()
        self.pursuit.go_on()
        self.draw()

    def do(self, action: Action) -> None:
        """Do what a line asked for beyond the conversation."""
        app, plan = the_app(self), self.dialogue.plan
        if action == "leave":
            self.dismiss()
        elif action == "plan" and plan is not None:
            app.open_plan(plan, app.desk.file)
        elif action == "save" and plan is not None:
            self.pursuit.save()
        elif action == "start" and plan is not None:
            self.pursuit.start()

    def marked_letter(self) -> str:
        """Return the letter of the marked choice if the person moved the mark; else an empty line."""
        for choices in self.query(ChoiceList):
            if choices.highlighted is not None and choices.highlighted != choices.proposed:
                return choices.options[choices.highlighted].id or ""
        return ""

    @on(OptionList.OptionSelected)
    def take_choice(self, event: OptionList.OptionSelected) -> None:
        """Take a choice by letter, click or Enter."""
        if isinstance(event.option_list, ChoiceList):
            event.stop()
            self.take(event.option.id or "")

    @on(Input.Changed)
    def mark_typed(self, event: Input.Changed) -> None:
        """Mark the choice whose letter was typed; what is proposed once the line is empty again."""
        for choices in self.query(ChoiceList):
            letters = [option.id for option in choices.options if not option.disabled]
            if event.value.lower() in letters:
                choices.highlighted = choices.get_option_index(event.value.lower())
            elif not event.value:
                choices.highlighted = choices.proposed

    @on(Prompt.Moved)
    def move(self, event: Prompt.Moved) -> None:
        """Move the mark among the choices."""
        for choices in self.query(ChoiceList):
            choices.action_cursor_down() if event.step > 0 else choices.action_cursor_up()

    @on(AnswerBlock.Reopened)
    def ask_again(self, event: AnswerBlock.Reopened) -> None:
        """Ask a question again."""
        self.dialogue.reopen(event.key)
        self.go_on()

    def action_leave(self) -> None:
        """Cancel, clear, or close; in that order."""
        prompt = self.query_one(Prompt)
        if self.pursuit.cancel():
            return
        if self.has_class("-plan-shown"):
            self.remove_class("-plan-shown")
            return
        if prompt.value or self.problem:
            prompt.value, self.trouble = "", None
            self.draw()
        else:
            self.dismiss()

    def action_back(self) -> None:
        """Return to the question before."""
        self.take("back")

    def action_why(self) -> None:
        """Say why this is asked."""
        self.take("why")

    def action_unsure(self) -> None:
        """Let Steersman decide."""
        self.take("not sure")

    def action_plan(self) -> None:
        """Show the plan so far where it is hidden, else the whole plan."""
        if self.has_class("-narrow"):
            self.toggle_class("-plan-shown")
        elif self.dialogue.plan is not None:
            self.do("plan")
        else:
            self.notify(say("There is no plan yet."), markup=False)

    def action_scroll_talk(self, pages: int) -> None:
        """Scroll what was said."""
        talk = self.query_one("#talk", VerticalScroll)
        talk.scroll_page_down() if pages > 0 else talk.scroll_page_up()

    # The background

    @on(Working)
    def tell_working(self, event: Working) -> None:
        """Show how far a job is."""
        self.query_one(BusyLine).tell(event)

    @on(Worked)
    def take_result(self, event: Worked) -> None:
        """Take what a job found."""
        run = self.pursuit.worked(event.job, event.result)
        self.say_pages_again()
        self.go_on()
        if run is not None:
            forget_answers()
            the_app(self).open_run(run)

    def say_pages_again(self) -> None:
        """Draw the plans beside this one as they are said now."""
        for block in self.query(Block):
            if block.entry.kind == "page":
                block.update(block.words())

    @on(Refused)
    def take_refusal(self, event: Refused) -> None:
        """Say why a job ended without a result."""
        self.pursuit.refused(event.job, event.error, event.details)
        self.go_on()

    @on(Cancelled)
    def take_cancel(self, event: Cancelled) -> None:
        """Say that a job was cancelled."""
        self.pursuit.cancelled(event.job)
        self.draw()

    @on(LanguageChanged)
    def speak_again(self, event: LanguageChanged) -> None:
        """Say everything in the other language, the plan's sentences included."""
        self.dialogue.respeak()
        self.pursuit.speak_again()
        self.pursuit.go_on()
