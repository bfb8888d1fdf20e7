"""The probe: real values of this machine, container limits, and NVIDIA devices with and without a driver."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pynvml
import pytest

import runtime.probe as probe_module
from runtime.probe import existing, probe, probe_hardware
from runtime.probe_cpu import probe_cpu
from runtime.probe_limits import cpu_quota, memory_limit
from runtime.probe_nvidia import probe_nvidia

GIB = 1 << 30


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_this_machine_is_probed(tmp_path: Path) -> None:
    hardware = probe_hardware(tmp_path / "not" / "yet" / "there")
    assert 1 <= hardware.cpu.cores <= len(os.sched_getaffinity(0))
    assert 0 < hardware.memory_bytes <= psutil.virtual_memory().total
    assert hardware.disk_free_bytes > 0
    assert hardware.cpu.name in hardware.description
    assert hardware.origin == "probed"


def test_affinity_limits_the_cores() -> None:
    allowed = os.sched_getaffinity(0)
    one = {min(allowed)}
    os.sched_setaffinity(0, one)
    try:
        assert probe_cpu().cores == 1
    finally:
        os.sched_setaffinity(0, allowed)


def test_a_failed_probe_is_told_and_has_a_cautious_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe_module, "SHARED_MEMORY", tmp_path / "absent")
    seen = probe(tmp_path)
    assert seen.hardware.shm_bytes == 0
    assert any("absent could not be read" in failure for failure in seen.failures)


def test_existing_climbs_to_a_folder_that_is_there(tmp_path: Path) -> None:
    assert existing(tmp_path / "a" / "b") == tmp_path


CPUINFO = """\
processor\t: 0
vendor_id\t: {vendor}
model name\t: Test 9000
flags\t\t: fpu avx avx2 avx512f amx_tile xyz

"""


def machine(root: Path, siblings: int, cores: int, vendor: str = "GenuineIntel") -> Path:
    files = {"proc/cpuinfo": CPUINFO.format(vendor=vendor) * siblings * cores}
    for number in range(siblings * cores):
        folder = f"sys/devices/system/cpu/cpu{number}/topology"
        files |= {f"{folder}/physical_package_id": "0\n", f"{folder}/core_id": f"{number % cores}\n"}
    return write(root, files)


def test_hardware_threads_of_one_core_count_once(tmp_path: Path) -> None:
    facts = probe_cpu(machine(tmp_path, siblings=2, cores=4), allowed=set(range(8)))
    assert facts.cores == 4
    assert (facts.name, facts.vendor) == ("Test 9000", "intel")
    assert facts.flags == ("avx", "avx2", "avx512f", "amx_tile")
    assert probe_cpu(tmp_path, allowed={0, 4}).cores == 1


def test_a_cpu_quota_limits_the_cores_and_never_to_none(tmp_path: Path) -> None:
    root = machine(tmp_path, siblings=1, cores=8)
    write(root, {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "250000 100000\n"})
    assert probe_cpu(root, allowed=set(range(8))).cores == 2
    write(root, {"sys/fs/cgroup/cpu.max": "50000 100000\n"})
    assert probe_cpu(root, allowed=set(range(8))).cores == 1


def test_arm_processors_are_named(tmp_path: Path) -> None:
    write(
        tmp_path, {"proc/cpuinfo": "processor\t: 0\nFeatures\t: fp asimd bf16\nCPU implementer\t: 0x41\n\n"}
    )
    facts = probe_cpu(tmp_path, allowed={0})
    assert (facts.vendor, facts.flags) == ("arm", ("asimd", "bf16"))


@pytest.mark.parametrize(
    ("files", "memory", "cpus"),
    [
        ({"proc/self/cgroup": "0::/\n"}, None, None),
        (
            {
                "proc/self/cgroup": "0::/app/job\n",
                "sys/fs/cgroup/app/memory.max": f"{2 * GIB}\n",
                "sys/fs/cgroup/app/job/memory.max": "max\n",
                "sys/fs/cgroup/app/job/cpu.max": "max 100000\n",
            },
            2 * GIB,
            None,
        ),
        (  # Version 1 in a container: the path is the host's, the limit stands at the mount point.
            {
                "proc/self/cgroup": "5:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n0::/\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{GIB}\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "150000\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            },
            GIB,
            1.5,
        ),
        (  # Version 1 without limits.
            {
                "proc/self/cgroup": "5:memory:/\n3:cpu:/\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            None,
            None,
        ),
    ],
    ids=["v2 none", "v2 ancestor", "v1 container", "v1 none"],
)
def test_control_group_limits(
    tmp_path: Path, files: dict[str, str], memory: int | None, cpus: float | None
) -> None:
    root = write(tmp_path, files)
    assert memory_limit(root) == memory
    assert cpu_quota(root) == cpus


def nvml(
    cards: list[dict[str, Any]], links: int = 0, joined: tuple[tuple[int, int], ...] | None = None
) -> Any:
    """The calls that the probe makes, answered from a list: the tests must also run where there is no GPU."""

    def link_state(_: int, link: int) -> int:
        if link >= links:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_INVALID_ARGUMENT)
        return 1

    def p2p(one: int, other: int, _: int) -> int:
        if joined is None:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return pynvml.NVML_P2P_STATUS_OK if (one, other) in joined else 4

    def mig_mode(index: int) -> list[int]:
        if "mig" not in cards[index]:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return [cards[index]["mig"], cards[index]["mig"]]

    def memory(index: int) -> SimpleNamespace:
        total = 10 * GIB if index >= 100 else 80 * GIB
        return SimpleNamespace(total=total, free=cards[index % 100].get("free", total - GIB))

    return SimpleNamespace(
        NVMLError=pynvml.NVMLError,
        NVML_NVLINK_MAX_LINKS=18,
        NVML_P2P_CAPS_INDEX_NVLINK=pynvml.NVML_P2P_CAPS_INDEX_NVLINK,
        NVML_P2P_STATUS_OK=pynvml.NVML_P2P_STATUS_OK,
        nvmlDeviceGetP2PStatus=p2p,
        nvmlDeviceGetMigMode=mig_mode,
        nvmlDeviceGetMigDeviceHandleByIndex=lambda index, _: index + 100,
        nvmlDeviceGetComputeRunningProcesses=lambda index: cards[index % 100].get("processes", []),
        nvmlInit=lambda: None,
        nvmlShutdown=lambda: None,
        nvmlDeviceGetCount=lambda: len(cards),
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetName=lambda index: cards[index].get("name", "NVIDIA A100"),
        nvmlDeviceGetUUID=lambda index: f"GPU-{index}abc-def",
        nvmlDeviceGetMemoryInfo=memory,
        nvmlDeviceGetCudaComputeCapability=lambda index: cards[index].get("capability", (8, 0)),
        nvmlDeviceGetNvLinkState=link_state,
        nvmlSystemGetDriverVersion=lambda: "550.54.14",
    )


@pytest.fixture(autouse=True)
def no_selection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_equal_cards_are_one_entry_with_the_least_free_memory() -> None:
    found = probe_nvidia(nvml([{}, {"free": 3 * GIB}], links=4))
    (device,) = found.devices
    assert (device.count, device.free_bytes, device.compute_capability) == (2, 3 * GIB, "8.0")
    assert (found.driver_version, found.interconnect, found.failures) == ("550.54.14", "nvlink", ())


def test_different_cards_are_entries_of_their_own_on_pcie() -> None:
    found = probe_nvidia(nvml([{}, {"name": b"NVIDIA RTX 5090", "capability": (12, 0)}]))
    assert [device.name for device in found.devices] == ["NVIDIA A100", "NVIDIA RTX 5090"]
    assert found.interconnect == "pcie"


def test_nvlink_must_join_every_two_cards() -> None:
    assert probe_nvidia(nvml([{}, {}], joined=((0, 1),))).interconnect == "nvlink"
    bridged = probe_nvidia(nvml([{}, {}, {}, {}], joined=((0, 1), (2, 3))))
    assert bridged.interconnect == "pcie"
    assert any("2 of 6 pairs" in failure for failure in bridged.failures)


def test_other_processes_on_a_card_are_named() -> None:
    mine = SimpleNamespace(pid=os.getpid(), usedGpuMemory=GIB)
    parent = SimpleNamespace(pid=os.getppid(), usedGpuMemory=12 * GIB)
    hidden = SimpleNamespace(pid=2**30, usedGpuMemory=None)
    (device,) = probe_nvidia(nvml([{"processes": [mine, parent, hidden]}])).devices
    assert device.used_by == (
        f"{psutil.Process(os.getppid()).name()} (12.0 GiB)",
        "a process outside of this container",
    )


def test_a_divided_card_counts_as_one_slice_of_it() -> None:
    found = probe_nvidia(nvml([{"mig": 1}, {"mig": 0}]))
    assert [device.memory_bytes for device in found.devices] == [10 * GIB, 80 * GIB]
    assert any("MIG" in failure for failure in found.failures)


@pytest.mark.parametrize(
    ("selection", "count", "told"),
    [
        ("0", 1, False),
        ("1,0", 2, False),
        ("GPU-1abc", 1, False),
        ("", 0, False),
        ("-1", 0, False),
        ("0,7,1", 1, True),
    ],
)
def test_cuda_visible_devices_is_respected(
    selection: str, count: int, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", selection)
    found = probe_nvidia(nvml([{}, {}]))
    assert sum(device.count for device in found.devices) == count
    assert bool(found.failures) == told


def broken_nvml() -> Any:
    def fail() -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_DRIVER_NOT_LOADED)

    return SimpleNamespace(NVMLError=pynvml.NVMLError, nvmlInit=fail)


def test_no_card_and_no_driver_is_an_answer(tmp_path: Path) -> None:
    assert probe_nvidia(broken_nvml(), tmp_path) == ((), None, None, ())


def test_a_card_without_a_working_driver_is_told(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            f"sys/bus/pci/devices/0/{name}": text
            for name, text in (("vendor", "0x10de"), ("class", "0x030200"))
        },
    )
    (failure,) = probe_nvidia(broken_nvml(), tmp_path).failures
    assert "driver cannot be reached" in failure
    assert "CPU" in failure


def test_the_real_library_answers_on_this_machine() -> None:
    """Without a GPU the devices are none and nothing is raised; with one, each has a capability."""
    found = probe_nvidia()
    assert all(device.compute_capability for device in found.devices)
    assert bool(found.devices) <= bool(found.driver_version)
