"""Which build a machine gets, and the sentence it gets when none fits."""

from __future__ import annotations

import pytest

from planner.engine_builds import build_of, engines, pick_build, version
from planner.errors import BadInput, NothingFeasible
from planner.facts import CpuFacts, DeviceFacts, HardwareFacts
from planner.hardware_text import parse


def machine(*capabilities: str | None, driver: str | None = "580.65.06") -> HardwareFacts:
    devices = tuple(
        DeviceFacts(name=f"card {capability}", count=1, memory_bytes=24 << 30, compute_capability=capability)
        for capability in capabilities
    )
    return HardwareFacts(
        description="test",
        origin="typed",
        cpu=CpuFacts(name="cpu", cores=8, vendor="amd"),
        devices=devices,
        memory_bytes=64 << 30,
        disk_free_bytes=1 << 40,
        driver_version=driver if devices else None,
    )


@pytest.mark.parametrize(
    ("capability", "driver", "build"),
    [
        ("8.0", "550.54.14", "cu126"),  # A100, exactly the oldest driver
        ("8.0", "550.54.13", "cu118"),  # one release older
        ("9.0", "580.65.06", "cu126"),  # H100
        ("7.0", "535.183.01", "cu118"),  # V100 with an older driver
        ("6.1", "580.65.06", "cu118"),  # Pascal has kernels in cu118 only
        ("8.9", "535.54.03", "cu118"),  # RTX 4090: kernels of 8.6 serve it
        ("10.0", "580.65.06", "cu129"),  # B200
        ("12.0", "575.51.03", "cu129"),  # RTX 5090
        ("8.6", None, "cu126"),  # typed description: driver unknown
        (None, "580.65.06", "cu126"),  # capability unknown
    ],
)
def test_build_follows_card_and_driver(capability: str | None, driver: str | None, build: str) -> None:
    assert pick_build(machine(capability, driver=driver))[0] == build


def test_a_machine_without_gpu_gets_the_cpu_build() -> None:
    build, because, alternatives = pick_build(machine())
    assert build == "cpu"
    assert "GPU" in because
    assert {each.value for each in alternatives} == {"cu118", "cu126", "cu129"}


def test_every_other_build_is_rejected_with_a_reason() -> None:
    build, because, alternatives = pick_build(machine("12.0"))
    reasons = {each.value: each.because for each in alternatives}
    assert {build, *reasons} == set(engines()["paddlenlp"].builds)
    assert "12.0" in because
    assert "7.0 to 9.0" in reasons["cu126"]
    assert all(reason.endswith(".") for reason in reasons.values())


def test_blackwell_with_an_old_driver_is_told_which_driver_to_get() -> None:
    with pytest.raises(NothingFeasible, match=r"535\.0 is too old for card 12\.0") as caught:
        pick_build(machine("12.0", driver="535.0"))
    assert "575.51.03" in caught.value.remedy


@pytest.mark.parametrize("capability", ["5.2", "13.0"])
def test_a_card_without_kernels_is_refused_rather_than_computed_wrongly(capability: str) -> None:
    with pytest.raises(NothingFeasible, match=f"No Paddle build has kernels for card {capability}") as caught:
        pick_build(machine(capability))
    assert "6.0 to 12.1" in caught.value.why


def test_cards_that_need_different_builds_are_refused_together() -> None:
    with pytest.raises(NothingFeasible, match="all GPUs") as caught:
        pick_build(machine("6.1", "12.0"))
    assert "CUDA_VISIBLE_DEVICES" in caught.value.remedy


@pytest.mark.parametrize(
    ("hardware", "build", "wheel"),
    [
        ("P800 x8", "xpu", "paddlepaddle-xpu"),
        ("8x 910B", "npu", "npu"),
        ("8x K100-AI", "dcu", "paddlepaddle-dcu"),
    ],
)
def test_other_makers_get_a_build_to_install_by_hand(hardware: str, build: str, wheel: str) -> None:
    chosen, because, alternatives = pick_build(parse(hardware))
    assert chosen == build
    assert wheel in because
    assert "by hand" in because
    assert "not tested" in because
    assert {each.value for each in alternatives} == set(engines()["paddlenlp"].builds)


def test_devices_of_two_makers_are_refused_together() -> None:
    mixed = parse("a100").model_copy(update={"devices": parse("a100").devices + parse("p800").devices})
    with pytest.raises(NothingFeasible, match="several makers"):
        pick_build(mixed)


def test_unknown_names_list_the_known_ones() -> None:
    with pytest.raises(BadInput) as engine:
        build_of("torch", "cpu")
    assert "paddlenlp" in engine.value.remedy
    with pytest.raises(BadInput) as build:
        build_of("paddlenlp", "cu999")
    assert "cu126" in build.value.remedy


def test_versions_compare_as_numbers() -> None:
    assert version("550.54.14") < version("550.100") < version("1000")


def test_every_row_of_the_table_names_its_source_and_interpreters() -> None:
    for engine in engines().values():
        assert engine.python
        for name, build in engine.builds.items():
            assert build.source
            assert (name == "cpu") == (build.index is None and build.capabilities is None)
