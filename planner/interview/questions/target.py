"""The target: in which format the finished model is left."""

from __future__ import annotations

from planner.interview.pricing import by_answer
from planner.interview.question import Answer, Choice, Known, Question
from planner.interview.reading import by_words, not_understood
from planner.language import say, template

TITLES = {
    "huggingface": template("Hugging Face format"),
    "paddle_static": template("Paddle static graph"),
    "fastdeploy": template("FastDeploy"),
}
BECAUSE = {
    "huggingface": template("for transformers, vLLM and most others"),
    "paddle_static": template("for Paddle Inference"),
    "fastdeploy": template("for PaddlePaddle's own model server"),
}


def choices(known: Known) -> tuple[Choice, ...]:
    """Return the formats."""
    return tuple(Choice(target, say(title), say(BECAUSE[target])) for target, title in TITLES.items())


def read(text: str, known: Known) -> Answer:
    """Return the format that is meant; raises `BadInput`."""
    target = by_words(text, "target")
    if target is None:
        raise not_understood(text, TITLES)
    return Answer(target, say(TITLES[target]), "typed")


QUESTION = Question(
    key="target",
    title=template("Result"),
    text=lambda known: say("Where will the finished model be used?"),
    why=lambda known: say("It decides the format of the files at the end; the training is the same."),
    default=lambda known: Answer(
        "huggingface", say(TITLES["huggingface"]), "default", say("Nearly everything reads it.")
    ),
    choices=choices,
    read=read,
    price=lambda known: by_answer("target", choices(known), known),
    free_text=template("vLLM, Paddle Inference, FastDeploy"),
)
