"""Click's own words in the person's language: headings, marks behind options, errors about what was typed.

Click looks its sentences up with GNU gettext, whose language is that of the process's environment. Here the
catalogue of `planner.language` answers instead, so that `--lang` holds for them, too. A sentence that is not
listed stays as click has it.
"""

from __future__ import annotations

import gettext

from click import core, exceptions, parser, termui, types

from planner.language import current, join, say, template

SENTENCES = (
    template("Usage:"),
    template("[OPTIONS]"),
    template("COMMAND [ARGS]..."),
    template("[COMMAND] [ARGS]..."),
    template("Options"),
    template("Commands"),
    template("Show this message and exit."),
    template("required"),
    template("default: {default}"),
    template("Error: {message}"),
    template("Try '{command} {option}' for help."),
    template("No such option {name!r}."),
    template("No such option: {name}"),
    template("No such command {name!r}."),
    template("Did you mean {possibility}?"),
    template("(Did you mean one of: {possibilities}?)"),
    template("(Possible options: {possibilities})"),
    template("Missing command."),
    template("Missing argument"),
    template("Missing option"),
    template("Missing parameter"),
    template("Choose from:\n\t{choices}"),
    template("Got unexpected extra argument ({args})"),
    template("Got unexpected extra arguments ({args})"),
    template("Option {name!r} does not take a value."),
    template("Option {name!r} requires an argument."),
    template("Option {name!r} requires {nargs} arguments."),
    template("Argument {name!r} takes {nargs} values."),
    template("Invalid value: {message}"),
    template("Invalid value for {param_hint}: {message}"),
    template("{value!r} is not {choice}."),
    template("{value!r} is not one of {choices}."),
    template("{value!r} is not a valid {number_type}."),
    template("{value} is not in the range {range}."),
    template("{name} {filename!r} does not exist."),
    template("{name} {filename!r} is a file."),
    template("{name} {filename!r} is a directory."),
    template("{name} {filename!r} is not readable."),
    template("{name} {filename!r} is not writable."),
    template("Could not open file {filename!r}: {message}"),
    template("Error: invalid input"),
)
"""What a person of `steersman` can meet of click's texts (click 8.2 to 8.5); the English is click's own."""

NAMES = {
    "integer": template("integer"),
    "float": template("number with decimals"),
    "integer range": template("integer"),
    "float range": template("number with decimals"),
    "File": template("File"),
    "Directory": template("Directory"),
    "Path": template("Path"),
}
"""Click's name of a type, as it stands in an error -> the word for it."""

MODULES = (core, exceptions, parser, termui, types)
"""Where click says its sentences at the moment that they are needed."""


class Sentence(str):
    """A translated sentence that also translates the name of a type when it is filled in."""

    def format(self, *values: object, **parameters: object) -> str:
        """Fill the sentence in."""
        named = {key: say(NAMES[value]) if value in NAMES else value for key, value in parameters.items()}
        return super().format(*values, **named)


def spoken(message: str) -> str:
    """Return one of click's sentences in the current language."""
    if current() != "en" and message in SENTENCES:
        return Sentence(say(message))
    return gettext.gettext(message)


def spoken_plural(one: str, many: str, number: int) -> str:
    """Return the form of a sentence for a number."""
    return spoken(one if number == 1 else many)


def missing(error: exceptions.MissingParameter) -> str:
    """Return what is missing as a whole sentence; click puts a full stop of its own behind its words."""
    words = _click_on_missing(error)
    if current() == "en":
        return words
    first, _, rest = words.partition(". ")
    return join((say("{sentence}.", sentence=first.removesuffix(".")), rest))


_click_on_missing = exceptions.MissingParameter.format_message


def speak() -> None:
    """Let click ask here for its sentences; once is enough."""
    exceptions.MissingParameter.format_message = missing  # type: ignore[assignment, method-assign]
    for module in MODULES:
        for name, function in (("_", spoken), ("ngettext", spoken_plural)):
            if hasattr(module, name):
                setattr(module, name, function)
