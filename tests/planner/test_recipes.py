"""A person's own recipes: they go before ours, are judged like ours, and fail in one sentence."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from planner.catalogue import RECIPES
from planner.errors import BadInput, NothingFeasible
from planner.plan import Plan
from planner.render import after, launch_script, train_config
from planner.solve import make_plan
from planner.upstream import files
from planner.wishes import Stage, Wishes
from tests.planner.scenes import SHORT, facts

SFT, DPO = "paddlenlp/sft.json.j2", "paddlenlp/dpo.json.j2"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Return a folder of own recipes that holds copies of two of ours."""
    folder = tmp_path / "mine"
    for name in (SFT, DPO):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(RECIPES / name, folder / name)
    return folder


def planned(folder: Path | None, stage: Stage = "sft") -> Plan:
    """Return a plan with own recipes."""
    wishes = Wishes(stage=stage, recipes=str(folder) if folder else None, pins={"engine": "paddlenlp"})
    return make_plan(facts("qwen2.5-7b-instruct", SHORT, "8x A100-80G"), wishes, alternatives=False)


def config(plan: Plan) -> str:
    """Return the plan's config."""
    return train_config(plan, model="model", data="data", output_dir="output")


def edit(folder: Path, name: str, old: str, new: str) -> None:
    """Change a recipe; the text to change must be there."""
    text = (folder / name).read_text(encoding="utf-8")
    assert old in text
    (folder / name).write_text(text.replace(old, new), encoding="utf-8")


def test_a_copy_makes_what_ours_makes(own: Path) -> None:
    assert config(planned(own)) == config(planned(None))


def test_an_own_recipe_goes_before_ours_and_the_rest_stays_ours(own: Path) -> None:
    edit(own, SFT, '  "max_length":', '  "save_on_each_node": true,\n  "max_length":')
    made = planned(own)
    assert json.loads(config(made))["save_on_each_node"] is True
    assert "save_on_each_node" not in config(planned(own, "dpo"))
    assert made.decisions == planned(None).decisions


def test_an_own_part_is_used_by_our_recipes(own: Path) -> None:
    parts = own / "paddlenlp" / "parts"
    parts.mkdir()
    shutil.copy(RECIPES / "paddlenlp/parts/optimisation.j2", parts)
    edit(
        own, "paddlenlp/parts/optimisation.j2", '"max_grad_norm":', '"adam_beta2": 0.95,\n  "max_grad_norm":'
    )
    (own / SFT).unlink()
    assert json.loads(config(planned(own)))["adam_beta2"] == 0.95


def test_what_the_engine_would_refuse_is_said_when_the_plan_is_made(own: Path) -> None:
    edit(own, SFT, '"max_length":', '"max_longness": 7,\n  "max_length":')
    with pytest.raises(NothingFeasible, match=r"`max_longness` is no argument of run_finetune"):
        planned(own)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{{ nothing }}", "'nothing' is undefined"),
        ("{\n{% if %}", r"line 2, cannot be filled in"),
        ("no json", "Expecting value"),
        ("[1, 2]", "it makes no keys with values"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{% for i in range(10 ** 9) %}x{% endfor %}", "Range too big"),
        ('{% include "../../../etc/passwd" %}', "passwd"),
        ('{% include "paddlenlp/sft.json.j2" %}', "recursion"),
        ('{% include "paddlenlp/parts/none.j2" %}', "not found"),
        (b"\xff\xfe", "utf-8"),
    ],
)
def test_a_broken_recipe_is_named_in_one_sentence(own: Path, text: str | bytes, says: str) -> None:
    (own / SFT).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(BadInput, match=says) as raised:
        planned(own)
    sentence = raised.value.sentence()
    assert str(own / SFT) in sentence
    assert "\n" not in sentence


def test_own_scripts_and_texts_fail_in_a_sentence_too(own: Path) -> None:
    made = planned(own)
    for name in ("launch.sh", "after.md", "upstream.sh", "upstream.md"):
        (own / "paddlenlp" / f"{name}.j2").write_text("{{ nothing }}", encoding="utf-8")
    with pytest.raises(BadInput, match="nothing"):
        launch_script(made, [])
    with pytest.raises(BadInput, match="nothing"):
        after(made, "result")
    with pytest.raises(BadInput, match="nothing"):
        files(made)


def test_a_folder_that_is_gone_is_said_and_ours_is_not_taken_instead(own: Path) -> None:
    made = planned(own)
    moved = made.model_copy(
        update={"wishes": made.wishes.model_copy(update={"recipes": str(own / "elsewhere")})}
    )
    with pytest.raises(BadInput, match="does not exist"):
        config(moved)
