"""What engines refuse about processes and how they share the work."""

from __future__ import annotations

from planner.families import Family, family
from planner.language import say, template
from planner.phrases import plural
from planner.rules.constraint import Constraint
from planner.rules.overlap import no_auto_parallel
from planner.search.axes import divisors, indivisible
from planner.situation import Situation

DEGREES = (
    "tensor_parallel_degree",
    "pipeline_parallel_degree",
    "sharding_parallel_degree",
    "data_parallel_degree",
    "context_parallel_degree",
    "sep_parallel_degree",
)
"""Their product is the number of processes; experts are spread inside the sharding group."""


def degrees(s: Situation) -> int:
    """Return the product of all parallel degrees."""
    product = 1
    for name in DEGREES:
        product *= s.whole(name)
    return product


def found(s: Situation) -> Family:
    """Return what the engine can do with the model's architecture."""
    return family(s.word("engine"), s.model.model_type) or Family(source="unknown")


def over(s: Situation, name: str) -> bool:
    """Return whether a degree is more than 1."""
    return s.whole(name) > 1


def possible_degrees(s: Situation) -> str:
    """Return which tensor-parallel degrees divide everything that is split."""
    per_node = max(1, s.hardware.device_count // s.hardware.nodes)
    fitting = [str(one) for one in divisors(per_node) if not indivisible(s.model, found(s), one)]
    return say("Set tensor_parallel_degree to one of {degrees}.", degrees=", ".join(fitting))


PROCESSES: tuple[Constraint, ...] = (
    Constraint(
        "parallel.degrees-are-world",
        (
            "num_processes",
            "tensor_parallel_degree",
            "pipeline_parallel_degree",
            "sharding_parallel_degree",
            "data_parallel_degree",
            "context_parallel_degree",
            "sep_parallel_degree",
        ),
        lambda s: degrees(s) != s.whole("num_processes"),
        lambda s: say(
            "The parallel degrees multiply to {product}, and there are {processes} processes.",
            product=degrees(s),
            processes=s.whole("num_processes"),
        ),
        template("Release data_parallel_degree, which fills the rest."),
        "trainer/training_args.py:1148,1175",
    ),
    Constraint(
        "parallel.not-more-than-devices",
        ("num_processes",),
        lambda s: s.on_gpu and s.whole("num_processes") > s.workers,
        lambda s: say(
            "num_processes is {processes}, and there are {devices}.",
            processes=s.whole("num_processes"),
            devices=plural(s.workers, "device"),
        ),
        template("Set num_processes to the number of devices."),
        "one process per device",
        early=True,
        severity="fails",
    ),
    Constraint(
        "parallel.whole-nodes",
        ("num_processes",),
        lambda s: s.whole("num_processes") % s.hardware.nodes != 0,
        lambda s: say(
            "{processes} processes cannot be spread evenly over {nodes} machines.",
            processes=s.whole("num_processes"),
            nodes=s.hardware.nodes,
        ),
        template("Choose a multiple of the number of machines."),
        "paddle.distributed.launch --nnodes",
        early=True,
        severity="fails",
    ),
    Constraint(
        "parallel.crowded-cores",
        ("num_processes", "omp_num_threads"),
        lambda s: (
            not s.on_gpu
            and s.whole("num_processes") * s.whole("omp_num_threads")
            > 4 * s.hardware.cpu.cores * s.hardware.nodes
        ),
        lambda s: say(
            "{processes} processes with {threads} threads would crowd {cores} cores.",
            processes=s.whole("num_processes"),
            threads=s.whole("omp_num_threads"),
            cores=s.hardware.cpu.cores,
        ),
        template("Lower num_processes or omp_num_threads."),
        "measured",
        severity="fails",
    ),
    Constraint(
        "parallel.cpu-splits",
        ("tensor_parallel_degree", "pipeline_parallel_degree"),
        lambda s: not s.on_gpu and (over(s, "tensor_parallel_degree") or over(s, "pipeline_parallel_degree")),
        lambda s: say("Tensor and pipeline parallelism need GPUs: Paddle refuses them on a CPU."),
        template("Set tensor_parallel_degree=1 and pipeline_parallel_degree=1."),
        "measured",
        early=True,
    ),
    Constraint(
        "parallel.cpu-sharding",
        ("sharding",),
        lambda s: not s.on_gpu and s.word("sharding") in ("stage2", "stage3"),
        lambda s: say(
            "sharding {stage} needs GPUs; on a CPU Paddle offers stage1.", stage=s.word("sharding")
        ),
        template("Set sharding=none."),
        "measured",
        early=True,
    ),
    Constraint(
        "parallel.sharding-idle",
        ("sharding", "sharding_parallel_degree"),
        lambda s: s.word("sharding") != "none" and s.whole("sharding_parallel_degree") == 1,
        lambda s: say(
            "sharding {stage} stands idle: there is one replica, and the engine turns it off.",
            stage=s.word("sharding"),
        ),
        template("Set sharding=none, or use more processes."),
        "trainer/training_args.py:1166; paddleformers trainer/training_args.py:2816",
        severity="warns",
    ),
    Constraint(
        "parallel.cpu-sequence",
        ("sequence_parallel", "context_parallel_degree", "sep_parallel_degree"),
        lambda s: (
            not s.on_gpu
            and (
                s.flag("sequence_parallel")
                or over(s, "context_parallel_degree")
                or over(s, "sep_parallel_degree")
            )
        ),
        lambda s: say("Splitting a sequence needs GPUs: Paddle refuses it on a CPU."),
        template("Set sequence_parallel=false and both degrees to 1."),
        "measured: 'Fleet' object has no attribute '_hcg'; transformers/fusion_ops.py:73",
        early=True,
    ),
    Constraint(
        "parallel.auto-scripts",
        ("enable_auto_parallel",),
        lambda s: s.flag("enable_auto_parallel") and bool(no_auto_parallel(s)),
        no_auto_parallel,
        template("Set enable_auto_parallel=false."),
        "trainer/training_args.py:965; llm/auto_parallel",
    ),
    Constraint(
        "parallel.auto-degrees",
        ("enable_auto_parallel", "sharding", "context_parallel_degree", "expert_parallel_degree"),
        lambda s: (
            s.flag("enable_auto_parallel")
            and (
                s.word("sharding") in ("stage2", "stage3")
                or over(s, "context_parallel_degree")
                or over(s, "expert_parallel_degree")
            )
        ),
        lambda s: say(
            "Upstream's auto-parallel recipes shard by stage1 and split neither sequences nor experts; "
            "here are sharding {stage}, {context} and {expert}.",
            stage=s.word("sharding"),
            context=s.whole("context_parallel_degree"),
            expert=s.whole("expert_parallel_degree"),
        ),
        template("Set sharding=stage1, or enable_auto_parallel=false."),
        "llm/auto_parallel/*/pretrain_argument.json",
    ),
    Constraint(
        "parallel.static-alone",
        ("to_static",),
        lambda s: s.flag("to_static") and not s.flag("enable_auto_parallel"),
        lambda s: say("Only auto-parallel trains a static graph, and enable_auto_parallel is off."),
        template("Set enable_auto_parallel=true, or to_static=false."),
        "trainer/training_args.py:1222",
    ),
)

TENSOR: tuple[Constraint, ...] = (
    Constraint(
        "parallel.tensor-family",
        ("tensor_parallel_degree",),
        lambda s: over(s, "tensor_parallel_degree") and not found(s).tensor_parallel,
        lambda s: say(
            "{engine} cannot split {kind} models with tensor_parallel_degree {degree}.",
            engine=s.word("engine"),
            kind=s.model.model_type,
            degree=s.whole("tensor_parallel_degree"),
        ),
        template("Set tensor_parallel_degree=1."),
        "recipes/engines/*/families.yaml",
        early=True,
    ),
    Constraint(
        "parallel.tensor-in-node",
        ("tensor_parallel_degree",),
        lambda s: s.whole("tensor_parallel_degree") > max(1, s.whole("num_processes") // s.hardware.nodes),
        lambda s: say(
            "tensor_parallel_degree {degree} reaches beyond one machine.",
            degree=s.whole("tensor_parallel_degree"),
        ),
        template("Set it to at most the devices of one machine."),
        "arXiv:2104.04473, section 5.4",
        early=True,
        severity="fails",
    ),
    Constraint(
        "parallel.tensor-divides-heads",
        ("tensor_parallel_degree",),
        lambda s: s.model.num_attention_heads % s.whole("tensor_parallel_degree") != 0,
        lambda s: say(
            "tensor_parallel_degree {degree} does not divide the model's {heads} attention heads.",
            degree=s.whole("tensor_parallel_degree"),
            heads=s.model.num_attention_heads,
        ),
        possible_degrees,
        "transformers/llama/modeling.py:724",
        early=True,
    ),
    Constraint(
        "parallel.tensor-divides-kv-heads",
        ("tensor_parallel_degree",),
        lambda s: (
            found(s).kv_heads_must_divide
            and s.model.num_key_value_heads % s.whole("tensor_parallel_degree") != 0
        ),
        lambda s: say(
            "tensor_parallel_degree {degree} does not divide the model's {heads} key/value heads.",
            degree=s.whole("tensor_parallel_degree"),
            heads=s.model.num_key_value_heads,
        ),
        possible_degrees,
        "transformers/qwen2/modeling.py:536",
        early=True,
    ),
    Constraint(
        "parallel.tensor-divides-width",
        ("tensor_parallel_degree",),
        lambda s: (
            s.model.intermediate_size % s.whole("tensor_parallel_degree") != 0
            or s.model.vocab_size % s.whole("tensor_parallel_degree") != 0
        ),
        lambda s: say(
            "tensor_parallel_degree {degree} does not divide the MLP of {width:,} or the vocabulary of "
            "{words:,}.",
            degree=s.whole("tensor_parallel_degree"),
            width=s.model.intermediate_size,
            words=s.model.vocab_size,
        ),
        possible_degrees,
        "paddle fleet/layers/mpu/mp_layers.py",
        early=True,
        severity="fails",
    ),
    Constraint(
        "parallel.sequence-needs-tensor",
        ("sequence_parallel", "tensor_parallel_degree"),
        lambda s: s.flag("sequence_parallel") and not over(s, "tensor_parallel_degree"),
        lambda s: say(
            "sequence_parallel splits what tensor parallelism leaves whole, and tensor_parallel_degree is 1."
        ),
        template("Set sequence_parallel=false."),
        "llm/run_pretrain.py:438; trainer/training_args.py:694",
        severity="ignored",
    ),
    Constraint(
        "parallel.sequence-family",
        ("sequence_parallel",),
        lambda s: s.flag("sequence_parallel") and s.on_gpu and not found(s).sequence_parallel,
        lambda s: say(
            "{engine} has no sequence_parallel for {kind} models.",
            engine=s.word("engine"),
            kind=s.model.model_type,
        ),
        template("Set sequence_parallel=false."),
        "recipes/engines/*/families.yaml",
        early=True,
        severity="ignored",
    ),
)

PARALLEL = (*PROCESSES, *TENSOR)
