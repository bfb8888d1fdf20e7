"""What engines refuse about splitting sequences and experts."""

from __future__ import annotations

from planner.language import say, template
from planner.rules.constraint import Constraint
from planner.rules.constraints_parallel import found, over

SEQUENCE: tuple[Constraint, ...] = (
    Constraint(
        "parallel.ring-or-heads",
        ("context_parallel_degree", "sep_parallel_degree"),
        lambda s: over(s, "context_parallel_degree") and over(s, "sep_parallel_degree"),
        lambda s: say(
            "context_parallel_degree {ring} and sep_parallel_degree {heads} split the same sequence in two "
            "ways.",
            ring=s.whole("context_parallel_degree"),
            heads=s.whole("sep_parallel_degree"),
        ),
        template("Set one of them to 1."),
        "trainer/training_args.py:1152",
        early=True,
    ),
    Constraint(
        "parallel.context-family",
        ("context_parallel_degree",),
        lambda s: over(s, "context_parallel_degree") and not found(s).context_parallel,
        lambda s: say(
            "{engine} has no context_parallel_degree for {kind} models.",
            engine=s.word("engine"),
            kind=s.model.model_type,
        ),
        template("Set context_parallel_degree=1."),
        "transformers/llama/modeling.py:254,1714; recipes/engines/*/families.yaml",
        early=True,
    ),
    Constraint(
        "parallel.context-flash",
        ("context_parallel_degree", "use_flash_attention"),
        lambda s: over(s, "context_parallel_degree") and not s.flag("use_flash_attention"),
        lambda s: say("context_parallel_degree needs use_flash_attention, which is off."),
        template("Set context_parallel_degree=1."),
        "transformers/llama/modeling.py:254",
    ),
    Constraint(
        "parallel.context-divides",
        ("context_parallel_degree", "max_length"),
        lambda s: s.whole("max_length") % s.whole("context_parallel_degree") != 0,
        lambda s: say(
            "context_parallel_degree {degree} does not divide max_length {length:,}.",
            degree=s.whole("context_parallel_degree"),
            length=s.whole("max_length"),
        ),
        template("Choose a divisor."),
        "llm/run_pretrain.py:443",
    ),
    Constraint(
        "parallel.context-needs-experts",
        ("context_parallel_degree", "expert_parallel_degree"),
        lambda s: (
            s.word("engine") == "paddleformers"
            and over(s, "context_parallel_degree")
            and not over(s, "expert_parallel_degree")
        ),
        lambda s: say(
            "With Paddle 3.3.1 PaddleFormers splits a sequence only beside expert_parallel_degree above 1."
        ),
        template("Set context_parallel_degree=1."),
        "paddleformers trainer/training_args.py:2979-2995; paddle fleet topology.py:769,1351",
        early=True,
        severity="fails",
    ),
    Constraint(
        "parallel.sep-family",
        ("sep_parallel_degree",),
        lambda s: over(s, "sep_parallel_degree") and not found(s).sep_parallel,
        lambda s: say(
            "{engine} has no sep_parallel_degree for {kind} models.",
            engine=s.word("engine"),
            kind=s.model.model_type,
        ),
        template("Set sep_parallel_degree=1."),
        "transformers/llama/modeling.py:864; recipes/engines/*/families.yaml",
        early=True,
    ),
    Constraint(
        "parallel.sep-divides",
        ("sep_parallel_degree",),
        lambda s: (
            s.model.num_attention_heads % s.whole("sep_parallel_degree") != 0
            or s.model.num_key_value_heads % s.whole("sep_parallel_degree") != 0
        ),
        lambda s: say(
            "sep_parallel_degree {degree} does not divide {heads} attention and {key_value} key/value heads.",
            degree=s.whole("sep_parallel_degree"),
            heads=s.model.num_attention_heads,
            key_value=s.model.num_key_value_heads,
        ),
        template("Choose a divisor of both."),
        "transformers/llama/modeling.py:864",
        early=True,
    ),
    Constraint(
        "parallel.split-stage",
        ("context_parallel_degree", "sep_parallel_degree"),
        lambda s: (
            (over(s, "context_parallel_degree") or over(s, "sep_parallel_degree"))
            and s.word("engine") == "paddlenlp"
            and s.wishes.stage != "pretrain"
        ),
        lambda s: say(
            "PaddleNLP splits sequences in pretraining only: rows of stage {stage} bring a mask, which "
            "ring attention refuses.",
            stage=s.wishes.stage,
        ),
        template("Set both degrees to 1."),
        "transformers/llama/modeling.py:1714; llm/run_pretrain.py:443",
        early=True,
        severity="fails",
    ),
    Constraint(
        "parallel.experts-family",
        ("expert_parallel_degree",),
        lambda s: (
            over(s, "expert_parallel_degree") and (s.model.experts is None or not found(s).expert_parallel)
        ),
        lambda s: say(
            "expert_parallel_degree {degree} needs a mixture of experts that {engine} can spread; this is "
            "a {kind} model.",
            degree=s.whole("expert_parallel_degree"),
            engine=s.word("engine"),
            kind=s.model.model_type,
        ),
        template("Set expert_parallel_degree=1."),
        "llm/run_finetune.py:179; recipes/engines/*/families.yaml",
        early=True,
    ),
    Constraint(
        "parallel.experts-sharding",
        ("expert_parallel_degree", "sharding_parallel_degree"),
        lambda s: (
            over(s, "expert_parallel_degree")
            and s.word("engine") == "paddlenlp"
            and (
                s.word("sharding") == "none"
                or s.whole("data_parallel_degree") != 1
                or s.whole("sharding_parallel_degree") % s.whole("expert_parallel_degree") != 0
            )
        ),
        lambda s: say(
            "Experts are spread inside the sharding group: expert_parallel_degree {degree} needs sharding "
            "over all replicas, in a multiple of it; sharding_parallel_degree is {shards}.",
            degree=s.whole("expert_parallel_degree"),
            shards=s.whole("sharding_parallel_degree"),
        ),
        template("Release sharding and sharding_parallel_degree."),
        "trainer/training_args.py:1170-1185",
    ),
)
