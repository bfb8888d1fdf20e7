"""`python -m tui.picture RUN OUT.svg`: a picture of a finished run, from its journal."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from planner.errors import SteersmanError
from runtime.paths import write_atomically
from runtime.run import journal
from runtime.run.layout import RunFolder, find_run
from runtime.run.view import fold
from tui.estimate import expected
from tui.progress_end import ending
from tui.progress_stages import picture

WIDTH = 100


def draw(run: RunFolder) -> str:
    """Return the last display of a run as SVG text; paths are relative if the run lies below this folder."""
    if run.root.is_relative_to(Path.cwd()):
        run = RunFolder(run.root.relative_to(Path.cwd()))
    view = fold(journal.read(run.journal))
    console = Console(
        record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    console.print(picture(run.name, view, expected(run), view.last_event, WIDTH), Text(), ending(run, view))
    return console.export_svg(title=f"steersman run plan.yaml --run {run.name}", theme=MONOKAI)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("run", metavar="RUN")
@click.argument("file", metavar="OUT.svg", type=click.Path(path_type=Path, dir_okay=False))
def main(run: str, file: Path) -> None:
    """Draw the final display of a run as an SVG picture."""
    try:
        write_atomically(file, draw(find_run(run)))
    except SteersmanError as error:
        click.echo(f"steersman: {error.sentence()}", err=True)
        sys.exit(int(error.exit_code))


if __name__ == "__main__":
    main()
