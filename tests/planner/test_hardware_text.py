"""Hardware in words."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.device_catalogue import devices
from planner.errors import BadInput
from planner.hardware_text import parse

GIB = 1024**3


@pytest.mark.parametrize(
    ("text", "nodes", "count", "name", "gib", "link"),
    [
        ("8x A100-80G", 1, 8, "A100", 80, "nvlink"),
        ("8x A100-80G nvlink", 1, 8, "A100", 80, "nvlink"),
        ("8xA100", 1, 8, "A100", 80, "nvlink"),
        ("8*A800-80G", 1, 8, "A800", 80, "nvlink"),
        ("8xA10G", 1, 8, "A10G", 24, "pcie"),
        ("A100 40GB", 1, 1, "A100 40G", 40, None),
        ("A100 80 GB PCIe x 2", 1, 2, "A100 PCIe", 80, "pcie"),
        ("2x A100-PCIE-40GB", 1, 2, "A100 PCIe 40G", 40, "pcie"),
        ("4x a100 pcie nvlink", 1, 4, "A100 PCIe", 80, "nvlink"),
        ("h100 94g", 1, 1, "H100 NVL", 94, None),
        ("4090", 1, 1, "RTX 4090", 24, None),
        ("2 4090", 1, 2, "RTX 4090", 24, "pcie"),
        ("4x4090", 1, 4, "RTX 4090", 24, "pcie"),
        ("2x4090 nvlink", 1, 2, "RTX 4090", 24, "nvlink"),
        ("two 4090s", 1, 2, "RTX 4090", 24, "pcie"),
        ("a pair of 3090", 1, 2, "RTX 3090", 24, "pcie"),
        ("I have 2 RTX 3090", 1, 2, "RTX 3090", 24, "pcie"),
        ("dual 3090", 1, 2, "RTX 3090", 24, "pcie"),
        ("8卡A100", 1, 8, "A100", 80, "nvlink"),
        ("双卡4090", 1, 2, "RTX 4090", 24, "pcie"),
        ("单卡 4090 24G", 1, 1, "RTX 4090", 24, None),
        ("4 机 8 卡 H800", 4, 8, "H800", 80, "nvlink"),
        ("两台8卡H100", 2, 8, "H100", 80, "nvlink"),
        ("4机32卡 A100", 4, 8, "A100", 80, "nvlink"),
        ("昇腾910B 8卡", 1, 8, "910B", 64, "hccs"),
        ("rtx 3090 x2", 1, 2, "RTX 3090", 24, "pcie"),
        ("3080 12g", 1, 1, "RTX 3080 12G", 12, None),
        ("laptop with rtx 4060", 1, 1, "RTX 4060 Laptop", 8, None),
        ("4090 48g", 1, 1, "RTX 4090", 48, None),
        ("V100 32g x4", 1, 4, "V100", 32, "nvlink"),
        ("four V100s 32g", 1, 4, "V100", 32, "nvlink"),
        ("V100S", 1, 1, "V100S", 32, None),
        ("2 nodes x 8 H800 ib 400", 2, 8, "H800", 80, "nvlink"),
        ("2x8 H100", 2, 8, "H100", 80, "nvlink"),
        ("H100 x 8 2 nodes", 2, 8, "H100", 80, "nvlink"),
        ("16 H100 on 2 nodes", 2, 8, "H100", 80, "nvlink"),
        ("2 machines with 4 L20 each", 2, 4, "L20", 48, "pcie"),
        ("NVIDIA H200", 1, 1, "H200", 141, None),
        ("h20 96G x8", 1, 8, "H20", 96, "nvlink"),
        ("H20 141g x8", 1, 8, "H20 141G", 141, "nvlink"),
        ("dgx a100", 1, 8, "A100", 80, "nvlink"),
        ("hgx h100", 1, 8, "H100", 80, "nvlink"),
        ("2x dgx h100", 2, 8, "H100", 80, "nvlink"),
        ("colab t4", 1, 1, "T4", 16, None),
        ("kaggle 2x t4", 1, 2, "T4", 16, "pcie"),
        ("kaggle", 1, 2, "T4", 16, "pcie"),
        ("P800 x8", 1, 8, "P800", 96, "xpulink"),
        ("910b x 16", 1, 16, "910B", 64, "hccs"),
        ("8x K100-AI", 1, 8, "K100-AI", 64, "pcie"),
    ],
)
def test_devices(text: str, nodes: int, count: int, name: str, gib: int, link: str | None) -> None:
    found = parse(text)
    device = found.devices[0]
    assert (found.nodes, device.count, device.name) == (nodes, count, name)
    assert (device.memory_bytes, found.interconnect) == (gib * GIB, link)
    assert found.origin == "typed"
    assert device.maker == devices()[name].maker
    assert (device.compute_capability or "") == devices()[name].capability


@pytest.mark.parametrize(
    ("text", "gbit"),
    [
        ("2 nodes x 8 H800 ib 400", 400),
        ("2 nodes x 8 H800 8x400", 3200),
        ("2 nodes x 8 H800 8x ib 400", 3200),
        ("2 nodes x 8 H800 ib 8x400g", 3200),
        ("2 nodes x 8 H100 roce 200 gbps", 200),
        ("4 nodes of 8x A100, 8x200 ib", 1600),
        ("2 nodes 2x4090 ib 100", 100),
        ("2 nodes 8x A100 hdr", 200),
        ("2 nodes 8x A100 8x ndr", 3200),
        ("2x8 A100 100gbe", 100),
        ("2x8 A100 25 gbit/s ethernet", 25),
        ("两台8卡H100 ib 400", 400),
        ("2x dgx h100", 3200),
        ("2x8 A100 ib", None),
        ("2x8 A100", None),
    ],
)
def test_the_network_between_machines(text: str, gbit: float | None) -> None:
    found = parse(text)
    assert (found.nodes > 1, found.network_gbit) == (True, gbit)
    assert found.interconnect in ("nvlink", "pcie")


def test_host_memory_cores_driver_and_disk_are_taken_when_given() -> None:
    found = parse("2x RTX 4090 24g, 256g ram, 32 cores, driver 550.54.14, 2t disk")
    assert found.memory_bytes == 256 * GIB
    assert (found.cpu.cores, found.driver_version) == (32, "550.54.14")
    assert found.disk_free_bytes == 2048 * GIB


@pytest.mark.parametrize(
    ("text", "cores", "gib", "vendor", "description"),
    [
        ("amd cpu 32 cores 128gb", 32, 128, "amd", "32 AMD CPU cores, 128 GiB"),
        ("cpu 16 cores 64g", 16, 64, "other", "16 CPU cores, 64 GiB"),
        ("16 cores", 16, 16, "other", "16 CPU cores, 16 GiB"),
        ("cpu", 4, 16, "other", "4 CPU cores, 16 GiB (assumed)"),
        ("no gpu", 4, 16, "other", "4 CPU cores, 16 GiB (assumed)"),
        ("无显卡", 4, 16, "other", "4 CPU cores, 16 GiB (assumed)"),
        ("laptop", 4, 16, "other", "laptop, 4 CPU cores, 16 GiB (assumed)"),
        ("laptop without gpu 8 cores 32g", 8, 32, "other", "8 CPU cores, 32 GiB"),
        ("m2 macbook", 8, 16, "arm", "Mac, 8 Arm CPU cores, 16 GiB (assumed)"),
        ("macbook pro m3 max 64g", 8, 64, "arm", "Mac, 8 Arm CPU cores, 64 GiB (assumed)"),
        ("2 machines, 8 intel cores 32g", 8, 32, "intel", "2 machines, each 8 Intel CPU cores, 32 GiB"),
    ],
)
def test_a_machine_without_devices(text: str, cores: int, gib: int, vendor: str, description: str) -> None:
    found = parse(text)
    assert (found.devices, found.cpu.cores, found.cpu.vendor) == ((), cores, vendor)
    assert (found.memory_bytes, found.description) == (gib * GIB, description)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("8x A10O", "There is no device `a10o` in the catalogue. Did you mean `A10"),
        ("rtx 4900", "There is no device `rtx 4900` in the catalogue. Did you mean"),
        ("abacus", "There is no device `abacus` in the catalogue. It knows "),
        ("A100 48g", "A100 has 80 GiB of memory, not 48 GiB."),
        ("V100 24g", "V100 has 16 GiB / 32 GiB of memory, not 24 GiB."),
        ("", "`` names no hardware. For example: `8x A100-80G nvlink`"),
        ("0x A100", "`0x A100`: 0 devices cannot be meant; from 1 to 64 are planned for."),
        ("99999 nodes A100", "`99999 nodes A100`: 99999 machines cannot be meant"),
        ("A100 0 cores", "`A100 0 cores`: 0 cores cannot be meant"),
        ("15 H100 on 2 nodes", "`15 H100 on 2 nodes`: 15 devices do not divide evenly over 2 nodes."),
        ("no gpu a100", "`no gpu a100` names the device `a100` and says that there is none."),
        ("x" * 1000, "This description of hardware has 1000 characters."),
    ],
)
def test_what_is_not_understood(text: str, sentence: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse(text)
    assert caught.value.sentence().startswith(sentence)


def read_back(text: str) -> None:
    """Assert that a text is refused in a sentence, or described so that the description means the same."""
    try:
        found = parse(text)
    except BadInput as refused:
        assert refused.what
        return
    assert parse(found.description) == found, found.description


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_understood_or_refused_in_a_sentence(text: str) -> None:
    read_back(text)


PHRASES = """
8x, x4, 2x, 2 nodes, 4 machines with, 2x8, 16, on 2 nodes, dgx, hgx, colab, kaggle, laptop, no gpu, cpu, amd
m2 macbook, ib 400, 8x400, ib, roce 200 gbps, ndr, 25.5 gbit/s, nvlink, pcie, hccs, 80g, 40GB
24 gib, 1.5t disk, 100.25g ram, 512g ram, 32 cores, 7 intel cores, driver 550.54.14, two, a pair of, 8卡, 双卡
4 机 8 卡, 昇腾, 内存, (assumed), sxm, s, :
"""
FRAGMENTS = st.sampled_from([*devices(), *PHRASES.strip().replace("\n", ", ").split(", ")])


@settings(max_examples=1500, deadline=None)
@given(st.lists(FRAGMENTS, min_size=1, max_size=6))
def test_descriptions_read_back_to_the_same_machine(parts: list[str]) -> None:
    read_back(" ".join(parts))


@pytest.mark.parametrize("name", devices())
def test_every_device_reads_back(name: str) -> None:
    for text in (name, f"4x {name}", f"2 nodes x 8 {name} ib 400"):
        assert parse(text).devices[0].name == name
        read_back(text)


@pytest.mark.parametrize(
    ("text", "nodes", "count"),
    [
        ("16x H800", 2, 8),
        ("32 H100", 4, 8),
        ("16x A100-80G", 2, 8),
        ("12x H100", 1, 12),
        ("1 node x 16 H100", 1, 16),
        ("16x V100 32g", 1, 16),
    ],
)
def test_more_than_a_machine_holds_are_several_machines(text: str, nodes: int, count: int) -> None:
    found = parse(text)
    assert (found.nodes, found.devices[0].count) == (nodes, count)
    assert parse(found.description) == found


def test_host_memory_that_nobody_named_is_marked_as_assumed() -> None:
    assert parse("8x A100-80G").memory_assumed
    assert parse("8x A100-80G, 1024g ram").memory_assumed is None
    assert parse("amd cpu 2 cores 24g").memory_assumed is None
