"""What a scan of data found, for people: facts, findings by row, a histogram of lengths, sample rows with
their loss mask.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from runtime.data.findings import Finding
    from runtime.data.row_pass import Sample
    from runtime.data.scan import Scan

LISTED = 5
BAR = 32
LAYOUTS = {
    "alpaca": "alpaca (instruction, input, output)",
    "sharegpt": "ShareGPT (conversations)",
    "messages": "OpenAI messages",
    "src_tgt": "PaddleNLP src/tgt",
    "preference": "preference pairs",
    "labelled": "judged answers",
    "text": "plain texts",
}
MARKS = {"error": "x", "warning": "!", "note": "."}
STYLES = {"error": "red", "warning": "yellow", "note": "dim"}


def print_report(found: Scan, max_length: int | None) -> None:
    """Print the scan on stdout. Nothing is said by colour alone, so that a file or a pipe holds the same."""
    console = Console(highlight=False)
    console.print(facts_table(found))
    print_findings(console, found)
    print_lengths(console, found, max_length)
    for sample in found.samples:
        print_sample(console, sample)


def facts_table(found: Scan) -> Table:
    """Return the facts as two columns."""
    facts = found.facts
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column()
    dev = "given" if facts.dev_given else "split off by the text of each row and the seed"
    table.add_row("Data", escape(facts.path))
    exact = f" ({facts.layout})" if facts.layout not in (None, facts.format) else ""
    table.add_row("Layout", LAYOUTS[facts.format] + exact)
    table.add_row("Made for", ", ".join(facts.stages or ()))
    table.add_row("Rows", f"{found.rows_read} read, {facts.unusable_rows} unusable")
    table.add_row("Training", f"{facts.train_rows} rows, up to {facts.max_turns} turn(s)")
    table.add_row("Dev", f"{facts.dev_rows} rows, {dev}")
    table.add_row("Fingerprint", facts.fingerprint[:16])
    return table


def print_findings(console: Console, found: Scan) -> None:
    """Print how many findings of each kind there are, and the first of them by row."""
    if not found.findings:
        console.print("\n[bold]Findings[/bold]\nNone: every row can be trained on as it is.")
        return
    console.print("\n[bold]Findings[/bold]")
    for code, group in groupby(found.findings, key=lambda finding: finding.code):
        listed = list(group)
        print_group(console, found.finding_counts[code], listed)


def print_group(console: Console, count: int, listed: list[Finding]) -> None:
    """Print the findings of one code."""
    kind = listed[0].kind
    title = f"{MARKS[kind.severity]} {count} x {kind.title}: {kind.action}"
    console.print(Text(title, style=STYLES[kind.severity]), Text(f"[{listed[0].code}]", style="dim"))
    for finding in listed[:LISTED]:
        console.print(Text(f"    {finding.sentence()}"), soft_wrap=True)
    if count > min(LISTED, len(listed)):
        console.print(Text(f"    and {count - min(LISTED, len(listed))} more", style="dim"))


def print_lengths(console: Console, found: Scan, max_length: int | None) -> None:
    """Print percentiles and a histogram of the row lengths, and a `max_length` that suits them."""
    lengths = found.facts.lengths
    how = (
        "counted by the model's own tokenizer"
        if lengths.counted
        else "ESTIMATED from characters; --model counts"
    )
    console.print(f"\n[bold]Tokens per row[/bold] ({how})")
    console.print(
        f"mean {lengths.mean:g}   half the rows up to {lengths.p50}   90 % up to {lengths.p90}   "
        f"99 % up to {lengths.p99}   longest {lengths.max}"
    )
    share = lengths.answer_total / max(1, lengths.total)
    console.print(
        f"{lengths.total} in one epoch; {lengths.answer_total} of them ({share:.0%}) are answers: learnt"
    )
    most = max((count for _, _, count in found.histogram), default=1)
    width = len(str(found.histogram[-1][1])) if found.histogram else 1
    for low, high, count in found.histogram:
        bar = "#" * max(round(BAR * count / most), 1 if count else 0)
        console.print(Text(f"  {low:>{width}} to {high:>{width}} |{bar:<{BAR}} {count}"))
    if max_length is None:
        console.print(f"Suggested max_length: {found.suggested_max_length}")


def print_sample(console: Console, sample: Sample) -> None:
    """Print a row as the model sees it. Trained text stands between >> and << and is bold and underlined."""
    asked, answered = (sum(turn[side] for turn in sample.lengths) for side in (0, 1))
    console.print(f"\n[bold]Row {sample.row}[/bold] of {escape(sample.file)}: {asked + answered} tokens, "
                  f"{answered} of them trained (between >> and <<)")  # fmt: skip
    text = Text()
    for prompt, answer in sample.parts:
        text.append(prompt, style="dim")
        text.append(">>", style="green")
        text.append(
            answer.replace("\n", "\\n") if not answer.strip() else shown(answer), style="bold underline green"
        )
        text.append("<<", style="green")
    console.print(text, soft_wrap=True)


def shown(answer: str) -> str:
    """Return the answer with a trailing line end made visible: it is trained on, too."""
    stripped = answer.rstrip("\n")
    return stripped + "\\n" * (len(answer) - len(stripped))
