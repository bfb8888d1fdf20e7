"""Figures as people read them."""

from __future__ import annotations

import pytest

from planner import hardware_text
from planner.facts import CpuFacts, DeviceFacts, HardwareFacts
from planner.language import speaking
from planner.phrases import GIB, KIB, MIB, count, duration, machine, parameters, parts_of, plural, size, span


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "0 MiB"),
        (1, "1 KiB"),
        (180 * KIB, "180 KiB"),
        (0.96 * MIB, "1 MiB"),
        (512 * MIB, "512 MiB"),
        (0.96 * GIB, "1.0 GiB"),
        (3.44 * GIB, "3.4 GiB"),
        (640 * GIB, "640 GiB"),
        (1331 * GIB, "1.3 TiB"),
    ],
)
def test_bytes(number: float, words: str) -> None:
    assert size(number) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(2, "2 s"), (179, "179 s"), (180, "3 min"), (5399, "90 min"), (5400, "1.5 h"), (72 * 3600, "3.0 days")],
)
def test_seconds(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (300, 480, "5 to 8 min"),
        (144, 181, "2 to 3 min"),
        (40, 300, "0.7 to 5 min"),
        (170, 184, "3 min"),
        (80 * 60, 7200, "1.3 to 2.0 h"),
        (300, 301, "5 min"),
        (5400, 9000, "1.5 to 2.5 h"),
    ],
)
def test_a_range_names_its_unit_once(low: float, high: float, words: str) -> None:
    assert span(low, high) == words


def test_counts_and_weights() -> None:
    assert count(11_024.4) == "11,024"
    assert [parameters(number) for number in (9_500, 2_400_000, 135_000_000, 7_600_000_000)] == [
        "10K",
        "2.4M",
        "135M",
        "7.6B",
    ]


def test_nouns_in_english_and_chinese() -> None:
    assert (plural(1, "row"), plural(2_000, "row")) == ("1 row", "2,000 rows")
    assert plural(2, "process", "processes") == "2 processes"
    with speaking("zh"):
        assert plural(2_000, "row") == "2,000 行"
        assert plural(2, "process", "processes") == plural(2, "process")
        assert duration(400) == "7 分钟"


EPYC = CpuFacts(name="AMD EPYC 7B13", cores=2, vendor="amd")
CARDS = (DeviceFacts(name="RTX 4090", count=2, memory_bytes=25_757_220_864),)


def looked_at(devices: tuple[DeviceFacts, ...], description: str) -> HardwareFacts:
    """A machine as the probe finds it: its facts are English in every language."""
    return HardwareFacts(
        description=description,
        origin="probed",
        cpu=EPYC,
        devices=devices,
        memory_bytes=25_300_000_000,
        disk_free_bytes=0,
    )


@pytest.mark.parametrize(
    ("devices", "english", "chinese"),
    [
        (
            (),
            "2 cores of AMD EPYC 7B13, 25 GB of memory, no GPU",
            "AMD EPYC 7B13，2 个核，内存 25 GB，无 GPU",
        ),
        (
            CARDS,
            "2 cores of AMD EPYC 7B13, 25 GB of memory, 2 x RTX 4090 (26 GB)",
            "AMD EPYC 7B13，2 个核，内存 25 GB，2 x RTX 4090 (26 GB)",
        ),
    ],
)
def test_a_probed_machine_in_english_and_chinese(
    devices: tuple[DeviceFacts, ...], english: str, chinese: str
) -> None:
    assert parts_of(EPYC, 25_300_000_000, devices) == english
    found = looked_at(devices, english)
    assert machine(found) == english
    with speaking("zh"):
        assert machine(found) == chinese


def test_a_described_machine_is_said_as_it_was_described() -> None:
    typed = hardware_text.parse("two 4090s")
    with speaking("zh"):
        assert machine(typed) == typed.description
