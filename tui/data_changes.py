"""What was fixed, converted or fetched, for people: by row where rows change, with figures everywhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from planner.errors import BadInput
from planner.language import say
from planner.phrases import plural

if TYPE_CHECKING:
    from runtime.data.convert import Converted
    from runtime.data.mending import Fix, Mended, Proposal

SHOWN_CHARACTERS = 160
"""Of a row before and after: enough to recognise it."""


def chosen_fixes(only: tuple[str, ...], near: bool) -> tuple[Fix, ...]:
    """Return the fixes that were asked for; `BadInput` for an unknown name."""
    from runtime.data.mending import DEFAULT, FIX_TITLES

    known: dict[str, Fix] = {name: name for name in FIX_TITLES}
    for name in only:
        if name not in known:
            raise BadInput(
                say("There is no fix {name}.", name=name),
                remedy=say("Fixes are {names}.", names=", ".join(known)),
            )
    chosen = tuple(known[name] for name in only) or DEFAULT
    return (*chosen, "near") if near else chosen


def print_fixes(done: Mended, data: str) -> None:
    """Print the proposed fixes, the first rows of each, and how to apply them or where they were written."""
    from runtime.data.mending import FIX_TITLES

    console = Console(highlight=False)
    if not done.counts:
        console.print(Text(say("Nothing to fix in {rows}.", rows=plural(done.rows_read, "row"))))
    for fix, count in done.counts.most_common():
        title = say("{count} x {title}", count=count, title=say(FIX_TITLES[fix]))
        console.print(Text(title, style="bold"), Text(f"[{fix}]", style="dim"))
        for proposal in done.first[fix]:
            print_proposal(console, proposal)
        if count > len(done.first[fix]):
            console.print(Text("    " + say("and {count} more", count=count - len(done.first[fix]))))
    kept = say(
        "{kept} of {rows} would be kept.", kept=f"{done.rows_kept:,}", rows=plural(done.rows_read, "row")
    )
    if done.files:
        print_files(done.files)
    elif done.counts:
        console.print(Text(kept))
        command = f"steersman data fix {data} -o OUT"
        how = say("Nothing was written. To apply the fixes: {command}", command=command)
        console.print(Text(how), soft_wrap=True)


def print_proposal(console: Console, proposal: Proposal) -> None:
    """Print one change: where, why, and the row before and after."""
    line = say(" (line {line})", line=proposal.line) if proposal.line else ""
    place = say("{file} row {row}{line}: {what}", file=proposal.file, row=proposal.row, line=line,
                what=proposal.what)  # fmt: skip
    console.print(Text(f"    {place}"), soft_wrap=True)
    if proposal.after is not None:
        console.print(Text(f"      - {short(proposal.before)}", style="dim"), soft_wrap=True)
        console.print(Text(f"      + {short(proposal.after)}"), soft_wrap=True)


def short(row: Any) -> str:
    """Return the beginning of a row as JSON."""
    text = json_text(row)
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 3] + "..."


def json_text(value: Any, indent: int | None = None) -> str:
    """Return JSON that any terminal can show: half characters stand there by their number."""
    return json.dumps(value, ensure_ascii=False, indent=indent).encode(errors="backslashreplace").decode()


def print_files(files: dict[Path, int]) -> None:
    """Print what was written where."""
    console = Console(highlight=False)
    for path, rows in files.items():
        wrote = say("Wrote {rows} to {path}.", rows=plural(rows, "row"), path=path)
        console.print(Text(wrote), soft_wrap=True)


def print_converted(done: Converted) -> None:
    """Print what was written, and everything that was lost on the way."""
    console = Console(highlight=False)
    print_files(done.files)
    lost = [done.loss] if done.loss else []
    if done.judged_bad:
        lost.append(say("{rows} judged bad are left out.", rows=plural(done.judged_bad, "row")))
    if done.tools_as_text:
        rows = plural(done.tools_as_text, "row")
        lost.append(say("Tool calls of {rows} became text: this layout knows none.", rows=rows))
    if done.system_as_question:
        rows = plural(done.system_as_question, "row")
        lost.append(
            say("The system prompt of {rows} now begins the first question: this layout has none.", rows=rows)
        )
    if done.left_out:
        lost.append(say("{rows} could not be used:", rows=plural(done.left_out, "row")))
    for sentence in lost:
        console.print(Text(sentence))
    for finding in done.log.first() if done.left_out else ():
        if finding.kind.severity == "error":
            console.print(Text(f"    {finding.sentence()}"), soft_wrap=True)


def fixes_as_dict(done: Mended) -> dict[str, Any]:
    """Return the proposals as JSON values."""
    return {
        "rows_read": done.rows_read,
        "rows_kept": done.rows_kept,
        "counts": dict(done.counts),
        "first": [proposal._asdict() for listed in done.first.values() for proposal in listed],
        "files": {str(path): rows for path, rows in done.files.items()},
    }
