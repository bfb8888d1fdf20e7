"""Reads anybody's config of PaddleNLP or PaddleFormers and says what would happen with it.

`audit` gives all findings with their lines, what the planner would change, and, where model and machine are
known, whether it fits and how fast it would be.
"""

from __future__ import annotations

from pydantic import Field

from planner import memory, speed
from planner.arguments import Case, World, examine
from planner.arguments.degrees import Degrees, resolve
from planner.audit.as_setup import method, precision, setup_of
from planner.audit.detection import detect, stage_of
from planner.audit.reading import Document, read
from planner.audit.suggestions import all_of
from planner.facts import HardwareFacts, ModelFacts
from planner.findings import Finding
from planner.language import say
from planner.model_names import named_in
from planner.phrases import machine, size
from planner.plan import MemoryPart
from planner.schema import Record
from planner.setup import Setup

SEVERITIES = ("rejects", "fails", "ignored", "warns", "notes")
"""From the worst to the mildest."""
SHARE = 0.90
"""Share of a device's memory that a config may use (the search's HEADROOM); the rest no formula sees."""
TRAINED = ("sft", "dpo", "kto", "pretrain", "reward")
"""Stages whose memory and speed are predicted."""
MACHINES = {"nvidia": "gpu", "kunlun": "xpu", "ascend": "npu", "hygon": "dcu"}


class Audit(Record):
    """Everything there is to say about one config."""

    engine: str
    script: str = Field(description="Script of PaddleNLP or subcommand of paddleformers-cli that reads it.")
    stage: str
    method: str
    model: str = Field(description="Model as the config or the person names it; empty when unknown.")
    known: bool = Field(False, description="Whether the model's shapes are known.")
    processes: int = Field(description="Training processes that it was examined for.")
    assumed: bool = Field(description="True: no hardware was named, so the fewest that the degrees allow.")
    hardware: str = ""
    findings: tuple[Finding, ...] = ()
    suggestions: tuple[Finding, ...] = ()
    peak_bytes: int | None = Field(None, description="Forecast peak of the fullest process.")
    limit_bytes: int | None = Field(None, description="Memory of one device that may be used.")
    parts: dict[str, MemoryPart] = Field({}, description="The peak by part.")
    tokens_per_second: float | None = Field(None, description="All processes, padding included.")
    slowest: float | None = None
    fastest: float | None = None

    @property
    def fits(self) -> bool | None:
        """Whether it fits; None when model or machine is unknown."""
        if self.peak_bytes is None or self.limit_bytes is None:
            return None
        return self.peak_bytes <= self.limit_bytes

    @property
    def clean(self) -> bool:
        """Whether the engine would take it and nothing is known to fail."""
        return not any(finding.severity in ("rejects", "fails") for finding in self.findings)


def audit(
    text: str,
    engine: str | None = None,
    hardware: HardwareFacts | None = None,
    model: ModelFacts | None = None,
    *,
    script: str | None = None,
    name: str = "",
) -> Audit:
    """Return what would happen with the config in `text`; BadInput when it cannot be read.

    `name` is the file's name and settles what the keys leave open. Without `hardware` the fewest processes
    that its degrees allow are assumed; without `model` the catalogue is asked for the config's own.
    """
    document = read(text)
    kind = detect(document, engine, script, name)
    asked = str(document.values.get("model_name_or_path") or "")
    known = model or named_in(asked)
    case, found = examine(
        kind.engine, kind.script, document.values, world(kind.engine, document, hardware, known)
    )
    stage = stage_of(kind, dict(case.values))
    setup = setup_of(case, stage)
    fit = forecast(case, setup, known, hardware) if stage in TRAINED else {}
    findings = (*found, *written_twice(document), *too_large(fit))
    return Audit(
        engine=kind.engine,
        script=kind.script,
        stage=stage,
        method=method(case),
        model=known.name if known else asked,
        known=known is not None,
        processes=case.world.processes,
        assumed=hardware is None,
        hardware=machine(hardware) if hardware else "",
        findings=tuple(sorted((placed(one, document) for one in findings), key=order)),
        suggestions=suggested(case, setup, known, hardware, fit, stage, document),
        **fit,
    )


def world(engine: str, document: Document, hardware: HardwareFacts | None, model: ModelFacts | None) -> World:
    """Return where the config would run."""
    if hardware is None:
        return World(processes=fewest(engine, document), least=True, model=model)
    if not hardware.devices:
        return World(processes=1, device="cpu", model=model)
    first = hardware.devices[0]
    capability = float(first.compute_capability) if first.compute_capability else None
    per_node = hardware.device_count // hardware.nodes
    device = MACHINES[first.maker]
    return World(hardware.device_count, per_node, device=device, capability=capability, model=model)


def fewest(engine: str, document: Document) -> int:
    """Return the fewest processes that the degrees as written allow."""
    split: Degrees = resolve(engine, document.values, 1_000_000)
    written = document.values.get("sharding_parallel_degree", document.values.get("sharding_parallel_size"))
    sharding = written if isinstance(written, int) and written > 1 else 1
    inside = split.context if engine == "paddlenlp" else 1
    together = split.tensor * split.pipeline * split.sep * inside
    return together * max(sharding, -(-split.expert // (1 if engine == "paddlenlp" else split.tensor)))


def limit_of(hardware: HardwareFacts) -> int:
    """Return the bytes that one process may use."""
    if not hardware.devices:
        return int(hardware.memory_bytes * SHARE)
    return int(min(device.memory_bytes for device in hardware.devices) * SHARE)


def forecast(
    case: Case, setup: Setup, model: ModelFacts | None, hardware: HardwareFacts | None
) -> dict[str, object]:
    """Return the fields of an Audit that memory and speed give; empty when model or machine is unknown."""
    if model is None or hardware is None or case.degrees.data == 0:
        return {}
    profile = memory.PADDLEFORMERS if case.engine == "paddleformers" else memory.PADDLENLP
    parts = memory.peak(model, setup, "gpu" if hardware.devices else "cpu", profile)
    machine = speed.cluster(hardware, precision(case))
    rate = float(speed.tokens_per_second(model, setup, machine))
    low, high = speed.uncertainty(model, machine)
    return {
        "peak_bytes": memory.total(parts),
        "limit_bytes": limit_of(hardware),
        "parts": parts,
        "tokens_per_second": rate,
        "slowest": rate / high,
        "fastest": rate / low,
    }


def too_large(fit: dict[str, object]) -> tuple[Finding, ...]:
    """Return the finding that the config does not fit, if it does not."""
    peak, limit = fit.get("peak_bytes"), fit.get("limit_bytes")
    if not isinstance(peak, int) or not isinstance(limit, int) or peak <= limit:
        return ()
    return (
        Finding(
            code="memory.too-large",
            severity="fails",
            because=say(
                "The forecast peak is {peak}, and {limit} of a device can be used: it would run out of "
                "memory.",
                peak=size(peak),
                limit=size(limit),
            ),
            source="planner/memory",
        ),
    )


def suggested(
    case: Case,
    setup: Setup,
    model: ModelFacts | None,
    hardware: HardwareFacts | None,
    fit: dict[str, object],
    stage: str,
    document: Document,
) -> tuple[Finding, ...]:
    """Return what the planner would change, with lines."""
    if stage not in TRAINED:
        return ()
    limit = limit_of(hardware) if hardware and fit else None
    return tuple(placed(one, document) for one in all_of(case, setup, model, hardware, limit))


def written_twice(document: Document) -> tuple[Finding, ...]:
    """Return a finding for every key that is written more than once."""
    return tuple(
        Finding(
            code="parser.twice",
            severity="warns",
            field=key,
            because=say("`{key}` is written more than once; the last value counts.", key=key),
            fix=say("Keep one of the lines."),
        )
        for key in document.twice
    )


def placed(finding: Finding, document: Document) -> Finding:
    """Return the finding with the line of its key."""
    return finding.model_copy(update={"line": document.lines.get(finding.field)})


def order(finding: Finding) -> tuple[int, int]:
    """Return the place of a finding: the worst first, then by line."""
    return SEVERITIES.index(finding.severity), finding.line or 0
