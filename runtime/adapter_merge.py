"""Find the adapters that are meant and their common base, and merge them in an engine."""

from __future__ import annotations

from pathlib import Path

from planner.errors import BadInput
from planner.language import say
from runtime.acquire.local import check_complete
from runtime.adapter_export import Trained, find_adapter
from runtime.one_worker import Outcome, Show, check_destination, run_worker


def merge(
    names: tuple[str, ...],
    out: Path,
    show: Show,
    *,
    method: str,
    weights: str | None,
    density: float,
    normalize: bool,
    seed: int,
    base: Path | None,
) -> Outcome:
    """Mix the adapters that `names` mean into the new folder `out`; BadInput for what cannot be."""
    if len(names) < 2:
        raise BadInput(say("One adapter alone is merged by its run; name at least two."))
    numbers = parse_weights(weights, len(names))
    found = [find_adapter(name) for name in names]
    folder = base.expanduser().resolve() if base else common_base(found)
    check_complete(folder)
    out = out.expanduser().resolve()
    check_destination(out, folder, *(trained.adapter for trained in found))
    if normalize and sum(numbers) == 0:
        raise BadInput(say("The weights add up to zero, so there is no mean; use --sum."))
    spec = {
        "adapters": [str(trained.adapter) for trained in found],
        "hf_folder": str(folder),
        "destination": str(out),
        "method": method,
        "weights": numbers,
        "density": density,
        "normalize": normalize,
        "seed": seed,
    }
    return run_worker("merge_adapters", spec, show)


def parse_weights(text: str | None, count: int) -> list[float]:
    """Return one weight for each adapter; all 1 when nothing was said."""
    if text is None:
        return [1.0] * count
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        raise BadInput(
            say("The weights {text} are not numbers with commas between them.", text=repr(text))
        ) from None
    if len(numbers) != count or not all(abs(number) < float("inf") for number in numbers):
        raise BadInput(
            say("There are {count} adapters and {given} weights.", count=count, given=len(numbers)),
            remedy=say("Give one number for each adapter, such as 0.7,0.3."),
        )
    return numbers


def common_base(found: list[Trained]) -> Path:
    """Return the base model's folder that all runs share; BadInput if they differ or none is known."""
    known = {trained.base for trained in found if trained.base is not None}
    if not known:
        raise BadInput(say("Name the base model's Hugging Face folder: --base FOLDER."))
    if len(known) > 1:
        one, other = sorted(known)[:2]
        raise BadInput(
            say("The runs have different base models: {one} and {other}.", one=one, other=other),
            remedy=say("Only adapters of one base model can be mixed."),
        )
    return known.pop()
