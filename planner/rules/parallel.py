"""How processes share the work. The choice itself is made once, in `planner.layout`; these rules explain
it."""

from __future__ import annotations

from planner.layout import HEADROOM, layout
from planner.phrases import plural, size
from planner.rules.rule import MEASURED_CPU, Choice, not_, rule
from planner.situation import Situation

CPU_ONLY_DP = "Paddle refuses it on processors; it only supports accelerators there."


@rule(
    "parallel.processes",
    "num_processes",
    f"{MEASURED_CPU}: two processes 165 tokens/s, one with two threads 105-110",
)
def processes(s: Situation) -> Choice:
    """One per device, or one per core as far as memory and rows allow."""
    found = layout(s)
    number = found.setup.processes
    if s.on_gpu:
        return Choice(
            number,
            f"One process for each of the {plural(s.workers, 'device')}.",
            (not_(1, "Would leave devices idle."),) if number > 1 else (),
        )
    cores = s.workers
    if number == cores == 1:
        return Choice(1, "There is one core.")
    if number == cores:
        return Choice(
            number,
            "One process per core: two were measured 1.5 times as fast as one with two threads.",
            (
                not_(
                    1, f"One process with {cores} threads was measured at 64% of the speed of two processes."
                ),
            ),
        )
    crowded = any(setup.processes > number for setup, _ in found.rejected)
    reason = (
        f"{number} processes of {size(found.peak)} fit into {size(s.hardware.memory_bytes)}; more do not."
        if crowded
        else f"{plural(s.data.train_rows, 'row')} keep {number} of {cores} cores' processes busy; the rest "
        f"go to threads."
    )
    return Choice(
        number, reason, (not_(cores, "Too much memory." if crowded else "Too few rows per process."),)
    )


@rule(
    "parallel.tensor", "tensor_parallel_degree", "arXiv:1909.08053; PaddleNLP 3.0.0b4 llama/modeling.py:724"
)
def tensor(s: Situation) -> Choice:
    """Split the weight matrices only when a model does not fit on one device."""
    found = layout(s)
    degree = found.setup.tensor
    if not s.on_gpu:
        return Choice(1, "Splitting matrices needs GPUs.", (not_(2, CPU_ONLY_DP),))
    if degree == 1:
        return Choice(
            1,
            f"The model fits on one device: {size(found.peak)} of {size(found.limit)}.",
            (not_(2, "Would add communication to every layer for memory that is not short."),),
        )
    smaller = [peak for setup, peak in found.rejected if setup.tensor < degree]
    needed = size(min(smaller)) if smaller else size(found.peak)
    return Choice(
        degree,
        f"With fewer splits it needs at least {needed} per device, and {size(HEADROOM * found.limit)} may be "
        f"used; {degree} devices of one node share each matrix.",
        (not_(degree // 2, f"Needs {needed} per device."),) if degree > 1 else (),
    )


@rule("parallel.pipeline", "pipeline_parallel_degree", "PaddlePaddle/PaddleNLP#8579, #6863")
def pipeline(s: Situation) -> Choice:
    """Not used: the least reliable way to share in this version."""
    if not s.on_gpu:
        return Choice(1, "Splitting layers needs GPUs.", (not_(2, CPU_ONLY_DP),))
    return Choice(
        1,
        f"{plural(layout(s).setup.processes, 'device')} need no pipeline, which has failed on several models "
        "in this version.",
        (not_(2, "Idle time at both ends of every step, and known failures."),),
    )


@rule("parallel.sharding", "sharding", "ZeRO: arXiv:1910.02054; PaddleNLP 3.0.0b4 trainer.py:2229")
def sharding(s: Situation) -> Choice:
    """Spread optimizer states, then gradients, when full training or memory asks for it."""
    found = layout(s)
    setup = found.setup
    if setup.sharding == "none":
        why = (
            "There is one replica, so there is nobody to share with."
            if setup.replicas == 1
            else f"Optimizer states are small ({setup.method}), and everything fits: {size(found.peak)} of "
            f"{size(found.limit)}."
        )
        stage2 = not_("stage2", "Needs GPUs." if not s.on_gpu else "Saves memory that is not short.")
        return Choice("none", why, (not_("stage1", "Saves little here and adds communication."), stage2))
    tried = {other.sharding: peak for other, peak in found.rejected if other.recompute == setup.recompute}
    rejected = tuple(
        not_(name, f"Needs {size(peak)} per device.")
        for name, peak in tried.items()
        if name != setup.sharding
    )
    return Choice(
        setup.sharding,
        f"Spread over {setup.sharding_degree} processes, optimizer states leave {size(found.peak)} per "
        f"device of {size(found.limit)}.",
        (
            *rejected,
            not_("stage3", "Spreads the weights too; saving and reloading under it fails in this version."),
        ),
    )


@rule(
    "parallel.sharding_degree", "sharding_parallel_degree", "PaddleNLP 3.0.0b4 trainer/training_args.py:1156"
)
def sharding_degree(s: Situation) -> Choice:
    """All replicas share, or none."""
    setup = layout(s).setup
    if setup.sharding == "none":
        return Choice(1, "Nothing is sharded.")
    return Choice(
        setup.sharding_degree,
        f"All {setup.replicas} replicas share the optimizer states, the most that can be saved.",
    )


@rule("parallel.data", "data_parallel_degree", "PaddleNLP 3.0.0b4 trainer/training_args.py:1175")
def data_parallel(s: Situation) -> Choice:
    """What is left of the processes."""
    total = s.whole("num_processes")
    tensor_, pipe = s.whole("tensor_parallel_degree"), s.whole("pipeline_parallel_degree")
    shards = s.whole("sharding_parallel_degree")
    degree = max(1, total // (tensor_ * pipe * shards))
    return Choice(
        degree,
        f"{total} processes / ({tensor_} tensor x {pipe} pipeline x {shards} sharding) = {degree} plain "
        "replicas.",
    )


RULES = (processes, tensor, pipeline, sharding, sharding_degree, data_parallel)
