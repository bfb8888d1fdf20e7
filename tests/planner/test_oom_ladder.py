"""The steps down when memory runs out: what changes, what never does, and what the planner says of each."""

from __future__ import annotations

from itertools import count

import pytest

from planner.oom_ladder import Step, next_step
from planner.plan import Plan
from planner.planfile import dumps, loads
from planner.setting_values import settings
from tests.planner.scenes import MANY, SHORT, plan

GPU = {"model": "qwen2.5-1.5b-instruct", "found": SHORT, "hardware": "A100-80G"}


def rows_per_step(made: Plan) -> int:
    names = (
        "per_device_train_batch_size",
        "gradient_accumulation_steps",
        "data_parallel_degree",
        "sharding_parallel_degree",
    )
    product = 1
    for name in names:
        product *= int(str(made.value(name)))
    return product


def descent(made: Plan, memory: str = "device") -> list[Step]:
    """Every step until the foot of the ladder."""
    steps: list[Step] = []
    while (step := next_step(made, memory)) is not None:  # type: ignore[arg-type]
        steps.append(step)
        made = step.plan
        assert len(steps) < 40
    return steps


@pytest.mark.parametrize(
    "scene",
    [
        pytest.param({**GPU, "per_device_train_batch_size": 4, "recompute": False}, id="one GPU"),
        pytest.param(
            {
                "model": "llama-3.1-8b-instruct",
                "found": MANY,
                "hardware": "8x A100-80G nvlink",
                "method": "lora",
                "sharding": "none",
                "tensor_parallel_degree": 1,
                "pipeline_parallel_degree": 1,
                "per_device_train_batch_size": 2,
            },
            id="eight GPUs",
        ),
        pytest.param({"per_device_train_batch_size": 2}, id="two cores"),
    ],
)
def test_every_step_needs_less_and_every_step_of_training_sees_the_same_rows(
    scene: dict[str, object],
) -> None:
    made = plan(**scene)  # type: ignore[arg-type]
    steps = descent(made)
    assert steps, "there is a way down"
    before = made
    for step in steps:
        assert step.plan.name == made.name and step.plan.facts == made.facts
        ahead, behind = step.plan.forecast, before.forecast
        assert ahead.peak_memory_bytes < behind.peak_memory_bytes or (
            ahead.host_memory_bytes < behind.host_memory_bytes
        )
        if not step.consent:
            changed = {name for name in settings() if step.plan.value(name) != before.value(name)}
            assert changed <= set(step.changes), "nothing changes that is not announced"
            assert rows_per_step(step.plan) == rows_per_step(made)
            assert step.plan.value("max_steps") == made.value("max_steps")
        for name, value in step.changes.items():
            decision = step.plan.decisions[name]
            assert decision.value == value and decision.rule == f"oom.{step.rung}"
            assert decision.because == step.because
        text = dumps(step.plan)
        assert dumps(loads(text)) == text, "a plan file of its own, which nobody takes for an edited one"
        before = step.plan
    order = ["micro_batch", "recompute", "processes", "sharding", "offload", "quantise", "shorten"]
    rungs = [step.rung for step in steps]
    assert rungs == sorted(rungs, key=order.index), rungs
    assert [step.consent for step in steps] == [rung == "shorten" for rung in rungs]


def test_the_rungs_of_one_gpu() -> None:
    rungs = [step.rung for step in descent(plan(**GPU, per_device_train_batch_size=4, recompute=False))]  # type: ignore[arg-type]
    assert rungs[:3] == ["micro_batch", "micro_batch", "recompute"]
    assert "quantise" in rungs and rungs[-1] == "shorten"


def test_an_odd_micro_batch_goes_to_the_next_divisor() -> None:
    made = plan(**GPU, per_device_train_batch_size=6, gradient_accumulation_steps=1, recompute=True)  # type: ignore[arg-type]
    sizes = []
    for _ in count():
        step = next_step(made, "device")
        if step is None or step.rung != "micro_batch":
            break
        made = step.plan
        sizes.append((made.value("per_device_train_batch_size"), made.value("gradient_accumulation_steps")))
    assert sizes == [(3, 2), (1, 6)]


def test_an_evaluation_that_does_not_fit_is_made_smaller_first() -> None:
    made = plan(**GPU, per_device_train_batch_size=2, per_device_eval_batch_size=8)  # type: ignore[arg-type]
    step = next_step(made, "evaluation")
    assert step is not None and step.changes == {"per_device_eval_batch_size": 4}


def test_optimizer_states_do_not_move_to_a_host_that_is_full() -> None:
    made = plan(**GPU, per_device_train_batch_size=1)  # type: ignore[arg-type]
    assert "offload" not in [step.rung for step in descent(made, "host")]


def test_two_processes_become_one_on_a_machine_without_a_gpu() -> None:
    made = plan(per_device_train_batch_size=1, num_processes=2)
    step = next(step for step in descent(made, "host") if step.rung == "processes")
    assert step.changes["num_processes"] == 1
    assert rows_per_step(step.plan) == rows_per_step(made)


def test_shorter_rows_are_never_taken_without_consent() -> None:
    steps = descent(plan(**GPU))  # type: ignore[arg-type]
    assert all(step.consent and not step.keeps_checkpoints for step in steps if "max_length" in step.changes)
    assert not any("max_length" in step.changes for step in steps if not step.consent)


def test_the_same_plan_gives_the_same_step() -> None:
    made = plan(**GPU)  # type: ignore[arg-type]
    one, other = next_step(made, "device"), next_step(made, "device")
    assert one is not None and other is not None
    assert dumps(one.plan) == dumps(other.plan) and one.because == other.because
