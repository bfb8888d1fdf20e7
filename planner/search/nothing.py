"""When nothing fits: what came closest, and the three smallest changes that would make it fit, each really
searched."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

from planner.device_catalogue import devices
from planner.errors import NothingFeasible
from planner.facts import DeviceFacts, HardwareFacts
from planner.language import say
from planner.methods import blocked
from planner.model_catalogue import models
from planner.pace import PARTS_OF_SEARCH
from planner.phrases import GIB, parameters, plural, size
from planner.search.base import HEADROOM
from planner.search.ranking import Predicted, leanest
from planner.situation import Situation
from planner.wishes import Value

MOST_CHANGES = 3
SHORTEST = 128
MORE_DEVICES = (2, 4, 8, 16, 32)

Attempt = Callable[[Situation], tuple[Predicted, int] | None]
"""Searches a situation; None when nothing fits there either."""


@dataclass(frozen=True)
class Change:
    """One change of the wishes, the hardware or the model after which a plan fits."""

    kind: str
    """pin, rank, method, sharding, max_length, devices, device, model, memory"""
    sentence: str
    peak: int
    """Bytes of one process after the change."""
    limit: int
    pins: tuple[tuple[str, Value], ...] = ()
    """Settings to fix for it; a value of None is never among them."""


class DoesNotFit(NothingFeasible):
    """Nothing fits; `changes` are the smallest ones after which it would."""

    changes: tuple[Change, ...] = ()
    peak: int = 0
    """Bytes that the leanest way needs per device, or per process of a machine without one."""
    limit: int = 0
    """Bytes that there are."""


def nothing_fits(s: Situation, grids: list[Predicted], attempt: Attempt) -> NothingFeasible:
    """Return the refusal: the leanest way with its figures, and what would help."""
    fixed = ", ".join(f"{name}={s.pin(name)}" for name in PARTS_OF_SEARCH if s.pin(name) is not None)
    why = say("Fixed by you: {fixed}.", fixed=fixed) if fixed else ""
    changes = tuple(islice(working(s, attempt), MOST_CHANGES))
    if not any(one.kind.order is not None for one in grids):
        return NothingFeasible(
            say(
                "No way to share the work over {workers} agrees with the settings you fixed ({fixed}).",
                workers=plural(s.workers, "process", "processes"),
                fixed=fixed,
            ),
            remedy=listed(changes) or say("Release one of them."),
        )
    grid, index = leanest(grids)
    peak, usable = int(grid.peak[index]), HEADROOM * float(grid.limit[index])
    figures = {
        "model": s.model.name,
        "number": parameters(s.model.parameters),
        "method": grid.kind.method,
        "peak": size(peak),
        "usable": size(usable),
    }
    needed = size(peak / HEADROOM)
    if s.on_gpu:
        sentence = say(
            "{model} ({number}) does not fit with method {method}: the leanest way needs {peak} per device, "
            "and {usable} may be used.",
            **figures,
        )
        least = say("Use devices with at least {needed} each.", needed=needed)
    else:
        sentence = say(
            "{model} ({number}) does not fit with method {method}: the leanest way needs {peak} per process, "
            "and {usable} may be used.",
            **figures,
        )
        least = say("Use a machine with at least {needed} of memory.", needed=needed)
    refusal = DoesNotFit(sentence, why=why, remedy=listed(changes) or least)
    refusal.changes, refusal.peak, refusal.limit = changes, peak, int(grid.limit[index])
    return refusal


def listed(changes: Iterable[Change]) -> str:
    """Return the changes as one numbered sentence; empty when there are none."""
    found = [f"({number}) {change.sentence}" for number, change in enumerate(changes, 1)]
    return say("Any of these would make it fit: {changes}", changes=" ".join(found)) if found else ""


def working(s: Situation, attempt: Attempt) -> Iterator[Change]:
    """Yield changes after which something fits, the smallest first."""
    for candidates in (
        pins(s),
        ranks(s),
        methods(s),
        spread_weights(s),
        lengths(s, attempt),
        more_devices(s),
        larger(s),
        smaller_models(s),
    ):
        for kind, words, trial, fixed in candidates:
            found = attempt(trial)
            if found is None:
                continue
            grid, index = found
            peak, limit = int(grid.peak[index]), int(grid.limit[index])
            figures = say("{peak} of {limit}", peak=size(peak), limit=size(limit))
            yield Change(kind, say("{words}: {figures}.", words=words, figures=figures), peak, limit, fixed)
            break


Tried = Iterator[tuple[str, str, Situation, tuple[tuple[str, Value], ...]]]


def pins(s: Situation) -> Tried:
    """Yield the release of one pin of the search at a time, then of all of them."""
    fixed = [name for name in PARTS_OF_SEARCH if s.pin(name) is not None]
    for name in fixed:
        if name not in ("method", "weight_quantize_algo"):
            words = say("release {setting} (you fixed it to {value})", setting=name, value=s.pin(name))
            yield "pin", words, without(s, [name]), ()
    if len(fixed) > 1:
        words = say("release {settings}, which you fixed", settings=", ".join(fixed))
        yield "pin", words, without(s, fixed), ()


def without(s: Situation, names: list[str]) -> Situation:
    """Return the same situation without some pins."""
    left = {name: value for name, value in s.wishes.pins.items() if name not in names}
    decided = {name: decision for name, decision in s.decisions.items() if name not in names}
    return Situation(s.facts, s.wishes.model_copy(update={"pins": left}), decided)


def ranks(s: Situation) -> Tried:
    """Yield smaller ranks than the one that was fixed, by powers of two from the largest."""
    now = s.pin("lora_rank")
    if not isinstance(now, int) or s.pin("method") == "full":
        return
    for power in range((now - 1).bit_length() - 1, 2, -1):
        words = say("use lora_rank {rank} (you fixed it to {now})", rank=2**power, now=now)
        yield "rank", words, s.trying(lora_rank=2**power), (("lora_rank", 2**power),)


def methods(s: Situation) -> Tried:
    """Yield leaner methods than the one that was fixed, or than the engine's own choice allows."""
    now = str(s.pin("method") or "lora")
    leaner = {"full": ("lora", "qlora"), "lora": ("qlora",)}.get(now, ())
    for name in leaner:
        if blocked(s, name) or (name == "qlora" and s.word("precision") == "fp32"):
            continue
        left = {key: value for key, value in s.wishes.pins.items() if key != "weight_quantize_algo"}
        wishes = s.wishes.model_copy(update={"pins": {**left, "method": name}})
        trial = Situation(s.facts, wishes, dict(s.decisions))
        yield "method", say("use method {method}", method=name), trial, (("method", name),)


def spread_weights(s: Situation) -> Tried:
    """Yield sharding stage 3, which the search leaves out because its checkpoints are unreliable."""
    if s.on_gpu and s.hardware.device_count > 1 and s.pin("sharding") is None:
        wishes = s.wishes.model_copy(update={"pins": {**s.wishes.pins, "sharding": "stage3"}})
        words = say("fix sharding to stage3, and try a checkpoint before you rely on it")
        yield "sharding", words, Situation(s.facts, wishes, dict(s.decisions)), (("sharding", "stage3"),)


def lengths(s: Situation, attempt: Attempt) -> Tried:
    """Yield the longest shorter sequence that fits, by halving and then in between."""
    now = s.whole("max_length")
    high = now
    low = now // 2 // 8 * 8
    while low >= SHORTEST and attempt(s.trying(max_length=low)) is None:
        high, low = low, low // 2 // 8 * 8
    if low < SHORTEST:
        return
    step = max(8, now // 16 // 8 * 8)
    while high - low > step:
        middle = (low + high) // 16 * 8
        low, high = (middle, high) if attempt(s.trying(max_length=middle)) is not None else (low, middle)
    words = say("shorten max_length to {length:,} (now {now:,})", length=low, now=now)
    yield "max_length", words, s.trying(max_length=low), (("max_length", low),)


def more_devices(s: Situation) -> Tried:
    """Yield more devices of the same kind: up to eight on a node, then more nodes."""
    if not s.on_gpu or s.pin("num_processes") is not None:
        return
    for factor in MORE_DEVICES:
        hardware = enlarged(s.hardware, factor)
        words = say("use {devices}", devices=plural(hardware.device_count, hardware.devices[0].name))
        yield "devices", words, on(s, hardware), ()


def enlarged(hardware: HardwareFacts, factor: int) -> HardwareFacts:
    """Return `factor` times as many devices: on the same nodes up to eight each, and on more nodes beyond."""
    now = sum(device.count for device in hardware.devices)
    room = max(1, 8 // now)
    inside = min(factor, room)
    found = tuple(device.model_copy(update={"count": device.count * inside}) for device in hardware.devices)
    return hardware.model_copy(update={"devices": found, "nodes": hardware.nodes * (factor // inside)})


def larger(s: Situation) -> Tried:
    """Yield devices of the catalogue with more memory, the smallest first; on processors more memory."""
    if not s.on_gpu:
        for factor in (2, 4, 8, 16):
            memory = s.hardware.memory_bytes * factor
            hardware = s.hardware.model_copy(update={"memory_bytes": memory})
            yield (
                "memory",
                say("use a machine with {memory} of memory", memory=size(memory)),
                on(s, hardware),
                (),
            )
        return
    now = s.hardware.devices[0]
    rows = sorted(
        (gib, device.name, device.capability)
        for device in devices().values()
        for gib in device.memory_gib
        if gib * GIB > now.memory_bytes and device.maker == now.maker
    )
    for gib, name, capability in rows:
        if (capability or "0") < (now.compute_capability or "0"):
            continue
        facts = DeviceFacts(
            name=name, maker=now.maker, count=now.count, memory_bytes=gib * GIB, compute_capability=capability
        )
        hardware = s.hardware.model_copy(update={"devices": (facts,)})
        words = say(
            "use {devices} ({memory} each)",
            devices=plural(hardware.device_count, name),
            memory=size(gib * GIB),
        )
        yield "device", words, on(s, hardware), ()


def smaller_models(s: Situation) -> Tried:
    """Yield smaller models of the same architecture from the catalogue, the largest first."""
    rows = sorted(
        (entry for entry in models().values() if entry.model_type == s.model.model_type),
        key=lambda entry: -entry.parameters,
    )
    for entry in rows:
        if entry.parameters < s.model.parameters:
            facts = s.facts.model_copy(update={"model": entry.facts()})
            words = say("use {model} ({number})", model=entry.name, number=parameters(entry.parameters))
            yield "model", words, replace(s, facts=facts, memo={}), ()


def on(s: Situation, hardware: HardwareFacts) -> Situation:
    """Return the same situation on other hardware."""
    return replace(s, facts=s.facts.model_copy(update={"hardware": hardware}), memo={})
