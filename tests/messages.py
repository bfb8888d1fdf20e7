"""`python -m tests.messages` (`make messages`): keeps recipes/locale/<language>.po in step with the code.

A template is the first argument of `say` or `template`, a noun given to `plural`, the description of a
setting, a text of a command's help, or a sentence of a table of `recipes/`. New ones are added without a
translation, those that nobody says any more are kept as obsolete ones (`--prune` removes them). With
`--missing` nothing is written: what has no translation is printed.
"""

from __future__ import annotations

import ast
import string
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import polib
import yaml

from planner.engine_builds import engines
from planner.language import LANGUAGES, LOCALE
from planner.setting_values import settings
from tui.command_line import cli
from tui.help_texts import texts_of, walk

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("planner", "tui", "runtime")
TABLES = {"recipes/failures.yaml": ("what", "remedy")}
"""Table of rows -> its fields that are said."""
HEADER = {
    "Content-Type": "text/plain; charset=UTF-8",
    "Content-Transfer-Encoding": "8bit",
    "MIME-Version": "1.0",
}


class Message(NamedTuple):
    """One template and the file that says it."""

    text: str
    file: str


def messages() -> dict[str, list[str]]:
    """Return template -> files that say it, in the order of the code."""
    found: dict[str, list[str]] = {}
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            for text in templates(path.read_text(encoding="utf-8"), name):
                found.setdefault(text, []).append(name)
    for setting in settings().values():
        found.setdefault(setting.meaning, []).append("planner/settings.py")
    for _, command in walk(cli):
        module = command.callback.__module__ if command.callback else cli.__module__
        for text in texts_of(command):
            found.setdefault(text, []).append(f"{module.replace('.', '/')}.py")
    for row in engines().values():
        found.setdefault(row.python_because, []).append("recipes/engines/engines.yaml")
    for table, fields in TABLES.items():
        for entry in yaml.safe_load((ROOT / table).read_text(encoding="utf-8")):
            for field in fields:
                found.setdefault(entry[field], []).append(table)
    return {text: list(dict.fromkeys(files)) for text, files in found.items()}


def templates(code: str, name: str) -> Iterator[str]:
    """Yield the templates of one file; ValueError for one that no catalogue could hold."""
    for node in ast.walk(ast.parse(code, name)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in ("say", "template") and node.args:
                yield from texts(node.args[0], name)
            if node.func.id == "plural" and len(node.args) > 1:
                yield from texts(node.args[1], name)


def texts(node: ast.expr, name: str) -> Iterator[str]:
    """Yield the constant texts that an argument can be; a variable was marked where it comes from."""
    if isinstance(node, ast.IfExp):
        yield from texts(node.body, name)
        yield from texts(node.orelse, name)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr | ast.BinOp):
        raise ValueError(f"{name}, line {node.lineno}: a template must be one constant text.")


def placeholders(text: str) -> set[str]:
    """Return the names between braces."""
    return {field for _, field, _, _ in string.Formatter().parse(text) if field is not None}


def faults(language: str) -> list[str]:
    """Return what is wrong with a catalogue: no translation, or one with other parameters."""
    file = catalogue(language)
    known = {entry.msgid: entry.msgstr for entry in file if not entry.obsolete}
    wrong = [f"no translation: {text!r}" for text in messages() if not known.get(text)]
    for text, translated in known.items():
        if translated and placeholders(text) != placeholders(translated):
            wrong.append(f"other parameters: {text!r} -> {translated!r}")
    return wrong


def catalogue(language: str) -> polib.POFile:
    """Return the catalogue of a language as it is on disk; an empty one if there is none."""
    path = LOCALE / f"{language}.po"
    if path.is_file():
        return polib.pofile(str(path), wrapwidth=110)
    file = polib.POFile(wrapwidth=110)
    file.metadata = {"Language": language, **HEADER}
    return file


def update(language: str, prune: bool = False) -> polib.POFile:
    """Return the catalogue with exactly the templates of the code, in their order; the rest is obsolete."""
    before = catalogue(language)
    known = {entry.msgid: entry.msgstr for entry in before}
    file = polib.POFile(wrapwidth=110)
    file.metadata = {"Language": language, **HEADER}
    said = messages()
    for text, files in said.items():
        occurrences = [(name, "") for name in files]
        file.append(polib.POEntry(msgid=text, msgstr=known.get(text, ""), occurrences=occurrences))
    for text, translated in known.items():
        if text not in said and translated and not prune:
            file.append(polib.POEntry(msgid=text, msgstr=translated, obsolete=True))
    return file


def main(arguments: list[str]) -> int:
    """Write every catalogue, or print what is missing."""
    if "--missing" in arguments:
        wrong = [
            f"{language}: {fault}" for language in LANGUAGES if language != "en" for fault in faults(language)
        ]
        print("\n".join(wrong) or "Every sentence is translated.")
        return int(bool(wrong))
    for language in LANGUAGES:
        if language != "en":
            path = LOCALE / f"{language}.po"
            path.parent.mkdir(exist_ok=True)
            file = update(language, prune="--prune" in arguments)
            file.save(str(path))
            print(
                f"{path.relative_to(ROOT)}: {file.percent_translated()} % translated, {len(file)} sentences"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
