"""What the planner would change in a config that works, and why: findings that only note."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from planner import memory
from planner.arguments.case import Case
from planner.facts import HardwareFacts, ModelFacts
from planner.findings import Finding
from planner.language import join, say
from planner.phrases import size
from planner.setup import FULL_RECOMPUTE, NO_RECOMPUTE, Setup

MOST_MICRO_BATCH = 64
"""Above this, larger micro-batches gain nothing that we know of."""

Need = Callable[[Setup], float]


def note(code: str, field: str, because: str, fix: str, source: str) -> Finding:
    """Return one suggestion."""
    return Finding(code=code, severity="notes", field=field, because=because, fix=fix, source=source)


def of_config(case: Case, setup: Setup) -> Iterator[Finding]:
    """Yield suggestions that need neither the model nor the machine's memory."""
    limit = case["save_total_limit"]
    if case.has("save_total_limit") and not limit and case["save_strategy"] != "no" and case["do_train"]:
        yield note(
            "suggest.save-limit",
            "save_total_limit",
            say("`save_total_limit` is missing, so checkpoints pile up until the disk is full."),
            say("Set `save_total_limit` to 2."),
            "trainer/trainer.py: _rotate_checkpoints",
        )
    if (
        case.script == "run_finetune"
        and not case["zero_padding"]
        and not case["flash_mask"]
        and case["do_train"]
    ):
        yield note(
            "suggest.packing",
            "zero_padding",
            say(
                "Rows are padded to the longest of each batch; packing them into {length} tokens trains on "
                "real tokens only.",
                length=setup.sequence_length,
            ),
            say("Set `zero_padding` to true where rows are short."),
            "trl/sftdata_config.py:25",
        )
    yield from of_cards(case, setup)


def of_cards(case: Case, setup: Setup) -> Iterator[Finding]:
    """Yield suggestions that come from what the cards can do."""
    capability = case.world.capability
    if case.on_cpu or capability is None or capability < 8:
        return
    if setup.attention == "dense" and case.has("use_flash_attention"):
        yield note(
            "suggest.flash-attention",
            "use_flash_attention",
            say(
                "These cards (compute capability {capability}) have FlashAttention, which stores no "
                "attention scores and is faster.",
                capability=capability,
            ),
            say("Set `use_flash_attention` to true."),
            "arXiv:2307.08691",
        )
    if setup.precision == "fp16":
        yield note(
            "suggest.bf16",
            "compute_type" if case.engine == "paddleformers" else "bf16",
            say(
                "These cards (compute capability {capability}) have bf16, which needs no loss scale and "
                "does not overflow.",
                capability=capability,
            ),
            say("Use bf16 instead of fp16."),
            "arXiv:1905.12322",
        )


def of_memory(case: Case, model: ModelFacts, setup: Setup, need: Need, limit: int) -> Iterator[Finding]:
    """Yield suggestions that come from how much memory is left or missing."""
    peak = need(setup)
    bare = replace(setup, recompute=NO_RECOMPUTE)
    if setup.recompute != NO_RECOMPUTE and need(bare) <= limit:
        yield note(
            "suggest.no-recompute",
            "recompute" if case.engine == "paddlenlp" else "recompute_granularity",
            say(
                "Without recomputation {needed} of {limit} are needed: it fits, and saves about a third of "
                "the computing.",
                needed=size(need(bare)),
                limit=size(limit),
            ),
            say("Turn recomputation off."),
            "arXiv:1604.06174",
        )
        return
    if peak > limit:
        yield from smaller(case, setup, need, limit)
        return
    micro = int(setup.micro_batch)
    larger = micro
    while larger * 2 <= MOST_MICRO_BATCH and need(replace(setup, micro_batch=larger * 2)) <= limit:
        larger *= 2
    accumulation = int(setup.accumulation)
    if larger > micro and accumulation > 1:
        larger = min(larger, micro * accumulation)
        yield note(
            "suggest.micro-batch",
            "per_device_train_batch_size",
            say(
                "{room} are free: {larger} rows at once fit, with fewer accumulation steps for the same "
                "batch.",
                room=size(limit - peak),
                larger=larger,
            ),
            say(
                "Set `per_device_train_batch_size` to {larger} and `gradient_accumulation_steps` to {steps}.",
                larger=larger,
                steps=max(1, accumulation * micro // larger),
            ),
            "planner/memory",
        )


def smaller(case: Case, setup: Setup, need: Need, limit: int) -> Iterator[Finding]:
    """Yield the single changes that would make a config fit, or the fewest of them together."""
    options: tuple[tuple[str, str, Callable[[Setup], Setup], str], ...] = (
        (
            "per_device_train_batch_size",
            "suggest.one-row",
            lambda way: replace(way, micro_batch=1),
            say("Set `per_device_train_batch_size` to 1 and accumulate more."),
        ),
        (
            "recompute" if case.engine == "paddlenlp" else "recompute_granularity",
            "suggest.recompute",
            lambda way: replace(way, recompute=FULL_RECOMPUTE),
            say("Turn full recomputation on."),
        ),
        ("sharding", "suggest.sharding", sharded, say("Shard over all processes with stage 3.")),
        (
            "lora" if case.engine == "paddlenlp" else "fine_tuning",
            "suggest.lora",
            lambda way: replace(way, method="lora"),
            say("Train LoRA adapters instead of all weights."),
        ),
    )
    single = [option for option in options if need(option[2](setup)) <= limit < need(setup)]
    for field, code, change, fix in single:
        because = say(
            "This alone brings the peak to {needed} of {limit}.",
            needed=size(need(change(setup))),
            limit=size(limit),
        )
        yield note(code, field, because, fix, "planner/memory")
    way = setup
    fixes: list[str] = []
    for _, _, change, fix in () if single else options:
        if change(way) == way:
            continue
        way, fixes = change(way), [*fixes, fix]
        if need(way) <= limit:
            because = say(
                "These together bring the peak to {needed} of {limit}; none does alone.",
                needed=size(need(way)),
                limit=size(limit),
            )
            yield note("suggest.together", "", because, join(fixes), "planner/memory")
            return


def sharded(setup: Setup) -> Setup:
    """Return the same with states, gradients and weights spread over all replicas."""
    replicas = int(setup.replicas)
    if replicas <= 1 or int(setup.pipeline) > 1 or int(setup.tensor) > 1:
        return setup
    return replace(setup, sharding=3, sharding_degree=replicas)


def all_of(
    case: Case, setup: Setup, model: ModelFacts | None, hardware: HardwareFacts | None, limit: int | None
) -> tuple[Finding, ...]:
    """Return every suggestion for a config."""
    found = list(of_config(case, setup))
    if model is not None and hardware is not None and limit is not None:
        device = "gpu" if hardware.devices else "cpu"
        profile = memory.PADDLEFORMERS if case.engine == "paddleformers" else memory.PADDLENLP
        known = model

        def need(way: Setup) -> float:
            return float(memory.peak_bytes(known, way, device, profile))

        found += of_memory(case, model, setup, need, limit)
    return tuple(found)
