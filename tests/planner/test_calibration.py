"""Which measurements correct which forecast, and by how much."""

from __future__ import annotations

import pytest

from planner.calibration import Measurement, calibrate, fingerprint
from planner.facts import CpuFacts, DataFacts, Facts, HardwareFacts, ModelFacts, ModelSource, TokenLengths

MACHINE = HardwareFacts(
    description="two cores",
    origin="probed",
    cpu=CpuFacts(name="AMD EPYC", cores=2, vendor="amd"),
    memory_bytes=1 << 34,
    disk_free_bytes=1 << 34,
)
MODEL = ModelFacts(
    name="smol",
    source=ModelSource(kind="local", id="/models/smol"),
    model_type="llama",
    parameters=135_000_000,
    num_hidden_layers=30,
    hidden_size=576,
    intermediate_size=1536,
    num_attention_heads=9,
    num_key_value_heads=3,
    head_dim=64,
    vocab_size=49152,
    max_position_embeddings=2048,
    tie_word_embeddings=True,
)
LENGTHS = TokenLengths(mean=10, p50=10, p90=10, p99=10, max=10, total=100, answer_total=50, counted=True)
DATA = DataFacts(
    path="rows.jsonl",
    format="messages",
    train_rows=10,
    dev_rows=1,
    dev_given=False,
    lengths=LENGTHS,
    fingerprint="0" * 64,
)
FACTS = Facts(model=MODEL, data=DATA, hardware=MACHINE)


def measured(
    speed: float | None = 0.8, memory: float | None = 1.1, parameters: int = 135_000_000, day: int = 1
) -> Measurement:
    return Measurement(
        machine=fingerprint(MACHINE),
        device="AMD EPYC",
        name=f"run-{day}",
        when=f"2026-01-{day:02}T00:00:00+00:00",
        model="smol",
        method="lora",
        parameters=parameters,
        peak_bytes=None if memory is None else round(memory * 10**9),
        forecast_peak_bytes=10**9,
        tokens_per_second=None if speed is None else speed * 200,
        forecast_tokens_per_second=200,
    )


def test_nothing_measured_corrects_nothing() -> None:
    assert calibrate([], FACTS) is None


def test_one_outlier_among_three_runs_changes_nothing() -> None:
    found = calibrate([measured(0.8, day=1), measured(0.82, day=2), measured(0.1, 9.0, day=3)], FACTS)
    assert found is not None
    assert (found.speed_ratio, found.memory_ratio, found.runs) == (0.8, 1.1, 3)


@pytest.mark.parametrize(("ratio", "applied"), [(0.01, 0.5), (7.0, 2.0), (1.3, 1.3)])
def test_a_correction_has_limits(ratio: float, applied: float) -> None:
    found = calibrate([measured(ratio, ratio)], FACTS)
    assert found is not None and found.speed_ratio == found.memory_ratio == applied


def test_what_was_not_measured_is_not_corrected() -> None:
    found = calibrate([measured(None, 1.2)], FACTS)
    assert found is not None and (found.speed_ratio, found.memory_ratio) == (1.0, 1.2)
    assert calibrate([measured(None, None)], FACTS) is None


def test_another_machine_and_typed_hardware_learn_nothing() -> None:
    other = measured().model_copy(update={"machine": "0123456789ab"})
    assert calibrate([other], FACTS) is None
    typed = FACTS.model_copy(update={"hardware": MACHINE.model_copy(update={"origin": "typed"})})
    assert calibrate([measured()], typed) is None


def test_models_of_another_size_count_only_when_near() -> None:
    assert calibrate([measured(parameters=70_000_000_000)], FACTS) is None
    near = [measured(0.7, day=day) for day in range(1, 6)]
    far = [measured(1.9, parameters=900_000_000, day=day) for day in range(6, 20)]
    found = calibrate([*far, *near], FACTS)
    assert found is not None and found.speed_ratio == 0.7


def test_the_newest_of_equal_runs_decide() -> None:
    found = calibrate([measured(0.6 if day < 10 else 1.2, day=day) for day in range(1, 21)], FACTS)
    assert found is not None and found.speed_ratio == 1.2 and "run-20" in found.because


def test_the_sentence_names_the_run_and_both_figures() -> None:
    found = calibrate([measured(0.8, 1.1, day=3)], FACTS)
    assert found is not None
    for word in ("run-3", "smol", "lora", "2026-01-03", "1.10", "0.80"):
        assert word in found.because


def test_the_sentence_says_what_a_trial_was_and_where_a_correction_ends() -> None:
    trial = measured(0.4, 1.1).model_copy(update={"kind": "trial"})
    found = calibrate([trial], FACTS)
    assert found is not None and found.speed_ratio == 0.5
    assert "a trial of run-1" in found.because
    assert "0.40 times" in found.because and "No more than 0.50" in found.because
    plain = calibrate([measured(0.8, 1.1)], FACTS)
    assert plain is not None and "trial" not in plain.because and "No more" not in plain.because


def test_a_fingerprint_survives_what_changes_from_day_to_day() -> None:
    later = MACHINE.model_copy(update={"disk_free_bytes": 5, "memory_bytes": 6, "description": "x"})
    assert fingerprint(later) == fingerprint(MACHINE)
    other = MACHINE.model_copy(update={"cpu": MACHINE.cpu.model_copy(update={"cores": 64})})
    assert fingerprint(other) != fingerprint(MACHINE)
