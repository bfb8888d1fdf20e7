"""Another plan for a run that was out of memory: offered, taken in place, with the plans before it kept.

`plan.yaml` is what the run executes. A plan that was executed is never written over: it is kept as
`plan-1.yaml`, `plan-2.yaml`, ... before another takes its place, and the journal says when and why.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from planner.errors import BadInput
from planner.language import say
from runtime.paths import write_atomically
from runtime.run.layout import RunFolder
from runtime.run.task import Easing

Policy = Literal["stop", "ask", "replan"]
POLICIES: tuple[Policy, ...] = ("stop", "ask", "replan")


class Offer(BaseModel):
    """What a person can accept: the content of offer.json."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stage: str
    """The stage that failed."""
    memory: str
    rung: str
    because: str
    changes: dict[str, Any]
    consent: bool
    """Whether it changes what is learned."""
    keeps_checkpoints: bool
    plan_digest: str
    """sha256 of the plan that it is an offer for."""
    plan_text: str
    """The plan that would be executed."""

    def easing(self) -> Easing:
        """Return it as the run engine takes it."""
        return Easing(
            self.rung, self.because, self.changes, self.consent, self.keeps_checkpoints, self.plan_text
        )


@dataclass(frozen=True)
class Trouble:
    """What ran out, and where."""

    stage: str
    memory: str


def save(run: RunFolder, trouble: Trouble, easing: Easing) -> Offer:
    """Write an offer down, so that it can be accepted later."""
    offer = Offer(
        stage=trouble.stage, memory=trouble.memory, plan_digest=digest(run.plan.read_bytes()), **vars(easing)
    )
    write_atomically(run.offer, offer.model_dump_json(indent=2) + "\n")
    return offer


def load(run: RunFolder) -> Offer | None:
    """Return the offer that stands; None without one, or once the plan was changed."""
    try:
        offer = Offer.model_validate_json(run.offer.read_bytes())
        return offer if offer.plan_digest == digest(run.plan.read_bytes()) else None
    except (OSError, ValidationError):
        return None


def required(run: RunFolder) -> Offer:
    """Return the offer that stands; BadInput without one."""
    offer = load(run)
    if offer is None:
        raise BadInput(
            say("Nothing is offered for the run {run}, so there is nothing to accept.", run=run.name),
            remedy=say("Continue it as it is with: {command}", command=f"steersman resume {run.reference}"),
        )
    return offer


def withdraw(run: RunFolder) -> None:
    """Forget the offer: it was taken, or the run goes on without it."""
    run.offer.unlink(missing_ok=True)


def keep_plan(run: RunFolder) -> str:
    """Keep the plan that was executed so far, and return the name of its copy."""
    earlier, text = run.earlier_plans(), run.plan.read_bytes()
    if earlier and earlier[-1].read_bytes() == text:
        return earlier[-1].name  # a crash came between this and the new plan
    copy = run.root / f"plan-{len(earlier) + 1}.yaml"
    write_atomically(copy, text)
    return copy.name


def digest(data: bytes) -> str:
    """Return the sha256 of a plan's bytes."""
    return hashlib.sha256(data).hexdigest()
