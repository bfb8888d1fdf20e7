"""Hardware in words."""

from __future__ import annotations

import pytest

from planner.device_catalogue import devices, find_device
from planner.errors import BadInput
from planner.hardware_text import parse

GIB = 1024**3


@pytest.mark.parametrize(
    ("text", "nodes", "count", "name", "gib", "link"),
    [
        ("8x A100-80G", 1, 8, "A100", 80, "nvlink"),
        ("8x A100-80G nvlink", 1, 8, "A100", 80, "nvlink"),
        ("8xA100", 1, 8, "A100", 80, "nvlink"),
        ("8*A800-80G", 1, 8, "A100", 80, "nvlink"),
        ("A100 40GB", 1, 1, "A100", 40, None),
        ("A100 80 GB PCIe x 2", 1, 2, "A100", 80, "pcie"),
        ("4090", 1, 1, "RTX 4090", 24, None),
        ("2 4090", 1, 2, "RTX 4090", 24, "pcie"),
        ("4x4090", 1, 4, "RTX 4090", 24, "pcie"),
        ("rtx 3090 x2", 1, 2, "RTX 3090", 24, "pcie"),
        ("V100 32g x4", 1, 4, "V100", 32, "nvlink"),
        ("2 nodes x 8 H800 ib 400", 2, 8, "H800", 80, "ib-400"),
        ("2x8 H100", 2, 8, "H100", 80, "nvlink"),
        ("H100 x 8 2 nodes", 2, 8, "H100", 80, "nvlink"),
        ("2 machines with 4 L20 each", 2, 4, "L20", 48, "pcie"),
        ("NVIDIA H200", 1, 1, "H200", 141, None),
        ("h20 96G x8", 1, 8, "H20", 96, "nvlink"),
        ("2 nodes x 8 H100 roce 200 gbps", 2, 8, "H100", 80, "roce-200"),
    ],
)
def test_devices(text: str, nodes: int, count: int, name: str, gib: int, link: str | None) -> None:
    found = parse(text)
    device = found.devices[0]
    assert (found.nodes, device.count, device.name) == (nodes, count, name)
    assert (device.memory_bytes, found.interconnect) == (gib * GIB, link)
    assert found.origin == "typed"
    assert device.compute_capability == devices()[name].capability


def test_host_memory_cores_driver_and_disk_are_taken_when_given() -> None:
    found = parse("2x RTX 4090 24g, 256g ram, 32 cores, driver 550.54.14, 2t disk")
    assert found.memory_bytes == 256 * GIB
    assert (found.cpu.cores, found.driver_version) == (32, "550.54.14")
    assert found.disk_free_bytes == 2048 * GIB


def test_a_machine_without_devices() -> None:
    found = parse("amd cpu 32 cores 128gb")
    assert (found.devices, found.cpu.cores, found.cpu.vendor) == ((), 32, "amd")
    assert found.memory_bytes == 128 * GIB


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("8x A10O", "There is no device `a10o` in the catalogue. Did you mean `A10`?"),
        ("rtx 4900", "There is no device `rtx 4900` in the catalogue. Did you mean"),
        ("abacus", "There is no device `abacus` in the catalogue. It knows A100, H100"),
        ("A100 48g", "A100 has 80 GiB or 40 GiB of memory, not 48 GiB."),
        ("", "`` names no hardware. For example: `8x A100-80G nvlink`"),
        ("0x A100", "`0x A100`: 0 devices cannot be meant; from 1 to 64 are planned for."),
        ("99999 nodes A100", "`99999 nodes A100`: 99999 machines cannot be meant"),
    ],
)
def test_what_is_not_understood(text: str, sentence: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse(text)
    assert caught.value.sentence().startswith(sentence)


@pytest.mark.parametrize(
    ("reported", "name"),
    [
        ("NVIDIA A100-SXM4-80GB", "A100"),
        ("NVIDIA GeForce RTX 4090", "RTX 4090"),
        ("NVIDIA H200", "H200"),
        ("Tesla V100-SXM2-32GB", "V100"),
        ("NVIDIA L40S", "L40S"),
        ("NVIDIA A10", "A10"),
    ],
)
def test_names_as_drivers_report_them(reported: str, name: str) -> None:
    found = find_device(reported)
    assert found is not None
    assert found.name == name


def test_every_device_has_its_figures_and_their_source() -> None:
    for device in devices().values():
        assert device.tflops.keys() == {"bf16", "fp16", "fp32"}
        assert len(device.source.split()) >= 3, device.name
        assert device.link in ("nvlink", "pcie")
