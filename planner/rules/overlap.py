"""Switches of the engine beside the degrees: what is overlapped, and how scores are kept."""

from __future__ import annotations

from planner.families import family
from planner.language import say
from planner.rules.rule import Choice, not_, rule
from planner.situation import Situation

PREFERENCE = ("dpo", "kto", "orpo", "simpo")


@rule(
    "parallel.tensor_output",
    "tensor_parallel_output",
    "PaddleNLP 3.0.0b4 transformers/configuration_utils.py:245",
)
def tensor_output(s: Situation) -> Choice:
    """Keep scores split where matrices are: whole ones would set the peak."""
    degree = s.whole("tensor_parallel_degree")
    if degree == 1:
        return Choice(False, say("Matrices are not split, so scores are whole anyway."))
    words = s.model.vocab_size
    return Choice(
        True,
        say(
            "The loss is computed from {share:,} of {words:,} scores on each process.",
            share=words // degree,
            words=words,
        ),
        (not_(False, say("Every process would gather all {words:,} scores of every token.", words=words)),),
    )


@rule(
    "parallel.tensor_config", "tensor_parallel_config", "PaddleNLP 3.0.0b4 trainer/training_args.py:1342-1357"
)
def tensor_config(s: Situation) -> Choice:
    """Overlap the reduction of input gradients with the product of weight gradients."""
    if s.whole("tensor_parallel_degree") == 1 or s.word("engine") != "paddlenlp":
        return Choice("", say("Nothing to switch."))
    if s.word("method") != "full" or s.flag("sequence_parallel"):
        return Choice("", say("Overlap is for weight gradients of whole sequences, and there are none here."))
    return Choice(
        "enable_mp_async_allreduce",
        say("Input gradients travel while weight gradients are computed, as in upstream's recipes."),
        (not_("", say("The same work one after the other.")),),
    )


@rule(
    "parallel.pipeline_config",
    "pipeline_parallel_config",
    "PaddleNLP 3.0.0b4 trainer/training_args.py:1258-1320; llm/alignment/dpo/run_dpo.py:78-91",
)
def pipeline_config(s: Situation) -> Choice:
    """What the engine requires of a pipeline in this stage."""
    if s.whole("pipeline_parallel_degree") == 1 or s.word("engine") != "paddlenlp":
        return Choice("", say("Nothing to switch."))
    words, why = [], []
    if s.flag("sequence_parallel"):
        words.append("disable_partial_send_recv")
        why.append(say("split tokens are sent whole"))
    if s.wishes.stage in PREFERENCE:
        words.append("enable_clear_every_step_cache")
        why.append(say("stage {stage} needs its cache cleared in every step", stage=s.wishes.stage))
    if not s.flag("zero_padding") and s.wishes.stage == "sft":
        words.append("disable_p2p_cache_shape")
        why.append(say("rows differ in length"))
    if not words:
        return Choice("", say("Sequences of one length need no switches."))
    reasons = "; ".join(why)
    return Choice(" ".join(words), say("As the engine requires: {reasons}.", reasons=reasons))


@rule(
    "parallel.sharding_config",
    "sharding_parallel_config",
    "PaddleNLP 3.0.0b4 trainer/training_args.py:1461-1559; llm/run_finetune.py:537",
)
def sharding_config(s: Situation) -> Choice:
    """Overlap communication of full training under stage 1; the engine refuses it with adapters."""
    if s.word("sharding") != "stage1" or not s.on_gpu or s.word("engine") != "paddlenlp":
        return Choice("", say("Nothing to switch."))
    if s.word("method") != "full":
        return Choice(
            "",
            say("Adapters have too little to send, and the engine refuses overlap with them."),
            (not_("enable_stage1_overlap", say("Stops with an AssertionError.")),),
        )
    if s.whole("pipeline_parallel_degree") > 1:
        return Choice("", say("The engine ignores overlap beside a pipeline."))
    return Choice(
        "enable_stage1_tensor_fusion enable_stage1_overlap",
        say("Gradients are sent in large pieces while others are computed, as in upstream's recipes."),
        (not_("", say("The same traffic after the computation.")),),
    )


@rule("parallel.auto", "enable_auto_parallel", "PaddleNLP 3.0.0b4 trainer/training_args.py:965,1222")
def auto_parallel(s: Situation) -> Choice:
    """Off: it has scripts of its own, and none of them fine-tunes with adapters."""
    why = no_auto_parallel(s) or say(
        "Its config is rendered if you ask for it; upstream's own scripts run it, and a run of Steersman "
        "does not prove it."
    )
    return Choice(
        False,
        say("Degrees are chosen here by forecast; the engine's semi-automatic mode stays off."),
        (not_(True, why),),
    )


def no_auto_parallel(s: Situation) -> str:
    """Return why upstream has no auto-parallel script for this training; empty when it has."""
    stage, kind = s.wishes.stage, s.model.model_type
    if s.word("engine") != "paddlenlp":
        return say("Its scripts belong to PaddleNLP, and the engine is {engine}.", engine=s.word("engine"))
    if not s.on_gpu:
        return say("It needs accelerators.")
    found = family("paddlenlp", kind)
    if found is None or stage not in found.auto_parallel:
        return say(
            "Upstream has no auto-parallel script for {kind} models in stage {stage}.", kind=kind, stage=stage
        )
    if s.known("method", "full") != "full":
        return say(
            "Its scripts are rendered for full training, and the method is {method}.", method=s.word("method")
        )
    return ""


@rule("parallel.static", "to_static", "PaddleNLP 3.0.0b4 trainer/training_args.py:928,1222")
def static_graph(s: Situation) -> Choice:
    """Off: a dynamic graph says where it failed."""
    return Choice(
        False,
        say("A dynamic graph: what fails in it names its line."),
        (not_(True, say("Faster once it runs, and slower to begin; only auto-parallel trains it.")),),
    )


SWITCHES = (tensor_output, tensor_config, pipeline_config, sharding_config, auto_parallel, static_graph)
