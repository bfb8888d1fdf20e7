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
    """Inspect, repair, convert, mix and fetch training data.

    Conversations: alpaca, ShareGPT, OpenAI messages, PaddleNLP's src/tgt; tool calls. Preference pairs
    (chosen, rejected), judged answers (label), plain texts. Files: .json, .jsonl, .csv, .parquet, .txt, or a
    folder with train and dev files. A mixture: "a.jsonl*0.7 + b.jsonl*0.3". A hub: hf:owner/name.

    \b
    Examples:
      steersman data inspect my_data.jsonl --model smollm2-135m-instruct --max-length 512
      steersman data fix my_data.jsonl
      steersman data convert my_data.json my_data.jsonl --to messages
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
@click.option("--near", is_flag=True, help="Look for rows that nearly repeat others (takes time and memory).")
@click.option("--json", "as_json", is_flag=True, help="Print everything as one JSON object.")
def inspect(
    data: str,
    model: str | None,
    max_length: int | None,
    src_length: int | None,
    dev_fraction: float,
    seed: int,
    rows: int,
    near: bool,
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
            near=near,
            progress=progress,
        )
    if as_json:
        click.echo(json.dumps(as_dict(found), ensure_ascii=False, indent=2))
    else:
        print_report(found, max_length)


@command.command("fix")
@click.argument("data", metavar="DATA")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Write the fixed data there.")
@click.option("--only", multiple=True, metavar="FIX", help="Propose only this fix; may be repeated.")
@click.option("--near", is_flag=True, help="Leave out rows that nearly repeat others, too.")
@click.option("--min-tokens", type=click.IntRange(1), help="Leave out shorter rows.")
@click.option("--max-tokens", type=click.IntRange(1), help="Leave out longer rows.")
@click.option("--model", help="Model name or folder: count tokens with its tokenizer.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as one JSON object.")
def fix_data(
    data: str,
    out: Path | None,
    only: tuple[str, ...],
    near: bool,
    min_tokens: int | None,
    max_tokens: int | None,
    model: str | None,
    as_json: bool,
) -> None:
    """Propose fixes for the rows of DATA, row by row; with --out, write the fixed data to a new file.

    DATA itself is never changed, and without --out nothing is written. Fixes: unusable (leave out rows that
    cannot be trained on), mend (write rows as training would take them), control (take control characters
    out), copies, near and leaks (leave out repeated rows, nearly repeated rows, dev rows that are training
    rows), long and short (with --max-tokens and --min-tokens).

    \b
    Examples:
      steersman data fix my_data.jsonl
      steersman data fix my_data.jsonl -o fixed.jsonl
      steersman data fix my_data.jsonl --only copies --near -o fixed.jsonl
      steersman data fix my_data.jsonl --max-tokens 2048 --model smollm2-135m-instruct -o short.jsonl
    """
    from runtime.data.mending import mend
    from tui.data_changes import chosen_fixes, fixes_as_dict, json_text, print_fixes

    fixes = chosen_fixes(only, near)
    folder = None if model is None else model_folder(model)
    with ProgressLine(data) as progress:
        done = mend(
            data, out, fixes=fixes, model_folder=folder, most=max_tokens, least=min_tokens, progress=progress
        )
    if as_json:
        click.echo(json_text(fixes_as_dict(done), indent=2))
    else:
        print_fixes(done, data)


@command.command("convert")
@click.argument("data", metavar="IN")
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--to", "layout", required=True, metavar="LAYOUT", help="Layout of the new rows.")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as one JSON object.")
def convert_data(data: str, out: Path, layout: str, as_json: bool) -> None:
    """Write the rows of IN to OUT in another layout; the ending of OUT decides on the kind of file.

    Layouts: alpaca, sharegpt, messages, src_tgt; for preference pairs alpaca_pairs, sharegpt_pairs,
    messages_pairs, response_pairs, prompt_pairs, hh_pairs, src_tgt_pairs; for judged answers alpaca_labels,
    sharegpt_labels, messages_labels, prompt_labels, src_tgt_labels; for queries passages, flag_passages,
    query_passages, triplets; text. What is lost is said.

    \b
    Examples:
      steersman data convert my_data.json my_data.jsonl --to messages
      steersman data convert pairs.jsonl for_kto.jsonl --to prompt_labels
      steersman data convert my_data.jsonl my_data.parquet --to src_tgt
    """
    from runtime.data.convert import as_dict as converted_as_dict
    from runtime.data.convert import convert
    from tui.data_changes import json_text, print_converted

    with ProgressLine(data) as progress:
        done = convert(data, out, layout, progress)
    if as_json:
        click.echo(json_text(converted_as_dict(done), indent=2))
    else:
        print_converted(done)


@command.command("fetch")
@click.argument("data", metavar="NAME")
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="File to write.")
@click.option("--rows", type=click.IntRange(1), help="Only so many rows: the rest is never fetched.")
def fetch_data(data: str, out: Path, rows: int | None) -> None:
    """Fetch a data set of a hub, or write a mixture, as one file.

    \b
    Examples:
      steersman data fetch hf:owner/name -o data.jsonl
      steersman data fetch hf:owner/name:folder@main --rows 1000 -o first.jsonl
      steersman data fetch "a.jsonl*0.7 + b.jsonl*0.3" -o mixed.jsonl
    """
    from runtime.data.copying import copy_rows
    from tui.data_changes import print_files

    with ProgressLine(data) as progress:
        written = copy_rows(data, out, rows, progress)
    print_files({out: written})


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
