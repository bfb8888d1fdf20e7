"""`steersman doctor`: what it says of devices, and in which language."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.cells import cell_len

from planner.facts import DeviceFacts
from planner.phrases import GIB
from runtime.doctor import examine_device, examine_machine
from runtime.probe import Probe, probe
from tui.command_line import main
from tui.commands.doctor import MARK_CELLS, SUBJECT_CELLS, show

A100 = DeviceFacts(name="A100", count=8, memory_bytes=80 * GIB, compute_capability="8.0", free_bytes=79 * GIB)


@pytest.mark.parametrize(
    ("changes", "level", "says"),
    [
        ({}, "ok", "8 x A100: 79.0 GiB of 80.0 GiB are free on the fullest of them."),
        ({"count": 1}, "ok", "A100: 79.0 GiB of 80.0 GiB are free."),
        ({"free_bytes": None}, "note", "8 x A100: 80.0 GiB each; what is free was not told."),
        (
            {"free_bytes": 12 * GIB, "used_by": ("vllm", "python")},
            "warning",
            "12.0 GiB of 80.0 GiB are free on the fullest of them. Other processes use it: vllm, python.",
        ),
    ],
)
def test_a_device_says_what_is_free_and_who_holds_the_rest(
    changes: dict[str, object], level: str, says: str
) -> None:
    found = examine_device(A100.model_copy(update=changes))
    assert found.level == level
    assert says in found.sentence
    assert bool(found.remedy) == (level == "warning")


def test_every_kind_of_device_is_looked_at(tmp_path: Path) -> None:
    seen = probe(tmp_path)
    other = A100.model_copy(update={"name": "L4", "count": 1})
    hardware = seen.hardware.model_copy(update={"devices": (A100, other)})
    found = [one for one in examine_machine(Probe(hardware, ())) if one.subject == "device"]
    assert [one.sentence.split(":")[0] for one in found] == ["8 x A100", "L4"]


def test_the_columns_are_aligned_in_both_languages(capsys: pytest.CaptureFixture[str]) -> None:
    from planner.language import speaking

    busy = A100.model_copy(update={"used_by": ("vllm",)})
    for language in ("en", "zh"):
        with speaking(language):
            finding = examine_device(busy)
            show(finding)
        first, second = capsys.readouterr().out.splitlines()
        assert cell_len(first[: first.index(finding.sentence)]) == MARK_CELLS + SUBJECT_CELLS
        assert second == " " * (MARK_CELLS + SUBJECT_CELLS) + finding.remedy


def test_json_is_a_list_of_findings_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEERSMAN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    main(["doctor", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert {"machine", "memory", "disk"} <= {one["subject"] for one in found}
