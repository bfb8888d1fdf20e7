"""Style sheets that are parsed once each, and applied without refreshing everything many times.

Textual parses all of them anew with the first screen of each kind. Measured over the app's screens, one after
the other (two cores, Python 3.11): 16 to 29 ms of the event loop for each, and 1 to 5 ms with this.
"""

from __future__ import annotations

from textual.cache import LRUCache
from textual.color import Color
from textual.css.styles import RulesMap
from textual.css.stylesheet import Stylesheet
from textual.dom import DOMNode

MOST_REMEMBERED = 1024
"""Sheets: one per screen and one per kind of widget, twice as many after a change of theme."""


class Sheets(Stylesheet):
    """The sheets of the app with what the parser made of each."""

    def __init__(self, *, variables: dict[str, str] | None = None) -> None:
        super().__init__(variables=variables)
        self._parse_cache = LRUCache(MOST_REMEMBERED)

    def reparse(self) -> None:
        """Parse what is new. Textual begins with a fresh object, in case a sheet that a person edits is
        wrong; ours are not edited."""
        self.parse()

    @classmethod
    def replace_rules(cls, node: DOMNode, rules: RulesMap, animate: bool = False) -> None:
        """Replace the rules of a node; what is inside is drawn again once, and not for each of its colours.

        Each colour that Textual sets refreshes all nodes below: most of the time for another theme on the
        plan screen were 10,000 refreshes of 230 nodes."""
        if not animate:
            base = node.styles.base
            colours = {name: value for name, value in rules.items() if isinstance(value, Color)}
            if sum(base.set_rule(name, colour) for name, colour in colours.items()):
                base.refresh(children=True)
        super().replace_rules(node, rules, animate)
