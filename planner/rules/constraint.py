"""What a constraint is: one thing that the engine refuses, fails at later, or silently does not do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

from planner.findings import Finding
from planner.language import say
from planner.situation import Situation

Severity = Literal["rejects", "fails", "ignored", "warns"]


class Constraint(NamedTuple):
    """One refusal: `broken` says whether it applies, `sentence` what is wrong, with figures."""

    id: str
    settings: tuple[str, ...]
    broken: Callable[[Situation], bool]
    sentence: Callable[[Situation], str]
    remedy: str | Callable[[Situation], str]
    """The smallest change: a template without parameters, or a function where it depends on the facts."""
    source: str
    early: bool = False
    """Whether pins alone can break it, so that it is judged before a layout is looked for."""
    severity: Severity = "rejects"

    def fix(self, s: Situation) -> str:
        """Return the smallest change, in the current language."""
        return say(self.remedy) if isinstance(self.remedy, str) else self.remedy(s)

    @property
    def refuses(self) -> bool:
        """Whether a plan that breaks it is refused; a warning only stands beside the plan."""
        return self.severity != "warns"

    def finding(self, s: Situation) -> Finding:
        """Return it as a value, about the setting that the person fixed if there is one."""
        field = next((name for name in self.settings if name in s.wishes.pins), self.settings[0])
        return Finding(
            code=self.id,
            severity=self.severity,
            field=field,
            got=s.known(field, ""),
            because=self.sentence(s),
            fix=self.fix(s),
            source=self.source,
        )
