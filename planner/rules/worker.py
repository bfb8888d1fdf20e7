"""The environment of the training processes."""

from __future__ import annotations

from planner.language import say
from planner.phrases import plural
from planner.rules.adapters import own_worker
from planner.rules.rule import MEASURED_CPU, Choice, not_, rule
from planner.situation import Situation

THREADS_PER_DEVICE = 8


@rule("worker.threads", "omp_num_threads", f"{MEASURED_CPU}: 56-66 tokens/s with two threads, 40-47 with one")
def threads(s: Situation) -> Choice:
    """The cores of a node, divided among its processes."""
    cores = s.hardware.cpu.cores
    local = max(1, s.whole("num_processes") // s.hardware.nodes)
    value = max(1, cores // local)
    shared = plural(local, "process", "processes")
    if s.on_gpu:
        value = min(THREADS_PER_DEVICE, value)
        return Choice(
            value,
            say(
                "{cores} for {processes}; the devices do the work.",
                cores=plural(cores, "core"),
                processes=shared,
            ),
            (not_(value * 2, say("More threads than that do not feed a device faster.")),),
        )
    return Choice(
        value,
        say("{cores} / {processes}.", cores=plural(cores, "core"), processes=shared),
        (not_(value * 2, say("More threads than cores wait for each other.")),),
    )


@rule("worker.mkl", "mkl_debug_cpu_type", f"{MEASURED_CPU}: 165 tokens/s with it, 89 without")
def mkl(s: Situation) -> Choice:
    """The bundled MKL takes its slow path on AMD unless told otherwise."""
    cpu = s.hardware.cpu
    if s.on_gpu:
        return Choice(0, say("Matrix products run on the devices."))
    if cpu.vendor == "amd" and "avx2" in cpu.flags:
        return Choice(
            5,
            say(
                "On {cpu} the bundled MKL takes its slow path unless told to use AVX2; measured 1.9 times "
                "as fast.",
                cpu=cpu.name,
            ),
            (not_(0, say("About half the speed.")),),
        )
    return Choice(
        0,
        say("MKL chooses the right path by itself on {cpu}.", cpu=cpu.name),
        (not_(5, say("Only helps AMD processors with AVX2.")),),
    )


@rule("worker.network", "network_interface", "NCCL_SOCKET_IFNAME; hangs: PaddlePaddle/Paddle#51246, #45745")
def network(s: Situation) -> Choice:
    """The card that carries the fast network, so that no rank waits on a slow one."""
    name = s.hardware.network_interface or ""
    if s.hardware.nodes == 1:
        return Choice("", say("One machine needs no network."))
    if name:
        return Choice(
            name,
            say("{nodes} machines: {name} is the card between them.", nodes=s.hardware.nodes, name=name),
            (not_("", say("A rank that picks another card hangs at the start, without a word.")),),
        )
    return Choice(
        "",
        say(
            "{nodes} machines, and no card is known; if the start hangs, fix it: --set "
            "network_interface=eth0.",
            nodes=s.hardware.nodes,
        ),
    )


@rule("worker.tracker", "tracker", "SwanLab offline mode; paddlenlp 3.0.0b4 report_to has no swanlab")
def tracker(s: Situation) -> Choice:
    """Curves on this machine only, unless asked for."""
    cloud = not_(
        "swanlab-cloud", say("Sends curves to a server; choose it yourself, with SWANLAB_API_KEY set.")
    )
    if s.word("engine") == "paddleformers" and not own_worker(s):
        return Choice(
            "none",
            say("The losses stand in the log; the engine itself draws curves where a tracker is asked for."),
            (
                not_(
                    "visualdl",
                    say("Curves beside the checkpoints for VisualDL; nothing leaves this machine."),
                ),
                not_(
                    "swanlab-offline",
                    say("Curves for SwanLab's local dashboard; nothing leaves this machine."),
                ),
                cloud,
            ),
        )
    if not own_worker(s):
        return Choice(
            "none",
            say("Upstream's scripts cannot report to it: this version refuses report_to swanlab."),
            (
                not_(
                    "swanlab-offline",
                    say("Only Steersman's own worker writes it, and it does not run this stage."),
                ),
                cloud,
            ),
        )
    return Choice(
        "swanlab-offline",
        say("Loss curves for a local dashboard; nothing leaves this machine."),
        (
            not_("none", say("No curves beside the log.")),
            not_("visualdl", say("The same curves for VisualDL, which is older and shows less.")),
            cloud,
        ),
    )


EARLY_RULES = (threads, mkl)
"""They read the number of processes."""

LATE_RULES = (network, tracker)
