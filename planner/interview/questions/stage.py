"""The kind of training: detected from the data's layout where it says it."""

from __future__ import annotations

from planner.errors import BadInput
from planner.facts import DataFacts
from planner.interview.pricing import by_answer
from planner.interview.question import Answer, Choice, Known, Question
from planner.interview.reading import by_words, not_understood, plain
from planner.language import say, template

TITLES = {
    "sft": template("answer like the examples (sft)"),
    "dpo": template("prefer good answers to bad ones (dpo)"),
    "kto": template("prefer answers judged good (kto)"),
    "orpo": template("answers and preferences at once (orpo)"),
    "simpo": template("preferences without a reference model (simpo)"),
    "reward": template("judge answers (reward)"),
    "pretrain": template("know more texts (pretrain)"),
    "embedding": template("compare texts (embedding)"),
    "quantise": template("only make it smaller (quantise)"),
    "export": template("only change its format (export)"),
}
"""Stage -> what the model shall do, in a few words."""

DETECTED = {
    "alpaca": "sft",
    "sharegpt": "sft",
    "messages": "sft",
    "src_tgt": "sft",
    "text": "pretrain",
    "preference": "dpo",
    "labelled": "kto",
    "retrieval": "embedding",
}
"""Layout of the rows -> the stage that is made for it."""

TRIES_ITSELF = {"ppo", "grpo", "rloo", "dapo", "gspo", "reinforcement learning", "rl", "强化学习"}
"""Training with the model's own attempts, judged while it trains."""

TAUGHT_BY = {
    "sft": ("alpaca", "sharegpt", "messages", "src_tgt"),
    "dpo": ("preference",),
    "orpo": ("preference",),
    "simpo": ("preference",),
    "reward": ("preference",),
    "kto": ("labelled",),
    "pretrain": ("text",),
    "embedding": ("retrieval",),
}
"""Stage -> layouts that it can learn from; the others take any."""

LAYOUT_WORDS = {
    "preference": template("pairs of a preferred and a rejected answer"),
    "labelled": template("answers that are judged true or false"),
    "text": template("plain texts"),
    "retrieval": template("queries with passages"),
}
CONVERSATIONS = template("conversations")


def detect(data: DataFacts) -> Answer | None:
    """Return the stage that the rows are made for; None for data that nobody has read."""
    if data.typed:
        return None
    stage = DETECTED[data.format]
    because = say("Your rows are {layout}.", layout=layout_words(data.format))
    return Answer(stage, say(TITLES[stage]), "detected", because)


def layout_words(layout: str) -> str:
    """Return what the rows of a layout are."""
    return say(LAYOUT_WORDS.get(layout, CONVERSATIONS))


def default(known: Known) -> Answer:
    """Return what the data is made for, else supervised fine-tuning."""
    detected = detect(known.data) if known.data is not None else None
    if detected is not None:
        return Answer(detected.value, detected.shown, "default", detected.because)
    return Answer("sft", say(TITLES["sft"]), "default", say("It is what most people mean by fine-tuning."))


def choices(known: Known) -> tuple[Choice, ...]:
    """Return every stage; those that the data cannot teach are disabled."""
    return tuple(Choice(stage, say(title), disabled=refusal(stage, known)) for stage, title in TITLES.items())


def refusal(stage: str, known: Known) -> str:
    """Return why the data cannot teach a stage; empty where it can."""
    taught_by = TAUGHT_BY.get(stage)
    data = known.data
    if data is None or data.typed or taught_by is None or data.format in taught_by:
        return ""
    return say(
        "needs {wanted}, your data has {found}",
        wanted=layout_words(taught_by[0]),
        found=layout_words(data.format),
    )


def read(text: str, known: Known) -> Answer:
    """Return the stage that is meant; raises `BadInput`."""
    stage = by_words(text, "stage")
    if stage is None and plain(text) in TRIES_ITSELF:
        raise BadInput(
            say(
                "{name} learns from answers that the model tries itself; I cannot plan that.",
                name=text.strip(),
            ),
            remedy=say("The nearest is dpo, which learns from pairs of a good and a bad answer."),
        )
    if stage is None:
        raise not_understood(text, TITLES)
    return Answer(stage, say(TITLES[stage]), "typed")


QUESTION = Question(
    key="stage",
    title=template("Kind of training"),
    text=lambda known: say("What shall the model learn to do?"),
    why=lambda known: say("Each kind of training learns from rows of another kind."),
    default=default,
    choices=choices,
    read=read,
    needs=("data",),
    price=lambda known: by_answer("stage", choices(known), known),
    free_text=template("fine-tune, preferences, pretrain"),
)
