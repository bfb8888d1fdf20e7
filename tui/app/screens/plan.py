"""The plan as a page: what it comes to, every decision with its reason, what if, and the files that run."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import Screen
from textual.widgets import Input, Static, TabbedContent, TabPane

from planner.errors import SteersmanError
from planner.language import current, join, say, template
from planner.phrases import plural
from planner.plan import Plan
from planner.solve import show
from planner.wishes import Value
from tui.app import plan_files, replanning, what_if_text
from tui.app.application import the_app
from tui.app.keys import KeyFooter
from tui.app.messages import Cancelled, LanguageChanged, Refused, Worked, Working
from tui.app.plan_session import PlanSession, named
from tui.app.plan_writing import WRITING, PlanWriting
from tui.app.screens.plan_keys import PLAN_KEYS
from tui.app.widgets.ask_bar import AskBar
from tui.app.widgets.config_tabs import ConfigTabs
from tui.app.widgets.decision_row import DecisionRow
from tui.app.widgets.decision_tree import DecisionTree
from tui.app.widgets.filter_input import FilterInput
from tui.app.widgets.plan_overview import MemoryPartBars, OtherWay, PlanOverview
from tui.app.widgets.refusal_block import RefusalBlock
from tui.app.widgets.setting_editor import SettingEditor, open_again
from tui.app.widgets.what_if_pane import WhatIfPane

AGAIN, WHAT_IF, FILES, SPEAK = "plan.again", "plan.what-if", "plan.files", "plan.language"
SPEAK_OTHER = "plan.language-of-other"
"""Jobs of this screen."""

JOBS = (AGAIN, WHAT_IF, *WRITING, SPEAK, SPEAK_OTHER, FILES)
BESIDE_CELLS = 150
"""Width from which decisions stand beside the overview, and not below it."""


class PlanScreen(Screen[None]):
    """A plan to read, question, change, save and run."""

    HELP = template(
        "The whole plan. Each line is a decision: enter opens it, e changes it, p fixes it. "
        "w asks what if, f shows the files that run, / filters, u takes the last change back."
    )
    AUTO_FOCUS = ""
    CSS_PATH = "plan.tcss"
    BINDINGS: ClassVar[list[BindingType]] = list(PLAN_KEYS)

    def __init__(self, plan: Plan, file: Path | None = None) -> None:
        super().__init__()
        self.session = PlanSession(plan, file)
        self.tab = "page"
        self.filter_text = ""
        self.asked = ""
        self.other: Plan | None = None
        self.refused: Refused | None = None
        self.texts: dict[str, str] = {}
        self.chosen_file = ""
        self.status = ""
        self.writing = PlanWriting(self)
        self.decisions: DecisionTree | None = None

    @property
    def plan(self) -> Plan:
        """The plan as it is now."""
        return self.session.plan

    def compose(self) -> ComposeResult:
        """Compose the three tabs, and below them refusal, status and question."""
        with TabbedContent(initial=self.tab, id="plan-tabs"):
            with TabPane(say("Plan"), id="page"), Vertical(id="plan-page"):
                yield PlanOverview(self.session)
                with Vertical(id="plan-decisions"):
                    yield FilterInput(self.filter_text, id="plan-filter", placeholder=say("Filter decisions"))
                    self.decisions = DecisionTree(self.session, self.decisions)
                    yield self.decisions
            with TabPane(say("What if"), id="what-if"):
                yield WhatIfPane(self.session, self.asked, self.other)
            with TabPane(say("Files"), id="files"):
                yield ConfigTabs(self.texts, self.chosen_file)
        yield RefusalBlock(self.refused)
        yield Static(self.status, id="plan-status", markup=False)
        yield AskBar()
        yield KeyFooter()

    def on_mount(self) -> None:
        """Say the plan in the language that is spoken."""
        self.settle()
        self.speak()

    async def recompose(self) -> None:
        """Compose anew, in another language; the plan's own sentences follow from a job."""
        self.texts = {}
        editors = list(self.query(SettingEditor))
        row = self.focused.id if isinstance(self.focused, DecisionRow) else None
        await super().recompose()
        self.settle()
        if editors or row:
            await self.query_one(DecisionTree).fill()
        await open_again(editors, self.query_one(DecisionTree), self.plan)
        if row:
            self.query_one(f"#{row}").focus()

    def settle(self) -> None:
        """Show only what there is to show, and put the focus where reading begins."""
        self.query_one(FilterInput).display = bool(self.filter_text)
        self.tell(self.status)
        self.call_after_refresh(self.begin_reading)

    @on(DecisionTree.Begun)
    def begin_reading(self) -> None:
        """Put the focus on the first decision, unless it is somewhere already."""
        if self.focused is None:
            self.focus_first()

    def on_language_changed(self, event: LanguageChanged) -> None:
        """Say the plan's own sentences in the other language."""
        self.speak()

    def focus_first(self) -> None:
        """Start at an open editor, or at decisions that stand beside the overview, else at the top."""
        for editor in self.query(SettingEditor):
            editor.ask_again()
            return
        if self.app.size.width < BESIDE_CELLS:
            self.query_one(MemoryPartBars).focus(scroll_visible=False)
        elif rows := self.query_one(DecisionTree).rows():  # else they follow, and so does the focus
            rows[0].focus(scroll_visible=False)

    def speak(self) -> None:
        """Say the plan's sentences in the language of the app."""
        if self.plan.wishes.language != current():
            the_app(self).work.start(SPEAK, self, replanning.in_other_language(self.plan, current()))

    # What jobs tell

    def on_working(self, event: Working) -> None:
        """Show how far a job is."""
        share = f" {event.done / event.total:.0%}" if event.total else ""
        self.tell(f"◌ {event.sentence}…{share}  {say('escape cancels')}", "-working")

    def on_cancelled(self, event: Cancelled) -> None:
        """Say that nothing came of a job, unless another one of its name is under way."""
        if event.job not in the_app(self).work.jobs:
            self.tell(say("Cancelled."))

    def on_refused(self, event: Refused) -> None:
        """Show what was refused; the plan and what was typed stay as they were."""
        self.refused = event
        self.query_one(RefusalBlock).show(event)
        self.tell("")
        for editor in self.query(SettingEditor):
            editor.ask_again()

    async def on_worked(self, event: Worked) -> None:
        """Take the result of a job."""
        if event.job not in (SPEAK, SPEAK_OTHER):
            self.clear_refusal()
        if event.job == AGAIN:
            await self.become(event.result)
            self.speak()  # another language may have been asked for meanwhile
        elif event.job == SPEAK:
            await self.spoken(event.result)
        elif event.job in (WHAT_IF, SPEAK_OTHER):
            self.other = event.result
            self.query_one(WhatIfPane).show(self.other)
            self.tell("")
        elif event.job == FILES:
            self.texts = event.result
            await self.query_one(ConfigTabs).show(self.texts)
            if self.tab == "files":
                self.query_one(ConfigTabs).start()
            self.tell("")
        else:
            self.tell(f"✓ {self.writing.done(event.job, event.result)}", "-good")
            self.query_one(PlanOverview).refresh_all()

    async def spoken(self, plan: Plan) -> None:
        """Show the same plan, and the other one beside it, in another language."""
        self.tell("")
        self.session.speak(plan)
        editors, other = list(self.query(SettingEditor)), self.other
        await self.redraw()
        await open_again(editors, self.query_one(DecisionTree), self.plan)
        if other is not None:
            the_app(self).work.start(SPEAK_OTHER, self, replanning.in_other_language(other, current()))

    # Changing the plan

    async def become(self, plan: Plan) -> None:
        """Make another plan the current one, and show what changed."""
        difference = self.session.take(named(plan, self.plan, self.session.file))
        await self.redraw()
        if not difference.settings:
            self.tell(f"✓ {say('Every setting keeps its value.')} {say('u goes back.')}", "-good")
            return
        changed = say("{changed} changed.", changed=plural(len(difference.settings), "setting"))
        self.tell(f"● {changed} {difference.because} {say('u goes back.')}")

    async def redraw(self) -> None:
        """Show the plan as it is now, on all tabs."""
        self.other, self.texts = None, {}
        the_app(self).desk.put(self.plan, self.session.file)
        await self.query(SettingEditor).remove()
        await self.query_one(PlanOverview).rebuild()
        await self.query_one(DecisionTree).rebuild()
        self.query_one(WhatIfPane).show(None)
        if self.tab == "files":
            self.render_files()

    def again(self, pins: dict[str, Value | None]) -> None:
        """Plan again with settings fixed or released."""
        the_app(self).work.start(AGAIN, self, replanning.with_pins(self.plan, pins))

    @on(DecisionRow.EditAsked)
    async def edit(self, event: DecisionRow.EditAsked) -> None:
        """Ask for another value below the row."""
        await self.query(SettingEditor).remove()
        await self.query_one(DecisionTree).mount(SettingEditor(event.row.setting, self.plan), after=event.row)

    @on(DecisionRow.PinAsked)
    def pin(self, event: DecisionRow.PinAsked) -> None:
        """Fix a setting as it is, or release it."""
        fixed = self.session.is_fixed(event.name)
        self.again({event.name: None if fixed else self.plan.value(event.name)})

    @on(SettingEditor.Chosen)
    def chosen(self, event: SettingEditor.Chosen) -> None:
        """Plan again with the value; the editor stays until that has worked."""
        self.clear_refusal()
        self.again({event.name: event.value})

    @on(SettingEditor.Left)
    def left(self, event: SettingEditor.Left) -> None:
        """Go back to the row."""
        self.query(SettingEditor).remove()
        self.clear_refusal()
        self.query_one(f"#row-{event.name}").focus()

    @on(OtherWay.Taken)
    def take_other_way(self, event: OtherWay.Taken) -> None:
        """Plan again as the alternative says."""
        self.again(dict(event.other.changes))

    @on(WhatIfPane.Asked)
    def ask_what_if(self, event: WhatIfPane.Asked) -> None:
        """Read what was typed, and plan again with it."""
        self.asked = event.text
        try:
            change = what_if_text.read(event.text)
        except SteersmanError as error:
            self.on_refused(Refused(WHAT_IF, error, error.details))
            return
        self.clear_refusal()
        the_app(self).work.start(WHAT_IF, self, replanning.changed(self.plan, change))

    @on(WhatIfPane.Taken)
    async def take_what_if(self, event: WhatIfPane.Taken) -> None:
        """Make the other plan the plan."""
        await self.become(event.other)
        self.action_tab("page")

    async def action_undo(self) -> None:
        """Go back by one change."""
        if self.session.undo():
            await self.redraw()
            self.tell(f"↶ {say('The last change was taken back.')}")
        else:
            self.tell(say("There is nothing to take back."))

    # Looking around

    def action_tab(self, tab: str) -> None:
        """Go to a tab."""
        # A focus that is hidden would move to a neighbour, which would open the tab of that one again.
        self.set_focus(None)
        self.query_one(TabbedContent).active = tab

    def on_tabbed_content_tab_activated(self, event: TabbedContent.TabActivated) -> None:
        """Put the focus where the work of a tab begins."""
        if event.pane.id != event.tabbed_content.active:
            return  # said late: another tab was gone to since
        before, self.tab = self.tab, event.pane.id or "page"
        if self.tab == "what-if":
            self.query_one(WhatIfPane).start()
        elif self.tab == "files":
            self.render_files()
            self.query_one(ConfigTabs).start()
        elif before != self.tab:
            self.focus_first()

    def render_files(self) -> None:
        """Make the texts of all files, unless they are there."""
        if not self.texts:
            name = self.session.file.name if self.session.file else "plan.yaml"
            the_app(self).work.start(FILES, self, plan_files.rendering(self.plan, name))

    def action_filter(self) -> None:
        """Show only decisions that hold some words."""
        the_app(self).type_ahead.expect()
        self.action_tab("page")
        field = self.query_one(FilterInput)
        field.display = True
        field.focus()

    @on(Input.Changed, "#plan-filter")
    def filter_changed(self, event: Input.Changed) -> None:
        """Filter at every key."""
        self.filter_text = event.value
        found = say(
            "{found} found.", found=plural(self.query_one(DecisionTree).filter(event.value), "decision")
        )
        self.tell(join((found, self.query_one(FilterInput).offer)) if event.value.strip() else "")

    @on(Input.Submitted, "#plan-filter")
    def filter_submitted(self) -> None:
        """Go to what was found; what finds nothing may be a command."""
        tree, field = self.query_one(DecisionTree), self.query_one(FilterInput)
        field.action_obey() if field.command and not tree.found else tree.action_edge(0)

    def action_data(self) -> None:
        """Show the rows."""
        the_app(self).open_data(self.plan)

    def action_copy(self) -> None:
        """Copy the file that is shown, or the decision that has the focus."""
        text = self.query_one(ConfigTabs).text if self.tab == "files" else ""
        if isinstance(self.focused, DecisionRow):
            name = self.focused.setting
            text = f"{name}: {show(self.plan.value(name))}  # {self.plan.decisions[name].because}"
        if text:
            self.app.copy_to_clipboard(text)
            self.tell(f"✓ {say('Copied.')}", "-good")

    def action_copy_details(self) -> None:
        """Copy everything that is known about the refusal."""
        if self.refused is not None:
            self.app.copy_to_clipboard(self.query_one(RefusalBlock).text)
            self.tell(f"✓ {say('Copied.')}", "-good")

    # Saving, exporting, running

    def action_write(self, what: str) -> None:
        """Save, export or run: asked first."""
        self.writing.begin(what)

    def on_ask_bar_answered(self, event: AskBar.Answered) -> None:
        """Go on with what was answered."""
        if event.about == "leave" and event.text == "y":
            self.dismiss()
        elif event.text is None or not self.writing.answered(event.about, event.text):
            self.tell(say("Nothing was changed."))
        if not self.query_one(AskBar).display and self.tab == "page":
            self.focus_first()

    # Leaving

    def action_back(self) -> None:
        """Close what is open: a refusal, a job, a filter, a tab; then the screen."""
        work = the_app(self).work
        if self.refused is not None:
            self.clear_refusal()
        elif sum(map(work.cancel, JOBS)):
            return
        elif self.filter_text or self.query_one(FilterInput).display:
            self.query_one(FilterInput).close()
            self.focus_first()
        elif self.tab != "page":
            self.action_tab("page")
        elif self.session.past and not self.session.saved:
            self.query_one(AskBar).ask("leave", say("The changes are not saved. Leave all the same?"), None)
        else:
            self.dismiss()

    def clear_refusal(self) -> None:
        """Close the refusal."""
        self.refused = None
        self.query_one(RefusalBlock).show(None)

    def tell(self, words: str, kind: str = "") -> None:
        """Show one line of what is going on."""
        self.status = words
        line = self.query_one("#plan-status", Static)
        line.set_classes(kind)
        line.display = bool(words)
        line.update(words)
