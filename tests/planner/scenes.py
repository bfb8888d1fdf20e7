"""Facts to plan from, in one line each."""

from __future__ import annotations

from planner.facts import DataFacts, Facts, HardwareFacts, TokenLengths
from planner.hardware_text import parse
from planner.model_catalogue import find_model
from planner.plan import Plan
from planner.solve import make_plan
from planner.wishes import Value, Wishes

GIB = 1024**3


def data(
    rows: int = 110,
    mean: float = 61.2,
    longest: int = 103,
    *,
    p99: int | None = None,
    dev: int = 10,
    counted: bool = True,
) -> DataFacts:
    """Return data with `rows` rows of `mean` tokens; half of the tokens are answers."""
    return DataFacts(
        path="steersman-demo",
        format="messages",
        train_rows=rows,
        dev_rows=dev,
        dev_given=True,
        lengths=TokenLengths(
            mean=mean,
            p50=int(mean * 0.95),
            p90=min(longest, int(mean * 1.5)),
            p99=p99 or int(longest * 0.95),
            max=longest,
            total=round(rows * mean),
            answer_total=round(rows * mean * 0.4),
            counted=counted,
        ),
        fingerprint="0" * 64,
    )


DEMO = data()
SHORT = data(rows=5_000, mean=400, longest=1_800, dev=100)
MANY = data(rows=80_000, mean=700, longest=2_400, dev=500)
LONG = data(rows=2_000, mean=6_000, longest=16_000, dev=50)


def amd(cores: int = 2, gib: int = 24, disk_gib: int = 100) -> HardwareFacts:
    """Return a probed AMD machine without a GPU."""
    described = parse(f"amd cpu {cores} cores {gib}g")
    cpu = described.cpu.model_copy(update={"name": "AMD EPYC", "flags": ("avx2", "avx512f")})
    return described.model_copy(update={"origin": "probed", "cpu": cpu, "disk_free_bytes": disk_gib * GIB})


def facts(
    model: str = "smollm2-135m-instruct",
    found: DataFacts = DEMO,
    hardware: str | HardwareFacts = "",
) -> Facts:
    """Return facts; without `hardware` two AMD cores, the machine of the demo."""
    entry = find_model(model)
    assert entry is not None
    machine = parse(hardware) if isinstance(hardware, str) and hardware else hardware or amd()
    assert isinstance(machine, HardwareFacts)
    return Facts(model=entry.facts(), data=found, hardware=machine)


def plan(
    model: str = "smollm2-135m-instruct",
    found: DataFacts = DEMO,
    hardware: str | HardwareFacts = "",
    *,
    goal: str = "balance",
    minutes: float | None = None,
    alternatives: bool = True,
    **pins: Value,
) -> Plan:
    """Return the plan for one scene; keyword arguments are pins. The other plans take longest to make."""
    wishes = Wishes(goal=goal, time_limit_minutes=minutes, pins=pins)  # type: ignore[arg-type]
    return make_plan(facts(model, found, hardware), wishes, alternatives=alternatives)
