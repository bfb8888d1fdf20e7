"""`steersman predict`: answer every row of a data file with the model of a run."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from planner.language import join, say

if TYPE_CHECKING:
    from runtime.prediction.predicting import Counts

LINE_SECONDS = 10.0
"""Time between lines of progress where the terminal cannot redraw one."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("run", default="latest", metavar="[RUN]")
@click.option(
    "--data", required=True, type=click.Path(path_type=Path), help="File of rows that ask something."
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="File of answers, JSON lines; one that exists is continued.",
)
@click.option(
    "--adapter",
    "which",
    flag_value="adapter",
    help="Answer with base and adapter instead of the merged model.",
)
@click.option("--static", "which", flag_value="static", help="Answer with the exported static graph.")
@click.option("--base", "which", flag_value="base", help="Answer with the base model.")
@click.option(
    "--max-new-tokens", type=click.IntRange(1), default=256, show_default=True, help="Longest answer."
)
@click.option(
    "--batch-size", type=click.IntRange(1), default=16, show_default=True, help="Rows answered together."
)
def command(run: str, data: Path, out: Path, which: str | None, max_new_tokens: int, batch_size: int) -> None:
    """Answer every row of a data file, greedily, and write the answers to a file.

    RUN is a run's name, its folder, or `latest`. Rows may be in any usual layout; an answer that they have
    already is kept as `reference`. Answers are written batch by batch, and the same command goes on after an
    interruption.

    \b
    Examples:
      steersman predict --data questions.jsonl --out answers.jsonl
      steersman predict my-run --data dev.jsonl --out answers.jsonl --adapter
      steersman predict my-run --data dev.jsonl --out static.jsonl --static --max-new-tokens 64
    """
    from runtime.prediction.place import Which, find_place
    from runtime.prediction.predicting import predict
    from runtime.run.layout import find_run

    chosen: Which = which or "tuned"  # type: ignore[assignment]
    place = find_place(find_run(run), chosen)
    progress = Progress()
    try:
        counts = predict(
            place, data, out, max_new_tokens=max_new_tokens, batch_size=batch_size, report=progress.show
        )
    except KeyboardInterrupt:
        progress.end()
        click.echo(say("Interrupted. The same command goes on where it was."), err=True)
        sys.exit(130)
    progress.end()
    click.echo(summary(counts, out))


def summary(counts: Counts, out: Path) -> str:
    """Return what was done, in sentences."""
    new = counts.answered - counts.earlier
    said = [say("{path} holds the answers to {rows:,} rows.", path=out, rows=counts.answered)]
    if counts.earlier:
        said.append(say("{earlier:,} of them were there before.", earlier=counts.earlier))
    if new and counts.seconds:
        speed = counts.tokens / counts.seconds
        said.append(say("{speed:.1f} tokens per second.", speed=speed))
    if counts.cut:
        said.append(say("{cut:,} answers were cut at --max-new-tokens.", cut=counts.cut))
    if counts.failed:
        said.append(say("{failed:,} rows have an error instead of an answer.", failed=counts.failed))
    return join(said)


class Progress:
    """One line that is redrawn in a terminal; a line now and then elsewhere."""

    def __init__(self) -> None:
        self.redraws = sys.stderr.isatty()
        self.said = 0.0

    def show(self, counts: Counts) -> None:
        """Say how far it is."""
        share = counts.read / counts.size if counts.size else 0.0
        line = say("{rows:,} rows answered, {share:.0%} of the file", rows=counts.answered, share=share)
        if self.redraws:
            click.echo(f"\r\x1b[K{line}", nl=False, err=True)
        elif time.monotonic() - self.said > LINE_SECONDS:
            self.said = time.monotonic()
            click.echo(line, err=True)

    def end(self) -> None:
        """Leave the line that was redrawn."""
        if self.redraws:
            click.echo(err=True)
