"""Other makers' tools: their output as published documents show it, and what happens when they fail."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence

import pytest

from planner.facts import DeviceFacts
from runtime.probe_makers import (
    Chip,
    parse_hy_smi,
    parse_npu_smi,
    parse_xpu_smi,
    probe_makers,
)

MIB = 1 << 20

XPU_SMI = """\
==============XPUSMI LOG==============

Timestamp                                 : Fri May 15 14:22:01 2026
Driver Version                            : 5.0.21.21
XPU-RT Version                            : 10.2

Attached XPUs                             : 2
XPU 00000000:29:00.0
    Product Name                          : P800 OAM
    Product Brand                         : KUNLUNXIN
    Product Architecture                  : KL3
    PCI
        Bus                               : 0x29
        XPU Link Info
            PCIe Generation               : 5
    Memory Usage
        Total                             : 98304 MiB
        Used                              : 84504 MiB
        Free                              : 13800 MiB
    L3 Usage
        Total                             : 95 MiB
XPU 00000000:CC:00.0
    Product Name                          : P800 OAM
    Memory Usage
        Total                             : 98304 MiB
        Used                              : 0 MiB
        Free                              : 98304 MiB
"""

XPU_TABLE = """\
Runtime Version: 4.31
Driver Version: 4.0
  DEVICES
-------------------------------------------------------------------------------------------
| DevID |   PCI Addr   | Model |   SN   |    INODE   | UseRate |    L3     |    Memory    |
-------------------------------------------------------------------------------------------
|     0 | 0000:53:00.0 | R300  | 02Kxxx | /dev/xpu0  |     0 % | 0 / 63 MB | 0 / 32768 MB |
|     1 | 0000:56:00.0 | R300  | 02Kxxx | /dev/xpu1  |     0 % | 0 / 63 MB | 1024 / 32768 MB |
-------------------------------------------------------------------------------------------
  VIDEO
| DevID | Model |         DEC         |         ENC         |       IMGPROC       |
|     0 | R300  | 0 %, 0 fps, 800 MHz | 0 %, 0 fps, 800 MHz | 0 %, 0 fps, 800 MHz |
"""

NPU_SMI = """\
+------------------------------------------------------------------------------------------------+
| npu-smi 24.1.rc1.b030            Version: 24.1.rc1.b030                                        |
+---------------------------+---------------+----------------------------------------------------+
| NPU   Name                | Health        | Power(W)    Temp(C)           Hugepages-Usage(page)|
| Chip                      | Bus-Id        | AICore(%)   Memory-Usage(MB)  HBM-Usage(MB)        |
+===========================+===============+====================================================+
| 0     910B3               | OK            | 101.8       43                0    / 0             |
| 0                         | 0000:C1:00.0  | 0           0    / 0          3318 / 65536         |
+===========================+===============+====================================================+
| 1     910B3               | OK            | 92.0        39                0    / 0             |
| 0                         | 0000:C2:00.0  | 0           0    / 0          59351/ 65536         |
+===========================+===============+====================================================+
| NPU     Chip              | Process id    | Process name             | Process memory(MB)      |
+===========================+===============+====================================================+
| No running processes found in NPU 0                                                            |
+===========================+===============+====================================================+
| 1       0                 | 1712733       | python3.1                | 48954                   |
+===========================+===============+====================================================+
"""

NPU_SMI_910C = """\
| NPU   Name                | Health        | Power(W)    Temp(C)           Hugepages-Usage(page)|
| Chip  Phy-ID              | Bus-Id        | AICore(%)   Memory-Usage(MB)  HBM-Usage(MB)        |
+===========================+===============+====================================================+
| 0     Ascend910           | OK            | 178.5       36                0    / 0             |
| 0     0                   | 0000:9D:00.0  | 0           0    / 0          3416 / 65536         |
+------------------------------------------------------------------------------------------------+
| 0     Ascend910           | OK            | -           36                0    / 0             |
| 1     1                   | 0000:9F:00.0  | 0           0    / 0          3195 / 65536         |
| NPU     Chip              | Process id    | Process name       | Process memory(MB) | In container |
| 0       1                 | 632268        | vllm               | 197                | NA           |
"""

HY_SMI = json.dumps(
    {
        f"card{index}": {
            "Card Series": "K100_AI",
            "Card Vendor": "Chengdu C-3000 IC Design Co., Ltd.",
            "VRAM Total Memory (B)": str(65520 * MIB),
            "VRAM Total Used Memory (B)": str(20 * MIB),
        }
        for index in range(2)
    }
)


def test_kunlun_devices_are_read_from_both_tools() -> None:
    assert parse_xpu_smi(XPU_SMI) == (
        Chip("P800 OAM", 98304 * MIB, 13800 * MIB),
        Chip("P800 OAM", 98304 * MIB, 98304 * MIB),
    )
    assert parse_xpu_smi(XPU_TABLE) == (
        Chip("R300", 32768 * MIB, 32768 * MIB),
        Chip("R300", 32768 * MIB, 31744 * MIB),
    )


def test_ascend_devices_are_read_with_their_processes() -> None:
    assert parse_npu_smi(NPU_SMI) == (
        Chip("910B3", 65536 * MIB, (65536 - 3318) * MIB),
        Chip("910B3", 65536 * MIB, (65536 - 59351) * MIB, ("python3.1",)),
    )


def test_the_third_ascend_generation_is_two_devices_a_chip() -> None:
    assert [(chip.name, chip.used_by) for chip in parse_npu_smi(NPU_SMI_910C)] == [
        ("910C", ()),
        ("910C", ("vllm",)),
    ]


def test_hygon_devices_are_read_after_any_warning() -> None:
    assert parse_hy_smi("WARNING: low power\n" + HY_SMI) == (Chip("K100_AI", 65520 * MIB, 65500 * MIB),) * 2


def tools(answers: dict[str, str | Exception]) -> tuple[DeviceFacts | None, str | None, tuple[str, ...]]:
    """Probe a machine on which the named tools answer like this."""

    def run(command: Sequence[str]) -> str:
        answer = answers[command[0]]
        if isinstance(answer, Exception):
            raise answer
        return answer

    found = probe_makers(which=lambda name: name if name in answers else None, run=run)
    return found.devices[0] if found.devices else None, found.interconnect, found.failures


@pytest.mark.parametrize(
    ("command", "answer", "maker", "name", "link"),
    [
        ("xpu-smi", XPU_SMI, "kunlun", "P800 OAM", "xpulink"),
        ("xpu_smi", XPU_TABLE, "kunlun", "R300", None),
        ("npu-smi", NPU_SMI, "ascend", "910B3", "hccs"),
        ("hy-smi", HY_SMI, "hygon", "K100_AI", None),
    ],
)
def test_each_maker_is_found_by_its_tool(
    command: str, answer: str, maker: str, name: str, link: str | None
) -> None:
    device, interconnect, failures = tools({command: answer})
    assert device is not None
    assert (device.maker, device.name, device.count) == (maker, name, 2)
    assert (interconnect, failures) == (link, ())


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "{broken",
        "no devices here",
        '{"card0": 3}',
        '{"card0": {"VRAM Total Memory (B)": "much"}}',
        subprocess.TimeoutExpired("tool", 1),
        subprocess.CalledProcessError(1, "tool"),
        PermissionError("not allowed"),
    ],
)
@pytest.mark.parametrize("command", ["xpu-smi", "npu-smi", "hy-smi"])
def test_a_tool_that_fails_is_told(command: str, answer: str | Exception) -> None:
    device, _, failures = tools({command: answer})
    assert device is None
    assert len(failures) == 1
    assert command in failures[0]


def test_no_tool_is_an_answer() -> None:
    assert tools({}) == (None, None, ())


@pytest.mark.parametrize(("selection", "count"), [("1", 1), ("0,1", 2), ("", 0), ("0,7,1", 1)])
def test_the_selection_of_devices_is_respected(
    selection: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASCEND_RT_VISIBLE_DEVICES", selection)
    device, _, _ = tools({"npu-smi": NPU_SMI})
    assert (device.count if device else 0) == count
