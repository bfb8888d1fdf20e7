"""What the engine refuses about processes and how they share the work."""

from __future__ import annotations

from planner.families import SFT_FAMILIES
from planner.rules.constraint import Constraint
from planner.situation import Situation


def degrees(s: Situation) -> int:
    """Return the product of all parallel degrees."""
    names = (
        "tensor_parallel_degree",
        "pipeline_parallel_degree",
        "sharding_parallel_degree",
        "data_parallel_degree",
    )
    product = 1
    for name in names:
        product *= s.whole(name)
    return product


PARALLEL: tuple[Constraint, ...] = (
    Constraint(
        "cpu-parallel",
        ("tensor_parallel_degree", "pipeline_parallel_degree"),
        lambda s: (
            not s.on_gpu and s.whole("tensor_parallel_degree") * s.whole("pipeline_parallel_degree") > 1
        ),
        lambda s: "Tensor and pipeline parallelism need GPUs: Paddle refuses them on a CPU.",
        "Set tensor_parallel_degree=1 and pipeline_parallel_degree=1.",
        "measured",
        early=True,
    ),
    Constraint(
        "cpu-sharding",
        ("sharding",),
        lambda s: not s.on_gpu and s.word("sharding") in ("stage2", "stage3"),
        lambda s: f"sharding {s.word('sharding')} needs GPUs; on a CPU Paddle offers stage1.",
        "Set sharding=none.",
        "measured",
        early=True,
    ),
    Constraint(
        "degrees-are-world",
        (
            "num_processes",
            "tensor_parallel_degree",
            "pipeline_parallel_degree",
            "sharding_parallel_degree",
            "data_parallel_degree",
        ),
        lambda s: degrees(s) != s.whole("num_processes"),
        lambda s: (
            f"The parallel degrees multiply to {degrees(s)}, and there are {s.whole('num_processes')} "
            "processes."
        ),
        "Release data_parallel_degree, which fills the rest.",
        "trainer/training_args.py:1148,1175",
    ),
    Constraint(
        "not-more-than-devices",
        ("num_processes",),
        lambda s: s.on_gpu and s.whole("num_processes") > s.workers,
        lambda s: f"num_processes is {s.whole('num_processes')}, and there are {s.workers} devices.",
        "Set num_processes to the number of devices.",
        "one process per device",
        early=True,
    ),
    Constraint(
        "whole-nodes",
        ("num_processes",),
        lambda s: s.whole("num_processes") % s.hardware.nodes != 0,
        lambda s: (
            f"{s.whole('num_processes')} processes cannot be spread evenly over {s.hardware.nodes} machines."
        ),
        "Choose a multiple of the number of machines.",
        "paddle.distributed.launch --nnodes",
        early=True,
    ),
    Constraint(
        "tensor-in-node",
        ("tensor_parallel_degree",),
        lambda s: s.whole("tensor_parallel_degree") > max(1, s.whole("num_processes") // s.hardware.nodes),
        lambda s: f"tensor_parallel_degree {s.whole('tensor_parallel_degree')} reaches beyond one machine.",
        "Set it to at most the devices of one machine.",
        "arXiv:2104.04473",
        early=True,
    ),
    Constraint(
        "tensor-divides-heads",
        ("tensor_parallel_degree",),
        lambda s: s.model.num_attention_heads % s.whole("tensor_parallel_degree") != 0,
        lambda s: (
            f"tensor_parallel_degree {s.whole('tensor_parallel_degree')} does not divide the model's "
            f"{s.model.num_attention_heads} attention heads."
        ),
        "Choose a divisor.",
        "llama/modeling.py:724",
        early=True,
    ),
    Constraint(
        "tensor-divides-kv-heads",
        ("tensor_parallel_degree",),
        lambda s: (
            SFT_FAMILIES[s.model.model_type].kv_heads_must_divide
            and s.model.num_key_value_heads % s.whole("tensor_parallel_degree") != 0
        ),
        lambda s: (
            f"tensor_parallel_degree {s.whole('tensor_parallel_degree')} does not divide the model's "
            f"{s.model.num_key_value_heads} key/value heads."
        ),
        "Choose a divisor.",
        "qwen2/modeling.py:536",
        early=True,
    ),
    Constraint(
        "sharding-needs-degree",
        ("sharding", "sharding_parallel_degree"),
        lambda s: (s.word("sharding") == "none") != (s.whole("sharding_parallel_degree") == 1),
        lambda s: (
            f"sharding is {s.word('sharding')} and sharding_parallel_degree is "
            f"{s.whole('sharding_parallel_degree')}: one says to share, the other not."
        ),
        "Set both, or neither.",
        "trainer/training_args.py:1156",
    ),
    Constraint(
        "stage2-no-pipeline",
        ("sharding", "pipeline_parallel_degree"),
        lambda s: s.word("sharding") in ("stage2", "stage3") and s.whole("pipeline_parallel_degree") > 1,
        lambda s: (
            f"sharding {s.word('sharding')} does not work with pipeline_parallel_degree "
            f"{s.whole('pipeline_parallel_degree')}."
        ),
        "Set sharding=stage1.",
        "trainer/training_args.py:1244",
        early=True,
    ),
    Constraint(
        "stage3-no-tensor",
        ("sharding", "tensor_parallel_degree"),
        lambda s: s.word("sharding") == "stage3" and s.whole("tensor_parallel_degree") > 1,
        lambda s: "sharding stage3 does not work with tensor parallelism.",
        "Set sharding=stage2.",
        "trainer/trainer.py:2197",
        early=True,
    ),
    Constraint(
        "stage2-master-grad",
        ("sharding", "amp_master_grad", "data_parallel_degree"),
        lambda s: (
            s.word("sharding") in ("stage2", "stage3")
            and s.flag("amp_master_grad")
            and s.whole("data_parallel_degree") != 1
        ),
        lambda s: (
            f"sharding {s.word('sharding')} with amp_master_grad needs every replica in the sharding group, "
            f"and data_parallel_degree is {s.whole('data_parallel_degree')}."
        ),
        "Release sharding_parallel_degree.",
        "trainer/trainer.py:2229",
    ),
    Constraint(
        "unified-not-stage3",
        ("unified_checkpoint", "sharding"),
        lambda s: s.flag("unified_checkpoint") and s.word("sharding") == "stage3",
        lambda s: "unified_checkpoint is silently switched off under sharding stage3.",
        "Set unified_checkpoint=false.",
        "trainer/training_args.py:1806",
    ),
    Constraint(
        "crowded-cores",
        ("engine_build", "num_processes"),
        lambda s: (
            not s.on_gpu
            and s.whole("num_processes") * s.whole("omp_num_threads")
            > 4 * s.hardware.cpu.cores * s.hardware.nodes
        ),
        lambda s: (
            f"{s.whole('num_processes')} processes with {s.whole('omp_num_threads')} threads would crowd "
            f"{s.hardware.cpu.cores} cores."
        ),
        "Lower num_processes or omp_num_threads.",
        "measured",
    ),
)
