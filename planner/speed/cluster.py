"""The machines of a plan as plain numbers: what one device computes, reads and sends in a second."""

from __future__ import annotations

from dataclasses import dataclass

from planner.device_catalogue import Device, find_device
from planner.facts import CpuFacts, HardwareFacts

GB = 1e9

ACHIEVABLE = {
    "9.0": 0.80,
    "10.0": 0.78,
    "8.0": 0.85,
    "8.9": 0.92,
    "8.6": 0.75,
    "7.0": 0.75,
    "7.5": 0.60,
}
"""Share of the dense 16-bit peak that the best large matrix product reaches, by compute capability.

H100 and H200 794.5 of 989, B200 1745 of 2250, A100 SXM 271.2 and PCIe 252.9 of 312 TFLOP/s (between them
here): table "Maximum Achievable Matmul FLOPS" of stas00/ml-engineering, compute/accelerator/README.md. RTX
4090, whose clock exceeds the datasheet's: 3083 tokens/s of LoRA on Llama-3.1-8B with recompute (README of
pytorch/torchtune) take 136 of 165 TFLOP/s for the products alone, so that these reach more. The other
consumer cards and the older generations are estimates.
"""

PLAIN_ACHIEVABLE = 0.93
"""The same share of float32 products outside tensor cores, which are far from any limit of power or memory;
an estimate."""

OTHER_ACHIEVABLE = 0.65
"""The same share for accelerators of other makers; an estimate."""

POWER_LIMITED = {"A10": 0.55, "A30": 0.70, "L4": 0.50, "L20": 0.85, "L40": 0.60, "L40S": 0.60, "H20": 0.90}
"""The same share for cards whose power limit, or whose trimmed compute units, decide; estimates."""

PROCESSORS = {"9.0": 132, "10.0": 148, "8.0": 108, "7.0": 80, "7.5": 40, "8.6": 84, "8.9": 128}
"""Streaming multiprocessors of the largest card of a generation: the tail of a matrix product occupies them
half filled. Datasheets of H100, B200, A100, V100, T4, A6000, RTX 4090."""

MEMORY_BANDWIDTH = {
    "9.0": 3350.0,
    "10.0": 8000.0,
    "8.0": 2039.0,
    "8.9": 1008.0,
    "8.6": 768.0,
    "7.0": 900.0,
    "7.5": 320.0,
}
"""GB/s where the catalogue names none, by compute capability: datasheets of H100 SXM, B200, A100 80G SXM, RTX
4090, A6000, V100, T4."""

LINK = {"nvlink": 300.0, "pcie": 25.0, "hccs": 28.0, "xpulink": 100.0}
"""GB/s of one device in one direction inside a node, where the catalogue names none: NVLink 3 (A100
datasheet), PCIe 4.0 x16 less its protocol; the others are estimates."""

LINK_REACHED = {"nvlink": 0.75, "pcie": 0.55}
"""Share of a link that collectives reach: 230 to 240 of 300 GB/s on 8 A100 with nccl-tests (NVIDIA/nccl-tests
doc/PERFORMANCE.md and its issues); PCIe between cards without peer access goes through the host: an
estimate."""

OTHER_LINK_REACHED = 0.7

HOST_LINK = 20 * GB
"""Bytes/s between a device and its host: PCIe 4.0 x16 carries 31.5 GB/s, pinned copies reach about two
thirds."""

DEFAULT_NETWORK_GBIT = {"nvlink": 800.0, "other": 25.0}
"""Network of a node where nobody said: machines with NVLink usually have a training network (eight cards of
200 or 400 Gbit/s in NVIDIA's reference designs), others none. Cautious estimates."""

ASSUMED_PEAK = 50e12
"""Dense FLOP/s of a card whose rate is not public: that of a mid-range one; an estimate, and the plan says
so."""

NETWORK_REACHED = 0.8
"""Share of the network that collectives between nodes reach; an estimate."""


@dataclass(frozen=True)
class Cluster:
    """Numbers of one device and of what joins it to the others. Rates are per second and per device."""

    on_gpu: bool
    flops: float
    """Dense peak of matrix products in the plan's precision."""
    achievable: float
    """Share of `flops` that a large matrix product reaches."""
    processors: int
    memory_bandwidth: float
    """Bytes of device memory."""
    link: float
    """Bytes in one direction inside a node that collectives reach."""
    network: float
    """Bytes in one direction between nodes: the node's network, shared by its devices."""
    host_link: float
    per_node: int
    nodes: int
    cpu: CpuFacts
    known: bool = True
    """Whether the device is in the catalogue; if not, the numbers are those of a mid-range card."""
    generation: str = ""
    """NVIDIA compute capability, or empty."""


def cluster(hardware: HardwareFacts, precision: str) -> Cluster:
    """Return the numbers of this hardware for products in `precision` (fp32, bf16, fp16)."""
    if not hardware.devices:
        return Cluster(False, 0.0, 1.0, 1, 20 * GB, 10 * GB, 1 * GB, 0.0, 1, hardware.nodes, hardware.cpu)
    first = hardware.devices[0]
    device = find_device(first.name)
    capability = first.compute_capability or (device.capability if device else "") or ""
    per_node = sum(entry.count for entry in hardware.devices)
    return Cluster(
        on_gpu=True,
        flops=_peak(device, precision),
        achievable=_achievable(device, capability, precision),
        processors=PROCESSORS.get(capability, 100),
        memory_bandwidth=_named(device, "memory_bandwidth_gb_s", MEMORY_BANDWIDTH.get(capability, 1000.0))
        * GB,
        link=_link(hardware, device),
        network=_network_gbit(hardware, device) / 8 * GB * NETWORK_REACHED / per_node,
        host_link=HOST_LINK,
        per_node=per_node,
        nodes=hardware.nodes,
        cpu=hardware.cpu,
        known=device is not None,
        generation=capability,
    )


def peak_is_assumed(hardware: HardwareFacts, precision: str) -> bool:
    """Return whether no rate of the first device is public, so that `ASSUMED_PEAK` stands for it."""
    return bool(hardware.devices) and not _published(find_device(hardware.devices[0].name), precision)


def _peak(device: Device | None, precision: str) -> float:
    """Return the dense peak; float32 products run in TF32 where the card has it (Paddle's and cuBLAS's
    default)."""
    return _published(device, precision) * 1e12 or ASSUMED_PEAK


def _published(device: Device | None, precision: str) -> float:
    """Return the published TFLOP/s, of the nearest number format that has any; 0 where none has."""
    if device is None:
        return 0.0
    order = ("tf32", "fp32") if precision == "fp32" else (precision, "bf16", "fp16", "fp32")
    found = next((device.tflops[name] for name in order if device.tflops.get(name)), 0.0)
    if (
        precision == "fp32"
        and "tf32" not in device.tflops
        and device.capability >= "8.0"
        and device.tflops.get("bf16")
    ):
        found = max(found, device.tflops["bf16"] / 2)
    return found


def _achievable(device: Device | None, capability: str, precision: str) -> float:
    """Return the share of the peak that a large product reaches on this card."""
    if precision == "fp32" and capability < "8.0":
        return PLAIN_ACHIEVABLE
    if device is not None and device.name in POWER_LIMITED:
        return POWER_LIMITED[device.name]
    return ACHIEVABLE.get(capability, OTHER_ACHIEVABLE)


def _link(hardware: HardwareFacts, device: Device | None) -> float:
    """Return bytes/s of one direction inside a node that collectives reach."""
    kind = _link_kind(hardware, device)
    named = device is not None and kind == device.link.lower()
    speed = _named(device if named else None, "link_gb_s", LINK.get(kind, LINK["pcie"]))
    return speed * GB * LINK_REACHED.get(kind, OTHER_LINK_REACHED)


def _network_gbit(hardware: HardwareFacts, device: Device | None) -> float:
    """Return Gbit/s of one node in one direction."""
    kind = _link_kind(hardware, device)
    return hardware.network_gbit or DEFAULT_NETWORK_GBIT.get(kind, DEFAULT_NETWORK_GBIT["other"])


def _link_kind(hardware: HardwareFacts, device: Device | None) -> str:
    """Return what joins the devices of a node."""
    kind = (hardware.interconnect or (device.link if device else "pcie") or "pcie").lower()
    return "pcie" if "pcie" in kind else "nvlink" if "nvlink" in kind or "nvswitch" in kind else kind


def _named(device: Device | None, field: str, otherwise: float) -> float:
    """Return a figure of the catalogue, or what stands in for it."""
    return float(getattr(device, field, None) or otherwise)
