"""Reading a plan file: YAML with line numbers, then the records, with one sentence for whatever is wrong."""

from __future__ import annotations

from typing import Any, NamedTuple

import yaml
from pydantic import ValidationError

from planner.did_you_mean import hint
from planner.errors import BadInput, SteersmanError
from planner.language import join, say, template
from planner.older_plans import filled, refuse_unknown
from planner.plan import Plan
from planner.schema import Record
from planner.setting_values import check_value, find, settings
from planner.settings import GROUPS
from planner.wishes import Value

LARGEST = 2_000_000
"""Characters; a plan has about 30,000."""

DEEPEST = 20

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The safe loader, in C where PyYAML was built with it: six times as fast."""

MAKE_ANEW = template("Make a new one with `steersman plan`.")
OPTIONAL = ("alternatives",)
"""What an older version's plan lacks."""

WRITTEN = {"because": "", "rule": "edited", "source": ""}
"""A decision on a newer setting that a person wrote into an older plan is a value alone."""

Path = tuple[str | int, ...]


class Reading(NamedTuple):
    """A plan file as it stands, complete."""

    plan: Plan
    planned: dict[str, Value]
    """The values as they were planned, which is how an edit is seen."""
    inputs: str
    """Fingerprint of the facts and wishes that it was planned from."""
    filled: tuple[str, ...]
    """Settings that the file lacks, because an earlier version saved it."""


def parse(text: str, where: str, version: str) -> Reading:
    """Return what a plan file says, with today's defaults for settings that are newer than it."""
    tree = Tree(text, where)
    top = tree.mapping()
    refuse_newer(str(top.get("steersman", "")), version, tree)
    known = [*Plan.model_fields, "as_planned"]
    tree.no_unknown((), top, known)
    tree.none_missing((), top, [name for name in known if name not in OPTIONAL])
    planned = top.pop("as_planned")
    noted = planned.get("values") if isinstance(planned, dict) else None
    if not isinstance(noted, dict) or not noted:
        raise tree.error(("as_planned",), say("`as_planned` is damaged."), remedy=say(MAKE_ANEW))
    unknown = [name for name in noted if name not in settings() and not hint(str(name), settings())]
    refuse_unknown(unknown, tree.at(tree.path_of(unknown[:1])), str(top["steersman"]), version)
    lacked = tuple(name for name in settings() if name not in noted)
    decisions = flatten(tree, top["decisions"], lacked)
    values = {name: check_value(name, value, tree.at(("as_planned",))) for name, value in noted.items()}
    pins = top["wishes"].get("pins", {}) if isinstance(top["wishes"], dict) else {}
    for name in pins:
        pins[name] = check_value(name, pins[name], tree.at(("wishes", "pins", name)))
    try:
        plan = Plan.model_validate({**top, "decisions": decisions})
    except ValidationError as error:
        raise tree.explained(error) from error
    missing = tuple(name for name in lacked if name not in decisions)
    if lacked:
        plan, values = completed(plan, values, lacked, tree)
    return Reading(plan, values, str(planned.get("facts_and_wishes")), missing)


def completed(
    plan: Plan, planned: dict[str, Value], lacked: tuple[str, ...], tree: Tree
) -> tuple[Plan, dict[str, Value]]:
    """Return an older plan with what it lacks; a setting that a person wrote into it counts as an edit."""
    own = {name: decision for name, decision in plan.decisions.items() if name not in lacked}
    try:
        whole = filled(plan.model_copy(update={"decisions": own}))
    except SteersmanError as error:
        error.what = f"{tree.where}: {error.what}"
        raise
    values = {**planned, **{name: whole.value(name) for name in lacked}}
    written = {name: one for name, one in plan.decisions.items() if one.value != whole.value(name)}
    return whole.model_copy(update={"decisions": {**whole.decisions, **written}}), values


def flatten(tree: Tree, grouped: Any, lacked: tuple[str, ...]) -> dict[str, Any]:
    """Return decisions by setting, checked: known subjects and settings, values of the right type, and none
    missing but `lacked`, those that did not exist when the plan was saved."""
    grouped = tree.as_mapping(("decisions",), grouped)
    tree.no_unknown(("decisions",), grouped, list(GROUPS))
    needed = {
        name: [one for one in record.model_fields if one not in lacked] for name, record in GROUPS.items()
    }
    if not lacked:
        tree.none_missing(("decisions",), grouped, list(GROUPS))
    found: dict[str, Any] = {}
    for group, entries in grouped.items():
        path: Path = ("decisions", group)
        for name, decision in tree.as_mapping(path, entries).items():
            setting = find(str(name), tree.at((*path, name)))
            if setting.group != group and not lacked:
                raise tree.error(
                    (*path, name),
                    say(
                        "`{name}` belongs under `{right}`, not under `{wrong}`.",
                        name=name,
                        right=setting.group,
                        wrong=group,
                    ),
                )
            decision = tree.as_mapping((*path, name), decision)
            tree.none_missing((*path, name), decision, ["value"])
            value = check_value(name, decision["value"], tree.at((*path, name, "value")))
            if name in lacked and "because" in decision:
                raise tree.error(("as_planned",), say("`as_planned` is damaged."), remedy=say(MAKE_ANEW))
            found[name] = {**(WRITTEN if name in lacked else {}), **decision, "value": value}
    for group, names in needed.items():
        tree.none_missing(("decisions", group), found, names)
    return found


def refuse_newer(made_by: str, ours: str, tree: Tree) -> None:
    """Refuse a plan of a newer version, which may hold settings that this one does not know."""
    if numbers(made_by) > numbers(ours):
        raise tree.error(
            ("steersman",),
            say("it was made by Steersman {theirs}, and this is {ours}.", theirs=made_by, ours=ours),
            remedy=say("Update Steersman."),
        )


def numbers(version: str) -> tuple[int, ...]:
    """Return `0.10.1` as comparable numbers."""
    return tuple(int(part) for part in version.split(".") if part.isdigit())


class Tree:
    """A parsed YAML document that knows the line of every field."""

    def __init__(self, text: str, where: str) -> None:
        self.where = where
        self.lines: dict[Path, int] = {}
        self.value = self._load(text)

    def at(self, path: Path) -> str:
        """Return `plan.yaml, line 12: ` for the field, or for the nearest one above it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.line(self.lines[path]) if path in self.lines else f"{self.where}: "

    def path_of(self, names: list[str]) -> Path:
        """Return where the first of these settings is decided, or where all are when there is none."""
        found = (path for path in self.lines if path[:1] == ("decisions",) and path[-1:] == tuple(names[:1]))
        return next(found, ("decisions",))

    def line(self, number: int) -> str:
        """Return the place before a sentence."""
        return say("{file}, line {line}: ", file=self.where, line=number)

    def error(self, path: Path, what: str, remedy: str = "") -> BadInput:
        """Return a `BadInput` that names the place before the sentence `what`."""
        return BadInput(self.at(path) + what, remedy=remedy)

    def mapping(self) -> dict[str, Any]:
        """Return the whole document as a dictionary."""
        if self.value is None:
            raise BadInput(say("{file} is empty.", file=self.where), remedy=say(MAKE_ANEW))
        if not isinstance(self.value, dict):
            raise BadInput(
                say("{file} is not a plan: it has no fields.", file=self.where), remedy=say(MAKE_ANEW)
            )
        return self.value

    def as_mapping(self, path: Path, value: Any) -> dict[str, Any]:
        """Return `value` if it has fields of its own."""
        if not isinstance(value, dict):
            raise self.error(
                path,
                say("`{name}` must have fields below it, not {value}.", name=path[-1], value=repr(value)),
            )
        return value

    def no_unknown(self, path: Path, value: dict[str, Any], known: list[str]) -> None:
        """Refuse a field that does not exist, with the nearest one that does."""
        for name in value:
            if name not in known:
                raise self.error(
                    (*path, name),
                    say("there is no field `{name}` here.", name=name),
                    remedy=hint(str(name), known),
                )

    def none_missing(self, path: Path, value: dict[str, Any], needed: list[str]) -> None:
        """Refuse a file in which a field is missing."""
        for name in needed:
            if name not in value:
                above = ".".join(map(str, path))
                what = say("`{name}` is missing under `{above}`.", name=name, above=above)
                if not path:
                    what = say("`{name}` is missing.", name=name)
                raise self.error(path, what, remedy=join((say("Put it back."), say(MAKE_ANEW))))

    def explained(self, error: ValidationError) -> BadInput:
        """Return the first fault that pydantic found, in a sentence."""
        fault = error.errors(include_url=False)[0]
        loc = tuple(
            part
            for part in fault["loc"]
            if not str(part).startswith(("bool", "int", "float", "str", "tuple"))
        )
        path: Path = loc
        if path[:1] == ("decisions",) and len(path) > 1:
            path = ("decisions", settings()[str(path[1])].group, *path[1:])
        field = ".".join(map(str, path))
        if fault["type"] == "extra_forbidden":
            return self.error(
                path,
                say("there is no field `{name}` here.", name=path[-1]),
                remedy=hint(str(path[-1]), fields_at(loc[:-1])),
            )
        if fault["type"] == "missing":
            return self.error(path[:-1], say("`{name}` is missing.", name=field), remedy=say(MAKE_ANEW))
        message = fault["msg"][:1].lower() + fault["msg"][1:]
        shown = repr(fault["input"])
        short = shown if len(shown) <= 60 else shown[:57] + "..."
        return self.error(
            path, say("`{name}`: {message}, not {value}.", name=field, message=message, value=short)
        )

    def _load(self, text: str) -> Any:
        if len(text) > LARGEST:
            raise BadInput(
                say(
                    "{file} is too large for a plan ({number:,} characters).",
                    file=self.where,
                    number=len(text),
                ),
                remedy=say(MAKE_ANEW),
            )
        try:
            self._refuse_anchors(text)
            node = yaml.compose(text, Loader=LOADER)
            if node is None:
                return None
            self._note(node, ())
            return yaml.load(text, Loader=LOADER)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            place = self.line(mark.line + 1) if mark is not None else f"{self.where}: "
            raise BadInput(
                place + say("this is not YAML: {problem}.", problem=error.problem or error.context),
                remedy=say("Check indentation, colons and quotes."),
            ) from error
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            reason = str(error).splitlines()[0]
            raise BadInput(
                say("{file} is not YAML: {problem}.", file=self.where, problem=reason), remedy=say(MAKE_ANEW)
            ) from error

    def _refuse_anchors(self, text: str) -> None:
        """Refuse what can make a small file grow without bound; a plan never needs it."""
        depth = 0
        for event in yaml.parse(text, Loader=LOADER):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            line = event.start_mark.line + 1 if event.start_mark else 1
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                raise BadInput(
                    self.line(line) + say("a plan has no YAML anchors or aliases."),
                    remedy=say("Quote the text if it begins with & or *."),
                )
            if depth > DEEPEST:
                raise BadInput(self.line(line) + say("nothing in a plan is nested this deep."))

    @staticmethod
    def _below(path: Path, part: str | int) -> Path:
        return (*path, part)

    def _note(self, node: yaml.Node, path: Path) -> None:
        """Remember lines; refuse a field that is given twice, of which YAML would silently keep the last."""
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                name = str(key.value)
                self.lines[self._below(path, name)] = key.start_mark.line + 1
                if name in seen:
                    raise self.error((*path, name), say("`{name}` is given twice.", name=name))
                seen.add(name)
                self._note(value, (*path, name))
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                self.lines[self._below(path, index)] = value.start_mark.line + 1
                self._note(value, (*path, index))


def fields_at(path: tuple[Any, ...]) -> list[str]:
    """Return the field names of the record that a path leads to; empty when it leads to none."""
    record: Any = Plan
    for part in path:
        if isinstance(record, type) and issubclass(record, Record) and part in record.model_fields:
            record = record.model_fields[part].annotation
        args = [entry for entry in getattr(record, "__args__", ()) if isinstance(entry, type)]
        record = next((entry for entry in args if issubclass(entry, Record)), record)
    return list(record.model_fields) if isinstance(record, type) and issubclass(record, Record) else []
