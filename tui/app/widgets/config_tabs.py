"""What runs: the rendered config, the launch command, its environment and all other files, in tabs."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Static, Tab, Tabs

from planner.language import say, template
from planner.plan import Plan
from tui.app.keys import Key
from tui.app.widgets.code_pane import CodePane

COMMAND = "command.sh"
"""Name of the tab with the command of `steersman run`; no file of this name is written."""


class FileTabs(Tabs):
    """One tab for each file."""

    HELP = template("The files of the plan. Left and right go from file to file, down goes into the text.")
    BINDINGS: ClassVar[list[BindingType]] = [
        Key(
            "down,enter",
            "into",
            template("Into the text"),
            id="files.into",
            tooltip=template("Scroll the text of the file."),
            show=False,
        )
    ]

    def action_into(self) -> None:
        """Go into the text."""
        self.screen.query_one(CodePane).focus()


class ConfigTabs(Vertical):
    """The files of a plan. `texts` come from a job of the screen, as templates take a moment."""

    def __init__(self, texts: dict[str, str] | None = None, chosen: str = "") -> None:
        super().__init__()
        self.texts = texts or {}
        self.chosen = chosen

    def compose(self) -> ComposeResult:
        """Compose the tabs and the text."""
        yield FileTabs(*(Tab(name, id=tab_id(name)) for name in self.texts))
        yield Static(say("Rendering the files"), id="config-waiting", classes="muted", markup=False)
        yield CodePane()

    def on_mount(self) -> None:
        """Show the file that was chosen, if any."""
        self.query_one("#config-waiting").display = not self.texts
        self.query_one(CodePane).display = bool(self.texts)
        if self.texts:
            self.choose(self.chosen if self.chosen in self.texts else next(iter(self.texts)))

    async def show(self, texts: dict[str, str]) -> None:
        """Show other files, the same one on top as long as there is one of its name."""
        tabs = self.query_one(FileTabs)
        self.query_one("#config-waiting").display = False
        self.query_one(CodePane).display = True
        if list(texts) != list(self.texts):
            self.texts = texts
            with self.prevent(Tabs.TabActivated):
                await tabs.clear()
                for name in texts:
                    await tabs.add_tab(Tab(name, id=tab_id(name)))
        self.texts = texts
        self.choose(self.chosen if self.chosen in texts else next(iter(texts)))

    def choose(self, name: str) -> None:
        """Show one file."""
        self.chosen = name
        self.query_one(FileTabs).active = tab_id(name)
        self.query_one(CodePane).show(self.texts[name], name.rpartition(".")[2])

    def start(self) -> None:
        """Put the focus on the tabs."""
        self.query_one(FileTabs).focus()

    @property
    def text(self) -> str:
        """The text that is shown."""
        return self.texts.get(self.chosen, "")

    def on_tabs_tab_activated(self, event: Tabs.TabActivated) -> None:
        """Show the file of a tab."""
        event.stop()
        name = next((name for name in self.texts if tab_id(name) == event.tab.id), "")
        if name and name != self.chosen:
            self.choose(name)


def tab_id(name: str) -> str:
    """Return the id of a file's tab."""
    return "file-" + name.replace(".", "-")


def all_texts(plan: Plan, file: str) -> dict[str, str]:
    """Return tab -> text: what `steersman render` writes, to the byte, and the command of `steersman run`."""
    from runtime.rendered import config_texts

    texts = config_texts(plan)
    first = next(iter(texts))
    return {first: texts[first], COMMAND: command(plan, file), **texts}


def command(plan: Plan, file: str) -> str:
    """Return the training command of a run with its environment, as a shell would take it."""
    import shlex

    from planner.methods import runnable
    from planner.render import launch_command, worker_environment

    lines = [
        f"# {say('What a run starts; `steersman run` does it for you.')}",
        f"steersman run {shlex.quote(file)}",
    ]
    lines += ["", f"# {say('Environment of the training processes')}"]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in worker_environment(plan).items()]
    why = runnable(plan)
    if why:
        lines += ["", f"# {why}", f"# {say('launch.sh runs it with the scripts of the toolkit.')}"]
    else:
        words = launch_command(plan, "python", "worker/start.py", "train.json", "log")
        lines += ["", f"# {say('Command of the training stage')}", shlex.join(words)]
    return "\n".join(lines) + "\n"
