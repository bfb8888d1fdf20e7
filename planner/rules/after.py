"""What happens to the trained model: merge, export, quantise, and how long its answers may be."""

from __future__ import annotations

from planner.families import family
from planner.language import say
from planner.methods import methods
from planner.phrases import size
from planner.rules.adapters import own_worker
from planner.rules.rule import Choice, not_, rule
from planner.setup import BYTES
from planner.situation import Situation
from planner.workload import round_up

WITHOUT_HEAD = ("reward", "embedding")
"""Stages whose model no longer writes text, so that no server of language models loads it."""

TRACEABLE = ("llama", "qwen2")
"""Model types whose steps were the same as a static graph (measured); the stage proves it each time."""

EXPORTS = {"huggingface": "huggingface", "paddle_static": "paddle_static", "fastdeploy": "fastdeploy"}


@rule(
    "after.merge",
    "merge",
    "adapter and merge measured on CPU: 4e-6; trl/llm_utils.py, tools/merge_lora_params.py",
)
def merge(s: Situation) -> Choice:
    """Fold adapters in where they are part of layers; prefixes and interventions are not."""
    method = s.word("method")
    whole = size(s.model.parameters * max(2, BYTES[s.word("precision")]))
    if _merges(s, method):
        return Choice(
            True,
            say("One model of {whole} that any server loads, instead of a base and an adapter.", whole=whole),
            (
                not_(
                    False,
                    say("Saves {whole} of disk; every program then has to know about adapters.", whole=whole),
                ),
            ),
        )
    if method == "full" or s.wishes.stage in ("quantise", "export"):
        return Choice(False, say("There is no adapter to fold in."))
    return Choice(
        False,
        say("The engine cannot fold {method} into the weights.", method=methods()[method].title),
        (not_(True, say("Fails, or gives wrong weights.")),),
    )


def _merges(s: Situation, method: str) -> bool:
    """Return whether what is trained can become part of the weights, by our worker or upstream's script."""
    if own_worker(s):
        return method != "full" and methods()[method].merges
    return methods()[method].adapter and s.word("lora_variant") not in ("pissa", "mora")


@rule("after.export", "export", "target of the wishes; llm/predict/export_model.py")
def export(s: Situation) -> Choice:
    """The format of the target that was asked for."""
    stage, target = s.wishes.stage, s.wishes.target
    if stage in WITHOUT_HEAD:
        return Choice(
            "none", say("Servers of language models do not load a model of stage {stage}.", stage=stage)
        )
    why = {
        "none": say("Leaves the engine's own folder only."),
        "huggingface": say("A Hugging Face folder, which transformers and vLLM load."),
        "paddle_static": say("A static graph for Paddle inference."),
        "fastdeploy": say("A folder that FastDeploy serves."),
    }
    chosen = EXPORTS[target]
    if stage == "quantise" and chosen == "huggingface":
        return Choice(
            "none",
            say("Quantised weights of PaddleNLP are read by Paddle only."),
            (not_("huggingface", say("Other tools would read wrong numbers.")),),
        )
    others = tuple(not_(name, text) for name, text in why.items() if name != chosen)
    untraceable = _untraceable(s) if chosen == "paddle_static" else ""
    if untraceable:
        return Choice("huggingface", untraceable, (not_("paddle_static", say("It could not be proven.")),))
    return Choice(chosen, say("You named it as the target: {what}", what=why[chosen]), others)


def _untraceable(s: Situation) -> str:
    """Return why the trained model cannot become a static graph that is proven; empty when it can.

    Of models that upstream's scripts train, upstream's script makes the graph, and nothing is proven.
    """
    if not own_worker(s):
        return ""
    if s.word("engine") != "paddlenlp":
        return say("Static graphs are made with PaddleNLP only, so the model stays a Hugging Face folder.")
    if s.model.model_type not in TRACEABLE:
        return say(
            "Static graphs were proven for {known} models only, so the model stays a Hugging Face folder.",
            known=", ".join(TRACEABLE),
        )
    if s.word("method") != "full" and not methods()[s.word("method")].merges:
        return say(
            "A static graph needs a merged model, and {method} cannot be merged.",
            method=methods()[s.word("method")].title,
        )
    return ""


@rule("after.quantise", "quantise", "PaddleNLP 3.0.0b4 llm/utils/quant.py:497-515; trl/quant_config.py:25")
def quantise(s: Situation) -> Choice:
    """None, unless that is the stage; then what the goal asks for and the architecture has."""
    if s.wishes.stage != "quantise":
        return Choice(
            "none",
            say(
                "The model keeps {precision}: every step away from it should be measured.",
                precision=s.word("precision"),
            ),
            (
                not_(
                    "weight_only_int8",
                    say("Half the memory when serving; ask for stage quantise afterwards."),
                ),
                not_("weight_only_int4", say("A quarter of the memory, and measurably worse answers.")),
            ),
        )
    found = family(s.word("engine"), s.model.model_type)
    smooth = found is not None and found.ptq
    reasons = {
        "a8w8": say("Fastest on cards with int8 units, and the least exact with 8 bits.")
        if smooth
        else say("Its smoothing has no recipe for {kind} models.", kind=s.model.model_type),
        "weight_only_int8": say("Half the memory, hardly less exact, and no calibration."),
        "weight_only_int4": say("A quarter of the memory, without calibration."),
        "gptq": say("Four bits, corrected layer by layer on your rows.")
        if found is not None and found.gptq
        else say("No recipe of upstream's for {kind} models.", kind=s.model.model_type),
        "awq": say("Four bits, scaled by what activations need.")
        if found is not None and found.awq
        else say("No recipe of upstream's for {kind} models.", kind=s.model.model_type),
    }
    chosen = "weight_only_int8"
    if s.wishes.goal == "speed" and smooth:
        chosen = "a8w8"
    if s.wishes.goal == "memory":
        chosen = "gptq" if found is not None and found.gptq else "weight_only_int4"
    return Choice(
        chosen,
        say("Goal {goal}: {what}", goal=s.wishes.goal, what=reasons[chosen]),
        tuple(not_(name, text) for name, text in reasons.items() if name != chosen),
    )


@rule("after.max_new_tokens", "max_new_tokens", "answer lengths of the data")
def max_new_tokens(s: Situation) -> Choice:
    """Three times the average answer."""
    mean = s.data.lengths.answer_total / s.data.train_rows
    value = min(512, max(64, round_up(3 * mean, 16)))
    value = min(value, max(16, s.model.max_position_embeddings // 2))
    return Choice(
        value,
        say("Answers have {mean:.0f} tokens on average; three times that, between 64 and 512.", mean=mean),
        (not_(2 * value, say("Twice the time for answers that hardly ever get that long.")),),
    )


RULES = (merge, export, quantise, max_new_tokens)
"""They read what was trained."""
