"""The files of a run as a list: enter looks inside, c copies the path, o opens it on this desktop."""

from __future__ import annotations

from typing import ClassVar

from rich.cells import set_cell_size
from rich.text import Text
from textual import on
from textual.binding import BindingType
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from planner.language import say, template
from runtime.run.layout import RunFolder
from runtime.run.view import RunView
from tui.app.keys import Key
from tui.app.run_files import RunFile, results, stage_files, title
from tui.app.widgets.ink import ink
from tui.page import width_of


class FilesPane(OptionList):
    """Results of the run, then the inputs and logs of each stage."""

    HELP = template(
        "Everything that the run has made or was given: results, then the exact command, config, environment "
        "and log of every stage. Enter looks inside, c copies the path, o opens it with this desktop's "
        "program."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Key(
            "c",
            "copy_path",
            template("Copy path"),
            id="files.copy",
            show=False,
            tooltip=template("Copy the path to the clipboard."),
        ),
        Key(
            "o",
            "open_path",
            template("Open"),
            id="files.open",
            show=False,
            tooltip=template("Open it with this desktop's own program."),
        ),
    ]

    def __init__(self) -> None:
        super().__init__(id="files-pane", markup=False)
        self.files: list[RunFile] = []

    def show(self, run: RunFolder, view: RunView) -> None:
        """Show the files that there are now."""
        stages = [name for name, stage in view.stages.items() if stage.started or stage.proven]
        files = results(run, view) + [file for name in stages for file in stage_files(run, name)]
        if files == self.files:
            return
        here = self.highlighted
        self.files = files
        names = width_of(title(file) for file in files)
        self.clear_options()
        for file in files:
            line = Text(no_wrap=True, overflow="ellipsis")
            line.append(set_cell_size(title(file), names) + "  ")
            where = file.path.relative_to(run.root) if file.path.is_relative_to(run.root) else file.path
            line.append(str(where) if str(where) != "." else str(run.root), ink(self, "text-muted"))
            self.add_option(Option(line))
        if here is not None and here < len(files):
            self.highlighted = here

    @property
    def chosen(self) -> RunFile | None:
        """The file under the cursor."""
        return None if self.highlighted is None else self.files[self.highlighted]

    @on(OptionList.OptionSelected)
    def look_inside(self, event: OptionList.OptionSelected) -> None:
        """Show a text file; of a folder copy the path."""
        event.stop()
        file = self.files[event.option_index]
        if file.path.is_dir():
            self.action_copy_path()
        else:
            from tui.app.screens.text_file import TextFileScreen

            self.app.push_screen(TextFileScreen(file.path))

    def action_copy_path(self) -> None:
        """Copy the path."""
        if self.chosen is not None:
            self.app.copy_to_clipboard(str(self.chosen.path))
            self.notify(say("Copied: {text}", text=self.chosen.path), markup=False)

    def action_open_path(self) -> None:
        """Open it with the desktop's program."""
        if self.chosen is not None:
            self.app.open_url(self.chosen.path.as_uri())
