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

from planner.language import say, template
from planner.phrases import plural

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
    "preference": template("preference pairs"),
    "labelled": template("judged answers"),
    "text": template("plain texts"),
    "retrieval": template("queries with passages"),
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
    dev = say("given") if facts.dev_given else say("split off by the text of each row and the seed")
    table.add_row(say("Data"), escape(facts.path))
    exact = f" ({facts.layout})" if facts.layout not in (None, facts.format) else ""
    table.add_row(say("Layout"), say(LAYOUTS[facts.format]) + exact)
    table.add_row(say("Made for"), ", ".join(facts.stages or ()))
    read = say("{rows} read, {unusable} unusable", rows=found.rows_read, unusable=facts.unusable_rows)
    turns = plural(facts.max_turns, "turn")
    table.add_row(say("Rows"), read)
    table.add_row(say("Training"), say("{rows} rows, up to {turns}", rows=facts.train_rows, turns=turns))
    table.add_row(say("Dev"), say("{rows} rows, {how}", rows=facts.dev_rows, how=dev))
    table.add_row(say("Fingerprint"), facts.fingerprint[:16])
    return table


def print_findings(console: Console, found: Scan) -> None:
    """Print how many findings of each kind there are, and the first of them by row."""
    if not found.findings:
        console.print(
            heading(say("Findings")), Text(say("None: every row can be trained on as it is.")), sep="\n"
        )
        return
    console.print(heading(say("Findings")))
    for code, group in groupby(found.findings, key=lambda finding: finding.code):
        listed = list(group)
        print_group(console, found.finding_counts[code], listed)


def print_group(console: Console, count: int, listed: list[Finding]) -> None:
    """Print the findings of one code."""
    kind = listed[0].kind
    what = say("{count} x {title}: {action}", count=count, title=say(kind.title), action=say(kind.action))
    title = f"{MARKS[kind.severity]} {what}"
    console.print(Text(title, style=STYLES[kind.severity]), Text(f"[{listed[0].code}]", style="dim"))
    for finding in listed[:LISTED]:
        console.print(Text(f"    {finding.sentence()}"), soft_wrap=True)
    if count > min(LISTED, len(listed)):
        more = say("and {count} more", count=count - min(LISTED, len(listed)))
        console.print(Text(f"    {more}", style="dim"))


def print_lengths(console: Console, found: Scan, max_length: int | None) -> None:
    """Print percentiles and a histogram of the row lengths, and a `max_length` that suits them."""
    lengths = found.facts.lengths
    how = (
        say("counted by the model's own tokenizer")
        if lengths.counted
        else say("ESTIMATED from characters; --model counts")
    )
    console.print(Text.assemble("\n", (say("Tokens per row"), "bold"), f" ({how})"))
    spread = say(
        "mean {mean:g}   half the rows up to {p50}   90 % up to {p90}   99 % up to {p99}   longest {max}",
        mean=lengths.mean,
        p50=lengths.p50,
        p90=lengths.p90,
        p99=lengths.p99,
        max=lengths.max,
    )
    console.print(Text(spread))
    learnt = say(
        "{total} in one epoch; {answers} of them ({share:.0%}) are answers: learnt",
        total=lengths.total,
        answers=lengths.answer_total,
        share=lengths.answer_total / max(1, lengths.total),
    )
    console.print(Text(learnt))
    most = max((count for _, _, count in found.histogram), default=1)
    width = len(str(found.histogram[-1][1])) if found.histogram else 1
    for low, high, count in found.histogram:
        bar = "#" * max(round(BAR * count / most), 1 if count else 0)
        span = say("{low} to {high}", low=f"{low:>{width}}", high=f"{high:>{width}}")
        console.print(Text(f"  {span} |{bar:<{BAR}} {count}"))
    if max_length is None:
        console.print(Text(say("Suggested max_length: {tokens}", tokens=found.suggested_max_length)))


def heading(text: str) -> Text:
    """Return a title behind an empty line."""
    return Text.assemble("\n", (text, "bold"))


def print_sample(console: Console, sample: Sample) -> None:
    """Print a row as the model sees it. Trained text stands between >> and << and is bold and underlined."""
    asked, answered = (sum(turn[side] for turn in sample.lengths) for side in (0, 1))
    title = say(
        "Row {row} of {file}: {tokens} tokens, {trained} of them trained (between >> and <<)",
        row=sample.row,
        file=sample.file,
        tokens=asked + answered,
        trained=answered,
    )
    console.print(heading(title))
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
