"""The model: a name of the catalogue, a folder, or a name on a hub."""

from __future__ import annotations

import re

from planner.interview.pricing import by_model, memory_of
from planner.interview.question import Answer, Choice, Known, Question
from planner.interview.reading import exactly, phrases, plain
from planner.language import say, template
from planner.model_catalogue import ModelEntry, models
from planner.model_names import Match, interpret, unknown
from planner.phrases import size

LADDER = (
    "smollm2-135m-instruct",
    "qwen2.5-0.5b-instruct",
    "qwen2.5-1.5b-instruct",
    "qwen2.5-7b-instruct",
    "qwen2.5-14b-instruct",
    "qwen2.5-32b-instruct",
    "qwen2.5-72b-instruct",
)
"""Chat models to choose from by letter, smallest first: families of which conversion and merging are proven
(recipes/engines/paddlenlp/families.yaml) under a free licence, except the largest."""

SMALLEST, LARGEST = LADDER[0], "qwen2.5-7b-instruct"
"""The default never is larger than the second: it answers well, and a first run stays short."""

BYTES_PER_WEIGHT = 2
WEIGHTS_SHARE = 0.65
"""Share of a device's memory that the frozen weights of the default model may take; the rest is for its
adapter and activations. The forecast says what really fits; this only picks what is offered first."""

SIZE_ALONE = re.compile(r"(\d+(?:\.\d+)?)\s*([bm])(?:illion)?\s*(?:model|weights|parameters|params|模型)?")

PATH = re.compile(r"^([~./\\]|[A-Za-z]:\\)")
HUB = re.compile(r"(?:\w+:)?[\w.-]+/[\w.-]+(?:@[\w./-]+)?")


def fitting(known: Known) -> ModelEntry:
    """Return the model to begin with on the person's machine."""
    hardware = known.hardware
    if hardware is None or not hardware.devices:
        return models()[SMALLEST]
    room = WEIGHTS_SHARE * memory_of(hardware)
    small = LADDER[: LADDER.index(LARGEST) + 1]
    fit = [name for name in small if BYTES_PER_WEIGHT * models()[name].parameters <= room]
    return models()[(fit or [SMALLEST])[-1]]


def default(known: Known) -> Answer:
    """Return the model to begin with, and why."""
    entry = fitting(known)
    weights = size(BYTES_PER_WEIGHT * entry.parameters)
    if known.hardware is not None and known.hardware.devices:
        because = say(
            "Its weights take {weights} of the {memory} of a device, which leaves room to train.",
            weights=weights,
            memory=size(memory_of(known.hardware)),
        )
    else:
        because = say("It is small enough to be trained on a processor, in minutes.")
    return Answer(entry.name, entry.name, "default", because)


def choices(known: Known) -> tuple[Choice, ...]:
    """Return models of every size."""
    return tuple(
        Choice(
            name,
            name,
            say("{download} to fetch", download=size(models()[name].download_bytes)),
        )
        for name in LADDER
    )


def price(known: Known) -> tuple[Choice, ...]:
    """Return the models with what each needs; those that fit in no way are disabled."""
    return by_model(choices(known), (models()[name].facts() for name in LADDER), known)


def read(text: str, known: Known) -> Answer:
    """Return the named model; raises `BadInput` for an ambiguous or unknown name.

    Whether a folder or a hub's model exists is found out later.
    """
    name = text.strip().strip("'\"`")
    if PATH.match(name):
        return Answer(name, name, "typed")
    match = sized(name) or interpret(in_latin(name), "base" if known.value("stage") == "pretrain" else "chat")
    if match is not None:
        return Answer(match.entry.name, match.entry.name, "typed", match.because)
    if HUB.fullmatch(name) or name.endswith(".json"):
        return Answer(name, name, "typed")
    raise unknown(name)


def sized(name: str) -> Match | None:
    """Return the model of the ladder that a size alone means: `7b`, `smallest`; None for anything else."""
    if exactly(name, "smallest_model"):
        return Match(models()[SMALLEST], say("It is the smallest of the models that I propose."))
    size_alone = SIZE_ALONE.fullmatch(plain(name))
    if size_alone is None:
        return None
    wanted = "".join(size_alone.groups())
    found = next((models()[each] for each in LADDER if wanted in each.split("-")), None)
    because = say("You named a size alone, so I take the usual model of that size; name another if you like.")
    return None if found is None else Match(found, because)


def in_latin(name: str) -> str:
    """Return a name with the Chinese names of families as the catalogue writes them."""
    for chinese, family in phrases("family"):
        name = name.replace(chinese, f"{family} ")
    return " ".join(name.split())


QUESTION = Question(
    key="model",
    title=template("Model"),
    text=lambda known: say("Which model do you want to fine-tune?"),
    why=lambda known: say("Larger models answer better, and need more memory and time."),
    default=default,
    choices=choices,
    read=read,
    price=price,
    free_text=template("qwen 7b, or Qwen/Qwen2.5-7B-Instruct, or a folder"),
    completes="model",
)
