"""The report as a page to read: Markdown, complete without any other file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from planner.language import join, say
from planner.phrases import count, size
from runtime.run.durations import span
from runtime.stages.report_quantised import quantised_head, quantised_rows
from runtime.stages.report_rewards import sentence


def page(report: dict[str, Any]) -> str:
    """Return report.md for the content of report.json."""
    parts = [
        f"# {report['name']}",
        introduction(report),
        f"## {say('Planned and measured')}",
        comparison_table(report["comparisons"]),
        f"## {say('Proofs')}",
        proof_table(report["proofs"]),
        f"## {say('Before and after')}",
        sample_table(report["samples"]),
        *quantised_part(report.get("quantised", [])),
        f"## {say('Files')}",
        file_list(report["files"]),
        f"## {say('Next')}",
        "\n".join(f"- {what}: `{command}`" for what, command in report["next"]),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def introduction(report: dict[str, Any]) -> str:
    """Return one paragraph: what was done, on what, with what loss."""
    loss = report["loss"]
    sentences = [report["summary"]]
    if "first" in loss:
        first, last = f"{loss['first']:.3f}", f"{loss['last']:.3f}"
        sentences.append(say("Training loss went from {first} to {last}.", first=first, last=last))
    if "eval_last" in loss:
        shown = f"{loss['eval_last']:.3f}"
        sentences.append(say("Loss on rows that were not trained on: {loss}.", loss=shown))
    if preferences := sentence(report.get("rewards", {})):
        sentences.append(preferences)
    return join(sentences)


def quantity(value: float, unit: str) -> str:
    """Return a figure with its unit, short enough to compare."""
    if unit == "bytes":
        return size(value)
    if unit == "seconds":
        return span(value) if value >= 1 else say("{number} s", number=f"{value:.2g}")
    if unit == "tokens/s":
        return say("{count} tokens/s", count=count(value) if value >= 100 else f"{value:.1f}")
    return f"{count(value)} {unit}" if value >= 100 else f"{value:.1f} {unit}"


def cell(text: str) -> str:
    """Return text that cannot break a table."""
    return " ".join(text.split()).replace("|", "\\|")


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Return a Markdown table; empty without rows."""
    if not rows:
        return ""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell(text) for text in line) + " |" for line in lines)


def comparison_table(comparisons: list[dict[str, Any]]) -> str:
    """Return forecast beside measurement."""
    rows = [
        (
            row["what"],
            quantity(row["planned"], row["unit"]) if row["planned"] else "-",
            quantity(row["measured"], row["unit"]),
            "-" if row["ratio"] is None else f"{row['ratio']:.2f}",
        )
        for row in comparisons
    ]
    return table(("", say("planned"), say("measured"), say("measured / planned")), rows)


def proof_table(proofs: list[dict[str, Any]]) -> str:
    """Return every proof with its figures."""
    rows = [
        (
            proof["name"],
            say("holds") if proof["passed"] else say("does not hold"),
            proof["sentence"],
            figures(proof["measured"]),
        )
        for proof in proofs
    ]
    return table((say("proof"), "", say("what was compared"), say("measured")), rows)


def figures(measured: dict[str, Any]) -> str:
    """Return what a proof measured, in one line."""
    return ", ".join(f"{key} = {figure(value, key)}" for key, value in measured.items())


def figure(value: Any, key: str = "") -> str:
    """Return a measured value: floats with three significant digits, bytes as sizes."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if key.endswith("_bytes"):
        return size(value)
    return f"{value:.3g}" if isinstance(value, float) else f"{value:,}"


def sample_table(samples: list[dict[str, Any]]) -> str:
    """Return the answers of base and tuned model side by side."""
    rows = [(sample["question"], sample["base"], sample["tuned"]) for sample in samples]
    return table((say("prompt"), say("before"), say("after")), rows)


def quantised_part(found: list[dict[str, Any]]) -> list[str]:
    """Return what quantised models cost, with its heading; nothing where there are none."""
    return [f"## {say('Quantised')}", table(quantised_head(), quantised_rows(found))] if found else []


def file_list(files: dict[str, str]) -> str:
    """Return where everything lies."""
    return "\n".join(f"- {name}: `{path}`" for name, path in files.items())
