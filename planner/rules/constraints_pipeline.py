"""What engines refuse about splitting layers, and about spreading optimizer states."""

from __future__ import annotations

from planner.language import say, template
from planner.rules.constraint import Constraint
from planner.rules.constraints_parallel import found, over

PIPELINE: tuple[Constraint, ...] = (
    Constraint(
        "parallel.pipeline-family",
        ("pipeline_parallel_degree",),
        lambda s: over(s, "pipeline_parallel_degree") and not found(s).pipeline,
        lambda s: say(
            "{engine} has no pipeline for {kind} models.", engine=s.word("engine"), kind=s.model.model_type
        ),
        template("Set pipeline_parallel_degree=1."),
        "trainer/trainer.py:374-379; recipes/engines/*/families.yaml",
        early=True,
    ),
    Constraint(
        "parallel.pipeline-stage",
        ("pipeline_parallel_degree",),
        lambda s: over(s, "pipeline_parallel_degree") and s.wishes.stage in ("kto", "reward", "embedding"),
        lambda s: say("Stage {stage} does not work with a pipeline.", stage=s.wishes.stage),
        template("Set pipeline_parallel_degree=1."),
        "alignment/rm/flashmask/run_reward.py:158; run_embedding.py:59; no Pipe class reads kto_config",
        early=True,
    ),
    Constraint(
        "parallel.pipeline-preference",
        ("pipeline_parallel_degree",),
        lambda s: (
            over(s, "pipeline_parallel_degree")
            and s.wishes.stage in ("dpo", "orpo", "simpo")
            and not found(s).preference_pipeline
        ),
        lambda s: say("The pipeline of {kind} models has no preference loss.", kind=s.model.model_type),
        template("Set pipeline_parallel_degree=1."),
        "transformers/{llama,qwen,qwen2}/modeling_pp.py get_loss_fn",
        early=True,
        severity="fails",
    ),
    Constraint(
        "parallel.pipeline-depth",
        ("pipeline_parallel_degree",),
        lambda s: s.whole("pipeline_parallel_degree") > s.model.num_hidden_layers,
        lambda s: say(
            "pipeline_parallel_degree {degree} is more than the {layers} layers.",
            degree=s.whole("pipeline_parallel_degree"),
            layers=s.model.num_hidden_layers,
        ),
        template("Lower pipeline_parallel_degree."),
        "transformers/llama/modeling_pp.py",
        early=True,
        severity="fails",
    ),
    Constraint(
        "parallel.virtual-needs-pipeline",
        ("virtual_pp_degree", "pipeline_parallel_degree"),
        lambda s: over(s, "virtual_pp_degree") and not over(s, "pipeline_parallel_degree"),
        lambda s: say(
            "virtual_pp_degree {degree} cuts pipeline stages into chunks, and there is no pipeline.",
            degree=s.whole("virtual_pp_degree"),
        ),
        template("Set virtual_pp_degree=1."),
        "transformers/configuration_utils.py:248",
        severity="ignored",
    ),
    Constraint(
        "parallel.virtual-stages",
        ("virtual_pp_degree", "pipeline_parallel_degree"),
        lambda s: over(s, "virtual_pp_degree") and s.whole("pipeline_parallel_degree") == 2,
        lambda s: say(
            "virtual_pp_degree {degree} needs at least three pipeline stages: Paddle refuses it with two.",
            degree=s.whole("virtual_pp_degree"),
        ),
        template("Set virtual_pp_degree=1."),
        "paddlepaddle 3.3.1 fleet/meta_parallel/pipeline_parallel.py:1973",
        severity="fails",
    ),
    Constraint(
        "parallel.virtual-family",
        ("virtual_pp_degree",),
        lambda s: over(s, "virtual_pp_degree") and not found(s).virtual_pipeline,
        lambda s: say("The pipeline of {kind} models has no virtual stages.", kind=s.model.model_type),
        template("Set virtual_pp_degree=1."),
        "recipes/engines/*/families.yaml",
        early=True,
        severity="ignored",
    ),
    Constraint(
        "parallel.virtual-divides",
        ("virtual_pp_degree", "pipeline_parallel_degree"),
        lambda s: (
            over(s, "virtual_pp_degree")
            and over(s, "pipeline_parallel_degree")
            and s.model.num_hidden_layers
            % (s.whole("pipeline_parallel_degree") * s.whole("virtual_pp_degree"))
            != 0
        ),
        lambda s: say(
            "{stages} stages of {chunks} chunks do not divide the {layers} layers.",
            stages=s.whole("pipeline_parallel_degree"),
            chunks=s.whole("virtual_pp_degree"),
            layers=s.model.num_hidden_layers,
        ),
        template("Choose a virtual_pp_degree that divides the layers of a stage."),
        "transformers/qwen2/modeling_pp.py:332",
    ),
    Constraint(
        "parallel.pipeline-eval-batch",
        ("per_device_eval_batch_size", "pipeline_parallel_degree"),
        lambda s: (
            over(s, "pipeline_parallel_degree")
            and s.word("engine") == "paddleformers"
            and s.word("evaluation_strategy") != "no"
            and s.whole("per_device_eval_batch_size") != s.whole("per_device_train_batch_size")
        ),
        lambda s: say(
            "With a pipeline PaddleFormers wants per_device_eval_batch_size ({eval}) to equal the training "
            "batch ({train}).",
            eval=s.whole("per_device_eval_batch_size"),
            train=s.whole("per_device_train_batch_size"),
        ),
        template("Release per_device_eval_batch_size."),
        "paddleformers trainer/training_args.py:2042-2050",
    ),
)

SHARDING: tuple[Constraint, ...] = (
    Constraint(
        "parallel.sharding-needs-degree",
        ("sharding", "sharding_parallel_degree"),
        lambda s: (
            s.whole("num_processes") > 1
            and (s.word("sharding") == "none") != (s.whole("sharding_parallel_degree") == 1)
        ),
        lambda s: say(
            "sharding is {stage} and sharding_parallel_degree is {degree}: one says to share, the other not.",
            stage=s.word("sharding"),
            degree=s.whole("sharding_parallel_degree"),
        ),
        template("Set both, or neither."),
        "trainer/training_args.py:1156",
        severity="ignored",
    ),
    Constraint(
        "parallel.stage2-no-pipeline",
        ("sharding", "pipeline_parallel_degree"),
        lambda s: s.word("sharding") in ("stage2", "stage3") and over(s, "pipeline_parallel_degree"),
        lambda s: say(
            "sharding {stage} does not work with pipeline_parallel_degree {degree}.",
            stage=s.word("sharding"),
            degree=s.whole("pipeline_parallel_degree"),
        ),
        template("Set sharding=stage1."),
        "trainer/training_args.py:1244",
        early=True,
    ),
    Constraint(
        "parallel.stage3-no-tensor",
        ("sharding", "tensor_parallel_degree"),
        lambda s: s.word("sharding") == "stage3" and over(s, "tensor_parallel_degree"),
        lambda s: say("sharding stage3 does not work with tensor parallelism."),
        template("Set sharding=stage2."),
        "trainer/trainer.py:2197",
        early=True,
    ),
    Constraint(
        "parallel.stage2-master-grad",
        ("sharding", "amp_master_grad", "data_parallel_degree"),
        lambda s: (
            s.word("sharding") in ("stage2", "stage3")
            and s.flag("amp_master_grad")
            and s.whole("data_parallel_degree") != 1
        ),
        lambda s: say(
            "sharding {stage} with amp_master_grad needs every replica in the sharding group, and "
            "data_parallel_degree is {degree}.",
            stage=s.word("sharding"),
            degree=s.whole("data_parallel_degree"),
        ),
        template("Release sharding_parallel_degree."),
        "trainer/trainer.py:2229",
    ),
)
