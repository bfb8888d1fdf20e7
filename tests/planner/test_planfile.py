"""The plan file: round trip, edits, and one sentence for everything that can be wrong with it."""

from __future__ import annotations

import re

import pytest
import yaml

from planner.errors import BadInput, NothingFeasible
from planner.plan import Plan
from planner.planfile import dumps, loads
from tests.planner.scenes import SHORT, plan


@pytest.fixture(scope="module")
def made() -> Plan:
    return plan()


@pytest.fixture(scope="module")
def text(made: Plan) -> str:
    return dumps(made)


def edit(text: str, setting: str, value: str) -> str:
    """Return the file with one decision's value replaced, as a person would."""
    edited, count = re.subn(rf"(\n    {setting}:\n      value: ).*", rf"\g<1>{value}", text)
    assert count == 1
    return edited


def line_of(text: str, start: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if line.startswith(f"    {start}"))


def test_round_trip_is_exact(made: Plan, text: str) -> None:
    assert loads(text) == made
    assert dumps(loads(text)) == text


def test_a_plan_with_devices_pins_and_a_time_limit_survives(made: Plan) -> None:
    other = plan("qwen2.5-7b-instruct", SHORT, "8x A100-80G nvlink", minutes=30, seed=7)
    assert loads(dumps(other)) == other


def test_the_file_is_for_people(text: str) -> None:
    assert text.startswith("# A fine-tune, planned by Steersman.")
    assert "steersman run plan.yaml" in text
    assert "      value: 0.002\n      because: " in text
    assert max(len(line) for line in text.splitlines()) <= 160
    assert not re.search(r"[&*!]id\d|!!python", text)


def test_the_file_is_plain_yaml(text: str) -> None:
    assert yaml.safe_load(text)["decisions"]["optimisation"]["learning_rate"]["value"] == 0.002


@pytest.mark.parametrize(
    ("setting", "written", "value"),
    [
        ("learning_rate", "5e-4", 5e-4),
        ("learning_rate", "1", 1.0),
        ("lora_rank", "16", 16),
        ("evaluation_strategy", "no", "no"),
        ("tracker", "none", "none"),
        ("recompute", "yes", True),
    ],
)
def test_an_edited_value_is_taken_and_marked(text: str, setting: str, written: str, value: object) -> None:
    again = loads(edit(text, setting, written))
    decision = again.decisions[setting]
    assert (decision.value, decision.rule) == (value, "edited")
    assert type(decision.value) is type(value)
    assert decision.because.startswith("You changed it in the plan file; it was ")
    assert again.wishes.pins == {setting: value}


def test_what_follows_from_an_edit_follows(made: Plan, text: str) -> None:
    again = loads(edit(text, "lora_rank", "32"))
    assert again.value("lora_alpha") == 64
    assert again.forecast.memory_parts["adapter"].bytes == 4 * made.forecast.memory_parts["adapter"].bytes
    assert loads(dumps(again)) == again


def test_an_edited_wish_plans_again(text: str) -> None:
    again = loads(text.replace("goal: balance", "goal: quality", 1))
    assert again.value("lora_rank") == 16
    assert again.name == loads(text).name


def test_an_edit_that_cannot_work_is_refused_with_the_reason(text: str) -> None:
    with pytest.raises(NothingFeasible) as caught:
        loads(edit(text, "use_flash_attention", "true"), "my.yaml")
    assert caught.value.what == "my.yaml: use_flash_attention needs a GPU."
    assert caught.value.why.startswith("It was edited: use_flash_attention=true.")
    assert caught.value.remedy == "Set use_flash_attention=false."


def test_an_edit_that_ends_up_too_large_is_refused(text: str) -> None:
    with pytest.raises(NothingFeasible, match="does not fit"):
        loads(edit(text, "per_device_train_batch_size", "512"))


def test_an_unknown_setting_is_named_with_its_line(text: str) -> None:
    wrong = text.replace("    learning_rate:", "    lerning_rate:")
    line = line_of(wrong, "lerning_rate:")
    with pytest.raises(BadInput) as caught:
        loads(wrong)
    assert caught.value.sentence() == (
        f"plan.yaml, line {line}: there is no setting `lerning_rate`. Did you mean `learning_rate`?"
    )


@pytest.mark.parametrize(
    ("setting", "written", "sentence"),
    [
        ("learning_rate", "fast", "`learning_rate` must be a number, greater than 0, not 'fast'."),
        ("lora_rank", "-1", "`lora_rank` must be a whole number, at least 1, not -1."),
        (
            "method",
            "lroa",
            "`method` must be one of full, lora, qlora, prefix_tuning, vera, lokr, reft, not 'lroa'. "
            "Did you mean `lora`?",
        ),
        ("zero_padding", "3", "`zero_padding` must be true or false, not 3."),
        ("seed", "[1, 2]", "`seed` must be a whole number, at least 0, not [1, 2]."),
        ("seed", "", "`seed` must be a whole number, at least 0, not None."),
    ],
)
def test_a_wrong_value_is_named_with_its_line(text: str, setting: str, written: str, sentence: str) -> None:
    wrong = edit(text, setting, written)
    line = line_of(wrong, f"{setting}:") + 1
    with pytest.raises(BadInput) as caught:
        loads(wrong, "some/plan.yaml")
    assert caught.value.sentence() == f"some/plan.yaml, line {line}: {sentence}"


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ("\nwishes:", "\nwihses:", "there is no field `wihses` here. Did you mean `wishes`?"),
        ("\n  goal: balance", "\n  gaol: balance", "there is no field `gaol` here. Did you mean `goal`?"),
        (
            "\n  goal: balance",
            "\n  goal: fastest",
            "`wishes.goal`: input should be 'quality', 'balance', 'speed'",
        ),
        (
            "\n    train_rows: 110",
            "\n    train_rows: 0",
            "`facts.data.train_rows`: input should be greater than 0",
        ),
        ("\nname: ", "\nnmae: ", "there is no field `nmae` here. Did you mean `name`?"),
        ("\n  optimisation:", "\n  optimization:", "there is no field `optimization` here."),
        ("\nsteersman: 0.1.0", "\nsteersman: 9.1.0", "it was made by Steersman 9.1.0, and this is 0.1.0."),
        (
            "\n  pins: {}",
            "\n  pins: {lora_rnk: 4}",
            "there is no setting `lora_rnk`. Did you mean `lora_rank`?",
        ),
    ],
)
def test_a_wrong_field_is_named_with_its_line(text: str, before: str, after: str, sentence: str) -> None:
    assert before in text
    wrong = text.replace(before, after, 1)
    line = wrong[: wrong.index(after)].count("\n") + 2
    with pytest.raises(BadInput) as caught:
        loads(wrong)
    assert caught.value.sentence().startswith(f"plan.yaml, line {line}: {sentence}")


def test_a_missing_decision_is_named(text: str) -> None:
    wrong = re.sub(r"\n    learning_rate:\n(      .*\n)+", "\n", text, count=1)
    with pytest.raises(BadInput, match=r"`learning_rate` is missing under `decisions.optimisation`"):
        loads(wrong)


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        ("", "plan.yaml is empty."),
        ("# nothing but a comment\n", "plan.yaml is empty."),
        ("just words", "plan.yaml is not a plan: it has no fields."),
        ("- a\n- b\n", "plan.yaml is not a plan: it has no fields."),
        ("a: [1, 2", "plan.yaml, line "),
        ("a:\n\t- b\n", "plan.yaml, line 2: this is not YAML: found character"),
        ("a: 1\na: 2\n", "plan.yaml, line 2: `a` is given twice."),
        ("a: &x [1]\nb: *x\n", "plan.yaml, line 1: a plan has no YAML anchors or aliases."),
        ("a: !!python/object:os.system [x]\n", "plan.yaml, line 1: this is not YAML: could not determine"),
        ("x" * 3_000_000, "plan.yaml is too large for a plan (3,000,000 characters)."),
        ("[" * 5_000, "plan.yaml, line 1: nothing in a plan is nested this deep."),
        ("a: \x00b\n", "plan.yaml is not YAML"),
    ],
)
def test_what_is_no_plan_gets_one_sentence(broken: str, sentence: str) -> None:
    with pytest.raises(BadInput) as caught:
        loads(broken)
    assert caught.value.what.startswith(sentence)


def test_a_bomb_of_aliases_is_refused_before_it_grows() -> None:
    bomb = "a: &a [x, x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]\n" for n in range(20)
    )
    with pytest.raises(BadInput, match="no YAML anchors"):
        loads(bomb)


def test_every_truncation_of_the_file_is_refused_in_words(text: str) -> None:
    for end in range(0, len(text) - 1, 977):
        with pytest.raises(BadInput):
            loads(text[:end])
