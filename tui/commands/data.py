"""`steersman data`: look at training data before anything is spent on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from runtime.data.scan import Scan


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Inspect training data: format, findings by row, token lengths, loss mask.

    Layouts: alpaca (instruction, input, output), ShareGPT (conversations), OpenAI (messages), PaddleNLP
    (src, tgt). Files: .json, .jsonl, .csv, .parquet, or a folder with train and dev files.

    \b
    Examples:
      steersman data list
      steersman data inspect my_data.jsonl
      steersman data inspect my_data.jsonl --model smollm2-135m-instruct --max-length 512
    """


@command.command("list")
def list_data() -> None:
    """List the data sets that come with Steersman, one name per line.

    \b
    Example:
      steersman data list
    """
    from runtime.data.bundled import bundled_names

    for name in bundled_names():
        click.echo(name)


@command.command()
@click.argument("data", metavar="DATA")
@click.option("--model", help="Model name or folder: count with its tokenizer, render its chat template.")
@click.option("--max-length", type=click.IntRange(16), help="Show what this many tokens per row would cut.")
@click.option("--src-length", type=click.IntRange(8), help="Most tokens of the prompt [half of max-length].")
@click.option("--dev-fraction", type=click.FloatRange(0, 0.5), default=0.05, show_default=True,
              help="Share of rows to hold out when there is no dev file.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=42, show_default=True, help="Seed of the split.")
@click.option("--rows", type=click.IntRange(0), default=1, show_default=True, help="Sample rows to show.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as one JSON object.")
def inspect(
    data: str,
    model: str | None,
    max_length: int | None,
    src_length: int | None,
    dev_fraction: float,
    seed: int,
    rows: int,
    as_json: bool,
) -> None:
    """Read every row of DATA (a file, a folder or a bundled name) and say what training would make of it.

    Every defect is named with its row, its field and what will be done about it. Sample rows show the text
    as the model sees it; the parts that are trained on stand between >> and <<.

    \b
    Examples:
      steersman data inspect steersman-demo --model smollm2-135m-instruct
      steersman data inspect my_data.jsonl --rows 3
      steersman data inspect my_folder --model ./my_model --max-length 1024 --json > report.json
    """
    from runtime.data.scan import scan
    from tui.data_report import print_report

    folder = None if model is None else model_folder(model)
    with ProgressLine(data) as progress:
        found = scan(
            data,
            folder,
            max_length=max_length,
            src_length=src_length,
            seed=seed,
            dev_fraction=dev_fraction,
            samples=rows,
            progress=progress,
        )
    if as_json:
        click.echo(json.dumps(as_dict(found), ensure_ascii=False, indent=2))
    else:
        print_report(found, max_length)


def model_folder(model: str) -> Path:
    """Return a local folder as it is; any other name is resolved and fetched (once: it is cached)."""
    if Path(model).expanduser().is_dir():
        return Path(model).expanduser().resolve()
    from runtime.acquire.fetch import acquire
    from runtime.acquire.resolve import resolve_model
    from runtime.paths import models_folder
    from tui.commands.plan import report

    facts = resolve_model(model, report)
    with ProgressLine(model) as progress:
        return acquire(facts.source, models_folder(), progress)


class ProgressLine:
    """A rich progress bar on stderr, gone when done; silent when stderr is no terminal."""

    def __init__(self, title: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
        self.bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self.title = title
        self.message = ""
        self.task = self.bar.add_task(title, total=None)

    def __enter__(self) -> ProgressLine:
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def __call__(self, done: float, total: float, unit: str, message: str) -> None:
        """Show `done` of `total`."""
        self.bar.update(self.task, completed=done, total=total or None, description=message or self.title)


def as_dict(found: Scan) -> dict[str, Any]:
    """Return a scan as JSON values."""
    return {
        "facts": found.facts.model_dump(),
        "rows_read": found.rows_read,
        "suggested_max_length": found.suggested_max_length,
        "finding_counts": found.finding_counts,
        "findings": [finding.as_dict() for finding in found.findings],
        "histogram": [{"from": low, "to": high, "rows": count} for low, high, count in found.histogram],
        "samples": [
            {
                "file": sample.file,
                "row": sample.row,
                "turns": [
                    {"prompt": prompt, "answer": answer, "prompt_tokens": asked, "answer_tokens": answered}
                    for (prompt, answer), (asked, answered) in zip(sample.parts, sample.lengths, strict=True)
                ],
            }
            for sample in found.samples
        ],
    }
