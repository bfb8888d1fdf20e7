"""The table of what Steersman can do names tests that exist."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from bench.capabilities import BEGIN, END, Outcome, Reports, Row, line_of, main, rows, with_table
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
    assert Outcome(passed=3, failed=0, skipped=2, seconds=1).words == "passed, 2 skipped"
    page = with_table("# Page\n\nBefore.\n", line)
    again = with_table(page + "After.\n", "new")
    assert again == f"# Page\n\nBefore.\n\n{BEGIN}\nnew\n{END}\nAfter.\n"


def test_what_an_earlier_run_left_behind_is_counted_by_test(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(
        """<testsuites><testsuite>
        <testcase classname="tests.test_rows" name="test_all[a]" time="1.5"/>
        <testcase classname="tests.test_rows" name="test_all[b]" time="2.5"><failure message="no"/></testcase>
        <testcase classname="tests.test_rows" name="test_all_others" time="9"/>
        <testcase classname="tests.test_rows" name="test_elsewhere" time="1"><skipped/></testcase>
        </testsuite></testsuites>"""
    )
    reports = Reports([report])
    assert reports.outcome(["tests/test_rows.py::test_all"]) == Outcome(1, 1, 0, 4.0)
    assert reports.outcome(["tests/test_rows.py"]) == Outcome(2, 1, 1, 14.0)
    again = tmp_path / "again.xml"
    again.write_text(
        '<testsuite><testcase classname="tests.test_rows" name="test_all[b]" time="1"/></testsuite>'
    )
    assert Reports([report, again]).outcome(["tests/test_rows.py::test_all"]) == Outcome(2, 0, 0, 2.5)
    with pytest.raises(SystemExit, match="test_unknown"):
        reports.outcome(["tests/test_rows.py::test_unknown"])


def test_a_report_that_is_not_there_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--reports", str(tmp_path / "none.xml")]) == 2
    assert "make test" in capsys.readouterr().err
