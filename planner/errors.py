"""The shape of every failure that a person sees: what is wrong, why, and what to do next."""

from __future__ import annotations

from enum import IntEnum

from planner.language import again, join
from planner.remembered import recall_all


class ExitCode(IntEnum):
    """Process exit codes of every `steersman` command."""

    OK = 0
    BAD_INPUT = 2
    NOTHING_FEASIBLE = 3
    STAGE_FAILED = 4
    INTERRUPTED = 130


class SteersmanError(Exception):
    """A failure that is explained, not dumped.

    `what` is one sentence that names the place (file, line, field). `why` and `remedy` are optional
    sentences; `details` is long text for a log or a *copy details* key, never for the first screen.
    """

    exit_code = ExitCode.STAGE_FAILED

    def __init__(self, what: str, *, why: str = "", remedy: str = "", details: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.remedy = remedy
        self.details = details
        self._said = recall_all(what, why, remedy)

    def in_current_language(self, text: str) -> str:
        """Return `what`, `why` or `remedy` as it would be said now, perhaps in another language."""
        for sentence in self._said:
            text = text.replace(sentence.text, again(sentence))
        return text

    def sentence(self) -> str:
        """Return `what`, `why` and `remedy` joined; a remedy of several lines stays a list below."""
        what, why, remedy = map(self.in_current_language, (self.what, self.why, self.remedy))
        if "\n" not in remedy:
            return join((what, why, remedy))
        return "\n".join((join((what, why)), *(f"  {line}" for line in remedy.splitlines())))


class BadInput(SteersmanError):
    """The person gave something that cannot be used: a file, a value, a name."""

    exit_code = ExitCode.BAD_INPUT


class NothingFeasible(SteersmanError):
    """No setting satisfies the facts, the wishes and the pins together."""

    exit_code = ExitCode.NOTHING_FEASIBLE


class StageFailed(SteersmanError):
    """A stage of a run ended without its proof."""

    exit_code = ExitCode.STAGE_FAILED


class Interrupted(SteersmanError):
    """Stopped on request; the run can be resumed."""

    exit_code = ExitCode.INTERRUPTED
