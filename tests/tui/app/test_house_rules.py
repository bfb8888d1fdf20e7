"""Rules of the app that hold for every module, screen and widget of it."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.binding import Binding
from textual.widget import Widget

import tui.app
from tui.app import keys

APP = Path(tui.app.__file__).parent
MODULES = sorted(APP.rglob("*.py"))
MOST_METHODS = 40
MOST_LINES = 400
SINGLE = re.compile(r"^([a-z0-9]|full_stop|comma|slash|minus|plus|question_mark)$")


def name_of(path: Path) -> str:
    return ".".join(("tui.app", *path.relative_to(APP).with_suffix("").parts)).removesuffix(".__init__")


def widgets() -> Iterator[type[Widget]]:
    """Every widget and screen class that the app defines."""
    for path in MODULES:
        module = importlib.import_module(name_of(path))
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, Widget) and value.__module__ == module.__name__:
                yield value


WIDGETS = sorted(set(widgets()), key=lambda one: f"{one.__module__}.{one.__qualname__}")


def own_bindings(one: type[Widget]) -> list[Binding]:
    return [binding for binding in one.__dict__.get("BINDINGS", ()) if isinstance(binding, Binding)]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_modules_and_classes_stay_small(path: Path) -> None:
    code = path.read_text(encoding="utf-8")
    assert len(code.splitlines()) <= MOST_LINES
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ClassDef):
            methods = [one for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
            assert len(methods) <= MOST_METHODS, node.name


def test_there_are_widgets() -> None:
    assert len(WIDGETS) > 10


FOCUSED = [one for one in WIDGETS if one.can_focus and not one.__subclasses__()]


@pytest.mark.parametrize("one", FOCUSED, ids=lambda one: one.__name__)
def test_whatever_can_have_the_focus_explains_itself(one: type[Widget]) -> None:
    text = getattr(one, "HELP", "")
    assert isinstance(text, str) and text.endswith("."), f"{one.__name__} has no HELP"


@pytest.mark.parametrize("one", WIDGETS, ids=lambda one: one.__name__)
def test_keys_have_names_words_and_more_words(one: type[Widget]) -> None:
    assert len(own_bindings(one)) == len(one.__dict__.get("BINDINGS", ())), "use Key"
    for binding in own_bindings(one):
        assert binding.id, f"{one.__name__}: {binding.key} has no id"
        assert binding.description and binding.tooltip, binding.id


def test_a_footer_shows_few_keys() -> None:
    assert keys.MOST_KEYS <= 6  # whatever a screen binds; every footer is a KeyFooter, see below


@pytest.mark.parametrize("path", sorted(APP.rglob("*.tcss")), ids=lambda path: path.name)
def test_styles_name_colours_by_meaning(path: Path) -> None:
    assert not re.findall(r":[^;{]*#[0-9a-fA-F]{3,8}\b", path.read_text(encoding="utf-8"))


def test_every_footer_speaks_the_language_of_the_moment() -> None:
    for path in MODULES:
        code = path.read_text(encoding="utf-8")
        assert not re.search(r"(?<!Key)\bFooter\(\)", code), f"{path.name}: use KeyFooter"


def test_ids_of_keys_are_their_own() -> None:
    ids = [binding.id for one in WIDGETS for binding in own_bindings(one)]
    assert len(ids) == len(set(ids)), sorted(one for one in ids if ids.count(one) > 1)
