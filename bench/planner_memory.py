"""How far the memory forecast is from published measurements: `python -m bench.planner_memory [-v] [FILE]`.

Like metric with like. Aims: median absolute error 8 % or less, 90th percentile 20 % or less, 5 % or less
of the rows under-predicted by more than 5 %, and the right answer on every row that ran out of memory.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

from bench.published.cases import CASES, Case, Unmapped, load
from planner.phrases import GIB


def errors(cases: list[Case]) -> np.ndarray:
    """Return forecast / measured - 1 of every case with a measurement."""
    return np.array([case.forecast() / case.peak - 1 for case in cases if case.peak])


def line(name: str, found: np.ndarray) -> str:
    """Return one line of the table."""
    absolute = np.abs(found)
    return (
        f"{name[:58]:58} {len(found):5} {np.median(absolute):8.1%} {np.percentile(absolute, 90):8.1%} "
        f"{np.mean(found < -0.05):8.1%} {np.median(found):+8.1%}"
    )


def table(cases: list[Case]) -> list[str]:
    """Return the table: one line per source, one in total."""
    by_source: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        if case.peak:
            by_source[source(case)].append(case)
    head = f"{'source':58} {'rows':>5} {'median':>8} {'90 %':>8} {'under':>8} {'bias':>8}"
    body = [line(name, errors(rows)) for name, rows in sorted(by_source.items())]
    return [head, *body, line("all", errors(cases))]


def source(case: Case) -> str:
    """Return the source without the commit and the case's name."""
    return f"{str(case.row['source']).split('@')[0].split(',')[0]} [{case.metric}]"


def where(entry: Unmapped) -> str:
    """Return the source of a row that was not mapped, shortened."""
    return str(entry.row.get("source")).split("@")[0][:58]


def out_of_memory(cases: list[Case]) -> list[str]:
    """Return one line for every row that ran out of memory: whether the forecast says so."""
    lines = []
    for case in cases:
        if case.row.get("oom"):
            limit = case.limit or 0
            needed = case.device_forecast()
            verdict = "card unknown" if not limit else "right" if needed > 0.95 * limit else "WRONG"
            lines.append(f"{verdict:6} {case.row['model']} needs {needed / GIB:.1f} of {limit / GIB:.0f} GiB")
    return lines


def details(cases: list[Case]) -> list[str]:
    """Return one line per case with its parts, worst under-prediction first."""
    lines = []
    for case in sorted(
        (case for case in cases if case.peak), key=lambda case: case.forecast() / (case.peak or 1)
    ):
        row, setup, peak = case.row, case.setup, case.peak or 1.0
        switches = (row.get("extra") or {}).get("framework_config", "")
        degrees = f"n{setup.processes} t{setup.tensor} p{setup.pipeline}"
        name = str(row["model"]).split("/")[-1][:18]
        zero = f"s{setup.sharding}/{setup.sharding_degree}"
        lines.append(
            f"{case.forecast() / peak - 1:+6.1%} {peak / GIB:6.2f} {name:18} {setup.method:6} {degrees} "
            f"{zero} r{setup.recompute} b{setup.micro_batch} L{setup.sequence_length} {case.profile.name} "
            f"{case.metric} {switches}"
        )
    return lines


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("file", nargs="?", type=Path, default=CASES)
    options.add_argument("-v", "--verbose", action="store_true", help="one line per row")
    options.add_argument("--all", action="store_true", help="also rows that are not core")
    chosen = options.parse_args()
    if not chosen.file.exists():
        print(f"{chosen.file} is not here; nothing to compare with")
        return
    cases, unmapped = load(chosen.file, core_only=not chosen.all)
    print("\n".join(table(cases)))
    print("\n".join(out_of_memory(cases)))
    for (name, reason), number in Counter((where(entry), entry.reason) for entry in unmapped).items():
        print(f"not mapped, {number:3} of {name}: {reason}")
    if chosen.verbose:
        print("\n".join(details(cases)))


if __name__ == "__main__":
    main()
