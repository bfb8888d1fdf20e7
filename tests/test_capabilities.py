"""The table of what Steersman can do names tests that exist."""

from __future__ import annotations

import ast

from bench.capabilities import BEGIN, END, Outcome, Row, line_of, rows, with_table
from runtime.paths import PROJECT


def test_every_test_of_the_table_exists() -> None:
    for row in rows():
        assert row.tests, row.what
        for test in row.tests:
            file, _, name = test.partition("::")
            tree = ast.parse((PROJECT / file).read_text(encoding="utf-8"))
            defined = {
                node.name
                for node in ast.walk(tree)
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            }
            assert not name or name.split("[")[0] in defined, f"{row.what}: {test}"


def test_a_failure_is_seen_in_the_table_and_the_rest_of_the_page_stays() -> None:
    row = Row("Data", "Rows", "CPU", "they survive", ("tests/test_rows.py",))
    line = line_of(row, Outcome(passed=3, failed=1, skipped=0, seconds=2.4))
    assert "1 of 4 failed" in line and "| 2 |" in line
    page = with_table("# Page\n\nBefore.\n", line)
    again = with_table(page + "After.\n", "new")
    assert again == f"# Page\n\nBefore.\n\n{BEGIN}\nnew\n{END}\nAfter.\n"
