"""Run the test behind everything Steersman says it can do; write the table of them into `docs/methods.md`.

`python -m bench.capabilities` runs what `bench/capabilities.yaml` names, one test after the other, and writes
down what happened and how long it took; `python -m bench.capabilities Data Running` runs those sections and
prints them. `make capabilities` writes the table from what `make test` and `make test-slow` left behind, and
runs nothing again. A row that needs a GPU names what was checked without one.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import yaml

from runtime.paths import PROJECT, write_atomically

PAGE = PROJECT / "docs" / "methods.md"
ROWS = PROJECT / "bench" / "capabilities.yaml"
BEGIN, END = "<!-- capabilities: begin -->", "<!-- capabilities: end -->"
HEAD = "| what | runs on | proof | test | seconds | outcome |\n|---|---|---|---|---|---|"


class Row(NamedTuple):
    """One thing that Steersman can do."""

    section: str
    what: str
    runs_on: str
    """`CPU`, or `GPU` where only what comes before the device was checked here."""
    proof: str
    tests: tuple[str, ...]


class Outcome(NamedTuple):
    """What became of one row's tests."""

    passed: int
    failed: int
    skipped: int
    seconds: float

    @property
    def words(self) -> str:
        """In the table: passed, or how many did not."""
        if not (self.passed or self.failed):
            return "skipped here"
        if self.failed:
            return f"{self.failed} of {self.failed + self.passed} failed"
        return f"passed, {self.skipped} skipped" if self.skipped else "passed"


def rows() -> list[Row]:
    """Return the rows of the table, in order."""
    table = yaml.safe_load(ROWS.read_text(encoding="utf-8"))
    return [
        Row(section, row["what"], row.get("runs_on", "CPU"), row["proof"], tuple(row["tests"]))
        for section, found in table.items()
        for row in found
    ]


def outcome(tests: Iterable[str]) -> Outcome:
    """Run these tests in one process and return what happened."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}"]
        done = subprocess.run([*command, *tests], cwd=PROJECT, capture_output=True, text=True, check=False)
        if not report.exists() or done.returncode not in (0, 1):
            raise SystemExit(
                f"pytest could not run {' '.join(tests)}:\n{done.stdout[-2000:]}{done.stderr[-500:]}"
            )
        suite = next(ElementTree.parse(report).iter("testsuite"))
        counts = {name: int(suite.get(name, "0")) for name in ("tests", "failures", "errors", "skipped")}
        failed = counts["failures"] + counts["errors"]
        passed = counts["tests"] - failed - counts["skipped"]
        return Outcome(passed, failed, counts["skipped"], float(suite.get("time", "0")))


class Reports:
    """What runs of pytest left behind in their `--junitxml` files.

    Of a test that ran again, the last run counts.
    """

    def __init__(self, files: Iterable[Path]) -> None:
        cases = [case for file in files for case in ElementTree.parse(file).iter("testcase")]
        self.cases = list({(case.get("classname"), case.get("name")): case for case in cases}.values())

    def outcome(self, tests: Iterable[str]) -> Outcome:
        """Return what happened to these tests; `SystemExit` names one that none of the runs held."""
        counts = dict.fromkeys(("passed", "failed", "skipped"), 0)
        seconds = 0.0
        for test in tests:
            found = [case for case in self.cases if of_test(case, test)]
            if not found:
                raise SystemExit(f"no report tells of {test}: run `make test` and `make test-slow` first")
            for case in found:
                children = {child.tag for child in case}
                state = "failed" if children & {"failure", "error"} else "passed"
                counts["skipped" if "skipped" in children else state] += 1
                seconds += float(case.get("time", "0"))
        return Outcome(**counts, seconds=seconds)


def of_test(case: ElementTree.Element, test: str) -> bool:
    """Tell whether a case of a report belongs to `file`, `file::name` or `file::name[parameters]`."""
    file, _, name = test.partition("::")
    if case.get("classname") != file.removesuffix(".py").replace("/", "."):
        return False
    shown = str(case.get("name"))
    return not name or shown == name or shown.startswith(f"{name}[")


def line_of(row: Row, found: Outcome) -> str:
    """Return a line of the table."""
    shown = "<br>".join(f"`{test.removeprefix('tests/')}`" for test in row.tests)
    return f"| {row.what} | {row.runs_on} | {row.proof} | {shown} | {found.seconds:.0f} | {found.words} |"


def with_table(page: str, table: str) -> str:
    """Return the page with the table between its marks; at its end if it has none."""
    block = f"{BEGIN}\n{table}\n{END}"
    if BEGIN not in page:
        return f"{page.rstrip()}\n\n{block}\n"
    before, rest = page.split(BEGIN, 1)
    return before + block + rest.split(END, 1)[1]


def table_of(page: str) -> str:
    """Return the table that a page holds; empty if it has none."""
    return page.split(BEGIN, 1)[1].split(END, 1)[0].strip() if BEGIN in page else ""


def main(arguments: list[str] | None = None) -> int:
    """Run the sections that are named, or all of them; return 1 if a test failed.

    After `--reports`, the files of earlier runs are read instead.
    """
    given = arguments or []
    at = given.index("--reports") if "--reports" in given else len(given)
    wanted, files = given[:at], [Path(name) for name in given[at + 1 :]]
    if absent := [str(file) for file in files if not file.is_file()]:
        print(f"there is no {', '.join(absent)}: run `make test` and `make test-slow` first", file=sys.stderr)
        return 2
    look_up = Reports(files).outcome if files else outcome
    chosen = [row for row in rows() if not wanted or row.section in wanted]
    if not chosen:
        known = ", ".join(dict.fromkeys(row.section for row in rows()))
        print(f"no section named {', '.join(wanted)}; there are: {known}", file=sys.stderr)
        return 2
    lines: list[str] = []
    failures, section = 0, ""
    for row in chosen:
        if row.section != section:
            section = row.section
            lines += ["", f"### {section}", "", HEAD]
        found = look_up(row.tests)
        failures += found.failed
        lines.append(line_of(row, found))
        print(lines[-1], flush=True)
    if not wanted:
        write_atomically(PAGE, with_table(PAGE.read_text(encoding="utf-8"), "\n".join(lines).strip()))
        print(f"wrote {PAGE.relative_to(PROJECT)}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
