"""The catalogue of accelerators: every figure in a sensible range, every name once."""

from __future__ import annotations

from collections import Counter

import pytest

from planner.device_catalogue import Device, devices, exact_device, find_device
from planner.errors import BadInput

PRECISIONS = {"fp32", "tf32", "bf16", "fp16", "fp8", "int8"}
LINKS = {"nvlink": (50, 1000), "pcie": (7, 64), "hccs": (20, 400), "xpulink": (50, 400)}
"""Link -> range of GB/s per device and direction."""


@pytest.fixture(params=devices().values(), ids=lambda device: device.name)
def entry(request: pytest.FixtureRequest) -> Device:
    device = request.param
    assert isinstance(device, Device)
    return device


def test_every_entry_names_its_source(entry: Device) -> None:
    assert len(entry.source.split()) >= 3


def test_figures_lie_in_the_range_of_real_devices(entry: Device) -> None:
    assert entry.tflops.keys() <= PRECISIONS
    assert all(1 <= rate <= 10_000 for rate in entry.tflops.values())
    assert all(6 <= size <= 300 for size in entry.memory_gib)
    assert entry.memory_bandwidth_gb_s is None or 150 <= entry.memory_bandwidth_gb_s <= 10_000
    assert (entry.link_gb_s is None) or LINKS[entry.link][0] <= entry.link_gb_s <= LINKS[entry.link][1]
    assert entry.link in LINKS


def test_narrower_formats_are_never_slower(entry: Device) -> None:
    for wide, narrow in (
        ("fp32", "tf32"),
        ("tf32", "bf16"),
        ("fp32", "fp16"),
        ("bf16", "fp8"),
        ("fp16", "int8"),
    ):
        if wide in entry.tflops and narrow in entry.tflops and "D" not in entry.name.split():
            assert entry.tflops[narrow] >= entry.tflops[wide], (wide, narrow)
    if {"bf16", "fp16"} <= entry.tflops.keys():
        assert entry.tflops["bf16"] == entry.tflops["fp16"]


def test_capability_decides_the_formats(entry: Device) -> None:
    if entry.maker != "nvidia":
        assert entry.capability == ""
        return
    major, minor = map(int, entry.capability.split("."))
    assert ("bf16" in entry.tflops) == (major >= 8)
    assert ("tf32" in entry.tflops) == (major >= 8)
    assert ("fp8" in entry.tflops) == ((major, minor) >= (8, 9))
    assert {"fp32", "bf16"} & entry.tflops.keys()


def test_no_name_means_two_devices() -> None:
    words = Counter(
        word.lower().replace(" ", "").replace("-", "").replace("_", "")
        for device in devices().values()
        for word in (device.name, *device.aliases)
    )
    assert [word for word, times in words.items() if times > 1] == []


def test_a_name_finds_its_own_entry(entry: Device) -> None:
    for word in (entry.name, *entry.aliases):
        assert find_device(word) == exact_device(word) == entry, word


@pytest.mark.parametrize(
    ("reported", "name"),
    [
        ("NVIDIA A100-SXM4-80GB", "A100"),
        ("NVIDIA A100-SXM4-40GB", "A100 40G"),
        ("NVIDIA A100 80GB PCIe", "A100 PCIe"),
        ("NVIDIA A100-PCIE-40GB", "A100 PCIe 40G"),
        ("NVIDIA A800-SXM4-80GB", "A800"),
        ("NVIDIA GeForce RTX 4090", "RTX 4090"),
        ("NVIDIA GeForce RTX 4060 Laptop GPU", "RTX 4060 Laptop"),
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("NVIDIA H100 PCIe", "H100 PCIe"),
        ("NVIDIA H200", "H200"),
        ("NVIDIA H20-3e", "H20 141G"),
        ("Tesla V100-SXM2-32GB", "V100"),
        ("Tesla V100-PCIE-32GB", "V100 PCIe"),
        ("Tesla T4", "T4"),
        ("NVIDIA L40S", "L40S"),
        ("NVIDIA A10", "A10"),
        ("NVIDIA RTX 6000 Ada Generation", "RTX 6000 Ada"),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "RTX PRO 6000"),
        ("P800 OAM", "P800"),
        ("R300", "Kunlun R300"),
        ("910B3", "910B"),
        ("910B4", "910B4"),
        ("K100_AI", "K100-AI"),
    ],
)
def test_names_as_drivers_report_them(reported: str, name: str) -> None:
    found = find_device(reported)
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize("text", ["a10x", "NVIDIA GeForce RTX 2060 Laptop GPU", "GeForce MX450", ""])
def test_a_similar_name_is_not_a_device(text: str) -> None:
    assert find_device(text) is None


def test_an_unknown_device_is_refused_with_the_nearest_name() -> None:
    from planner.device_catalogue import device

    with pytest.raises(BadInput) as caught:
        device("rtx 4900")
    assert "Did you mean" in caught.value.remedy
