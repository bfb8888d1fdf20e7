"""How preferred answers are learned: loss, its strength, and whether a reference model lies beside it."""

from __future__ import annotations

from planner.language import say
from planner.phrases import size
from planner.rules.rule import Choice, not_, rule
from planner.setup import BYTES
from planner.situation import Situation

LOSS_OF = {"orpo": "or", "simpo": "simpo"}
"""Stage -> the loss type of DPO's script that it is; every other stage starts from sigmoid."""

FREE_BY_FORCE = ("or", "simpo")
"""Losses that the script makes reference-free itself (run_dpo.py:70-77)."""

LOSSES = (
    ("sigmoid", "arXiv:2305.18290"),
    ("hinge", "arXiv:2305.10425"),
    ("ipo", "arXiv:2310.12036"),
    ("kto_pair", "arXiv:2402.01306"),
    ("sppo_hard", "arXiv:2405.00675"),
    ("nca_pair", "arXiv:2402.05369"),
    ("dpop", "arXiv:2402.13228"),
    ("or", "arXiv:2403.07691"),
    ("simpo", "arXiv:2405.14734"),
)
"""Loss type -> its paper."""


@rule("preference.loss", "loss_type", "DPO: arXiv:2305.18290; PaddleNLP 3.0.0b4 trl/dpo_trainer.py:77-88")
def loss_type(s: Situation) -> Choice:
    """The loss that the stage is named after; sigmoid for DPO."""
    chosen = LOSS_OF.get(s.wishes.stage, "sigmoid")
    if chosen == "sigmoid":
        because = say("DPO's own loss: the one that all of upstream's recipes use.")
    else:
        because = say(
            "Stage {stage} is the loss {loss} of the DPO script.", stage=s.wishes.stage, loss=chosen
        )
    return Choice(chosen, because, tuple(not_(name, _why_not(name)) for name, _ in LOSSES if name != chosen))


def _why_not(loss: str) -> str:
    return {
        "sigmoid": say("DPO's loss; the stage you asked for has another."),
        "hinge": say("Stops learning from a pair once it is told apart by a margin."),
        "ipo": say("Milder on noisy labels, and slower; beta means something else there."),
        "kto_pair": say("For unpaired judgements; stage kto does that with its own script."),
        "sppo_hard": say("Made for answers that the model sampled itself, round by round."),
        "nca_pair": say("Keeps the likelihood of preferred answers up; little used."),
        "dpop": say("For pairs that differ in few words; its penalty of 50 has to be tuned."),
        "or": say("Needs no reference model; ask for stage orpo."),
        "simpo": say("Needs no reference model; ask for stage simpo."),
    }[loss]


@rule(
    "preference.beta",
    "beta",
    "DPO: arXiv:2305.18290, appendix B; SimPO: arXiv:2405.14734; upstream's recipes",
)
def beta(s: Situation) -> Choice:
    """0.1, as the papers and every recipe; SimPO divides by length and needs about 2."""
    if s.word("loss_type") == "simpo":
        return Choice(
            2.0,
            say("SimPO averages over an answer's tokens, so its scale is larger: 2 to 2.5 in the paper."),
            (not_(0.1, say("DPO's value: answers would hardly be pushed apart.")),),
        )
    return Choice(
        0.1,
        say("The value of the paper and of all of upstream's recipes."),
        (
            not_(0.01, say("Lets the model move far from where it started.")),
            not_(0.5, say("Holds it so close to the reference that it learns little.")),
        ),
    )


@rule("preference.gamma", "simpo_gamma", "SimPO: arXiv:2405.14734, table 8")
def simpo_gamma(s: Situation) -> Choice:
    """Half of beta, the paper's ratio for base models."""
    value = 0.5 * s.number("beta") if s.word("loss_type") == "simpo" else 0.5
    return Choice(
        value,
        say("A margin of half of beta ({beta:g}).", beta=s.number("beta")),
        (not_(0.0, say("Without a margin, a pair that is barely told apart counts as learned.")),),
    )


@rule("preference.weight", "pref_loss_ratio", "PaddleNLP 3.0.0b4 llm/alignment/dpo/dpo_argument.py:89")
def pref_loss_ratio(s: Situation) -> Choice:
    """1; ORPO weighs the odds ratio by a tenth, as its paper does."""
    if s.word("loss_type") == "or":
        return Choice(
            0.1,
            say("ORPO adds a tenth of the odds-ratio loss to plain learning."),
            (not_(1.0, say("The odds ratio would drown the plain learning.")),),
        )
    return Choice(1.0, say("The preference loss is what this stage is about."))


@rule("preference.sft", "sft_loss_ratio", "ORPO: arXiv:2403.07691; llm/alignment/dpo/dpo_argument.py:90")
def sft_loss_ratio(s: Situation) -> Choice:
    """0, except for ORPO, which has no reference model to hold it."""
    if s.word("loss_type") == "or":
        return Choice(
            1.0,
            say("ORPO learns the preferred answers plainly, beside the odds ratio."),
            (not_(0.0, say("Nothing would hold the answers in shape.")),),
        )
    return Choice(
        0.0,
        say("Preferences are learned after plain fine-tuning, not together with it."),
        (not_(1.0, say("Learns the preferred answers by heart as well.")),),
    )


@rule("preference.reference", "reference_free", "PaddleNLP 3.0.0b4 run_dpo.py:70-77, trl/dpo_trainer.py:92")
def reference_free(s: Situation) -> Choice:
    """A reference model, except for losses that have none."""
    if s.word("loss_type") in FREE_BY_FORCE:
        return Choice(
            True,
            say(
                "Loss {loss} compares answers without a reference; the script would switch it on itself.",
                loss=s.word("loss_type"),
            ),
        )
    copy = size(s.model.parameters * BYTES[s.word("precision")])
    return Choice(
        False,
        say(
            "The reference keeps the model close to where it started. With adapters it is the base model "
            "itself; "
            "with full training a frozen copy of {copy}.",
            copy=copy,
        ),
        (not_(True, say("Nothing would stop the model from drifting away from plain language.")),),
    )


RULES = (loss_type, beta, simpo_gamma, pref_loss_ratio, sft_loss_ratio, reference_free)
"""They read the stage and the precision."""
