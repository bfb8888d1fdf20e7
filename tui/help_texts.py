"""The help of every command in the person's language.

The English texts stay where click wants them: docstrings of commands and `help=` of options. They are the
keys of the catalogue, one for each paragraph and option, and are said when help is shown. English help is
click's own, untouched.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import click

from planner.language import current, say
from tui.speech import language_option


class Line(NamedTuple):
    """One line of a help text that stays as it is, or a paragraph that is one sentence or more."""

    text: str
    is_command: bool
    """Whether it is an example to type, which is never translated."""


def paragraphs(text: str) -> list[list[Line]]:
    r"""Return a help text paragraph by paragraph.

    In a block that begins with click's `\b` the indented lines are commands; what stands before and after
    them are sentences.
    """
    found = []
    for block in inspect.cleandoc(text).partition("\f")[0].split("\n\n"):
        first, *rest = block.strip("\n").splitlines()
        lines: list[Line] = []
        for line in rest if first.strip() == "\b" else [first, *rest]:
            is_command = line.startswith(" ") and first.strip() == "\b"
            if lines and not is_command and not lines[-1].is_command:
                lines[-1] = Line(f"{lines[-1].text} {line.strip()}", False)
            else:
                lines.append(Line(line.rstrip() if is_command else line.strip(), is_command))
        found.append(lines)
    return found


def first_sentence(text: str) -> str:
    """Return what the list of a group says of a command."""
    sentence = paragraphs(text)[0][0].text.partition(". ")[0]
    return sentence.removesuffix(".") + "."


def texts_of(command: click.Command) -> Iterator[str]:
    """Yield the texts of a command's help that are to be translated."""
    if command.help:
        yield from (line.text for lines in paragraphs(command.help) for line in lines if not line.is_command)
    if command.short_help:
        yield command.short_help
    for option in command.params:
        if isinstance(option, click.Option) and option.help and option.name != "lang":
            yield option.help


def walk(command: click.Command, name: str = "steersman") -> Iterator[tuple[str, click.Command]]:
    """Yield a command and all below it, each with what a person types."""
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=name)
        for below in command.list_commands(context):
            child = command.get_command(context, below)
            if child is not None:
                yield from walk(child, f"{name} {below}")


class HelpFormatter(click.HelpFormatter):
    """Says the texts of a help page, and wraps them by their width on the screen."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """Write the line that shows how to type the command."""
        if current() == "en":
            super().write_usage(prog, args, prefix)
            return
        for words in ("[OPTIONS]", "[COMMAND] [ARGS]...", "COMMAND [ARGS]..."):
            args = args.replace(words, say(words))
        self._write_filled(args, f"{prefix or say('Usage:')}{prog} ")

    def write_heading(self, heading: str) -> None:
        """Write the heading of a section."""
        if current() == "en":
            super().write_heading(heading)
        else:
            self.write(f"{'':>{self.current_indent}}{say(heading)}：\n")

    def write_text(self, text: str) -> None:
        """Write the text of a command."""
        if current() == "en":
            super().write_text(text)
            return
        for number, lines in enumerate(paragraphs(text)):
            if number:
                self.write("\n")
            for line in lines:
                if line.is_command:
                    self.write(f"{'':>{self.current_indent}}{line.text}\n")
                else:
                    self._write_filled(say(line.text), " " * self.current_indent)

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Write options or commands and what each is for, in two columns."""
        rows = list(rows)
        if current() == "en":
            super().write_dl(rows, col_max, col_spacing)
            return
        widest = min(max(len(first) for first, _ in rows), col_max)
        margin = self.current_indent + widest + col_spacing
        for first, second in rows:
            label = " " * self.current_indent + first
            if len(first) > widest:
                self.write(f"{label}\n")
                label = ""
            self._write_filled(_with_marks(second), label.ljust(margin))

    def _write_filled(self, text: str, label: str) -> None:
        """Write `label`, and beside it the text in as many lines as it needs."""
        from rich.cells import cell_len  # here, because English needs none of it

        from tui.line_breaks import filled

        margin = cell_len(label)
        for number, line in enumerate(filled(text, self.width - margin)):
            self.write(f"{' ' * margin if number else label}{line}".rstrip() + "\n")


def _with_marks(text: str) -> str:
    """Return the text of an option said; behind two blanks click has put marks, such as its default."""
    whole = say(text)
    if whole != text or not text.endswith("]"):
        return whole
    said, gap, marks = text.rpartition("  [")
    return f"{say(said)}{gap}{marks}" if gap else text


class Context(click.Context):
    """What click makes for a command that is called; its help is said."""

    formatter_class = HelpFormatter


def speak(command: click.Command) -> None:
    """Let a command and those below it show their help in the person's language, and take `--lang`."""
    for _, each in walk(command):
        each.context_class = Context
        if not any(parameter.name == "lang" for parameter in each.params):
            each.params.append(language_option())
        if each is not command and each.help and not each.short_help:
            each.short_help = first_sentence(each.help)
