"""The environment of the training processes."""

from __future__ import annotations

from planner.phrases import plural
from planner.rules.rule import MEASURED_CPU, Choice, not_, rule
from planner.situation import Situation
from planner.workload import round_up

THREADS_PER_DEVICE = 8


@rule("worker.threads", "omp_num_threads", f"{MEASURED_CPU}: 56-66 tokens/s with two threads, 40-47 with one")
def threads(s: Situation) -> Choice:
    """The cores of a node, divided among its processes."""
    cores = s.hardware.cpu.cores
    local = max(1, s.whole("num_processes") // s.hardware.nodes)
    value = max(1, cores // local)
    if s.on_gpu:
        value = min(THREADS_PER_DEVICE, value)
        return Choice(
            value,
            f"{plural(cores, 'core')} for {plural(local, 'process', 'processes')}; the devices do the work.",
        )
    return Choice(
        value,
        f"{plural(cores, 'core')} / {plural(local, 'process', 'processes')}.",
        (not_(value * 2, "More threads than cores wait for each other."),),
    )


@rule("worker.mkl", "mkl_debug_cpu_type", f"{MEASURED_CPU}: 165 tokens/s with it, 89 without")
def mkl(s: Situation) -> Choice:
    """The bundled MKL takes its slow path on AMD unless told otherwise."""
    cpu = s.hardware.cpu
    if s.on_gpu:
        return Choice(0, "Matrix products run on the GPU.")
    if cpu.vendor == "amd" and "avx2" in cpu.flags:
        return Choice(
            5,
            f"On {cpu.name} the bundled MKL takes its slow path unless told to use AVX2; measured 1.9 times "
            "as fast.",
            (not_(0, "About half the speed."),),
        )
    return Choice(
        0,
        f"MKL chooses the right path by itself on {cpu.name}.",
        (not_(5, "Only helps AMD processors with AVX2."),),
    )


@rule("worker.tracker", "tracker", "SwanLab offline mode")
def tracker(s: Situation) -> Choice:
    """Curves on this machine only, unless asked for."""
    return Choice(
        "swanlab-offline",
        "Loss curves for a local dashboard; nothing leaves this machine.",
        (not_("swanlab-cloud", "Sends curves to a server; choose it yourself, with SWANLAB_API_KEY set."),),
    )


@rule("worker.max_new_tokens", "max_new_tokens", "answer lengths of the data")
def max_new_tokens(s: Situation) -> Choice:
    """Three times the average answer."""
    mean = s.data.lengths.answer_total / s.data.train_rows
    value = min(512, max(64, round_up(3 * mean, 16)))
    value = min(value, max(16, s.model.max_position_embeddings // 2))
    return Choice(value, f"Answers have {mean:.0f} tokens on average; three times that, between 64 and 512.")


RULES = (threads, mkl)
LATE_RULES = (tracker, max_new_tokens)
