"""Every stage that is planned, in every engine that trains it: the config, `launch.sh`, and the folder that
the toolkit runs on its own. Judged by the rules about arguments and by the engines' own parsers."""

from __future__ import annotations

import json
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from planner import acceptance, arguments, render
from planner.plan import Plan
from planner.planfile import loads
from planner.solve import make_plan
from planner.upstream import SCRIPT_PATH, files
from planner.wishes import Value, Wishes
from tests.engine_start import QUICKLY
from tests.planner.scenes import SHORT, amd, facts
from tests.verdicts import needs, real_verdicts

EIGHT = "8x A100-80G nvlink"
SIXTEEN = "2 nodes x 8 H800 ib 400"


class Case(NamedTuple):
    """One plan: engine, stage, model, machine and what the person fixed."""

    engine: str
    stage: str
    model: str = "qwen2.5-7b-instruct"
    machine: str = EIGHT
    pins: tuple[tuple[str, Value], ...] = ()
    target: str = "huggingface"

    @property
    def title(self) -> str:
        """Return the case as a test's name."""
        fixed = "-".join(str(value) for _, value in self.pins)
        return "-".join(
            filter(None, (self.engine, self.stage, fixed, self.target[:6], self.machine[:2]))
        ).strip()


def cases() -> list[Case]:
    """Return every stage, with every method that an engine has for it."""
    found = []
    nlp_methods = ("full", "lora", "qlora", "prefix_tuning", "vera", "lokr")
    found += [Case("paddlenlp", "sft", pins=(("method", name),)) for name in nlp_methods]
    found += [Case("paddlenlp", "sft", "llama-3.1-8b-instruct", pins=(("method", "reft"),))]
    variants = ("rslora", "lora_plus", "rslora_plus", "mora", "moslora")
    found += [Case("paddlenlp", "sft", pins=(("lora_variant", name),)) for name in variants]
    formats = ("weight_only_int8", "weight_only_int4", "nf4", "fp4")
    for name in formats:
        found.append(Case("paddlenlp", "sft", pins=(("method", "qlora"), ("weight_quantize_algo", name))))
    found += [Case("paddlenlp", "sft", target=name) for name in ("paddle_static", "fastdeploy")]
    found += [Case("paddleformers", "sft", pins=(("method", name),)) for name in ("full", "lora", "qlora")]
    for engine in ("paddlenlp", "paddleformers"):
        for stage in ("dpo", "orpo", "simpo"):
            found += [Case(engine, stage, pins=(("method", name),)) for name in ("full", "lora")]
    found += [Case("paddlenlp", "kto", pins=(("method", name),)) for name in ("full", "lora")]
    found += [
        Case("paddlenlp", "pretrain"),
        Case("paddleformers", "pretrain", pins=(("method", "full"),)),
        Case("paddleformers", "pretrain", pins=(("method", "lora"),)),
        Case("paddlenlp", "reward", "llama-3.1-8b-instruct"),
        Case("paddlenlp", "embedding", "qwen2.5-0.5b-instruct"),
        Case("paddlenlp", "export"),
        Case("paddleformers", "export"),
        *(Case("paddlenlp", "quantise", pins=(("quantise", name),)) for name in ("a8w8", "gptq", "awq")),
        Case("paddlenlp", "sft", "qwen2.5-72b-instruct", SIXTEEN),
        Case("paddlenlp", "pretrain", "llama-3.1-70b-instruct", SIXTEEN),
        Case("paddleformers", "dpo", "qwen2.5-72b-instruct", SIXTEEN),
        Case("paddlenlp", "sft", "qwen2.5-0.5b-instruct", "cpu"),
        Case("paddleformers", "sft", "llama-3.2-1b-instruct", "cpu"),
        Case("paddlenlp", "dpo", "qwen2.5-0.5b-instruct", "V100 32g x4"),
    ]
    return found


@cache
def planned(case: Case) -> Plan:
    """Return the plan of a case."""
    machine: Any = amd(8, 64) if case.machine == "cpu" else case.machine
    wishes = Wishes(stage=case.stage, target=case.target, pins={**dict(case.pins), "engine": case.engine})  # type: ignore[arg-type]
    return make_plan(facts(case.model, SHORT, machine), wishes, alternatives=False)


def config(plan: Plan) -> dict[str, Any]:
    """Return the config that the plan's script reads."""
    text = render.train_config(plan, model="model", data="data", output_dir="output")
    return render.read_config(text, str(plan.value("engine")))


every_stage = pytest.mark.parametrize("case", cases(), ids=lambda case: case.title)


def test_no_stage_is_forgotten() -> None:
    from planner.wishes import Stage

    assert {case.stage for case in cases()} == set(Stage.__args__)  # type: ignore[attr-defined]
    templates = {(case.engine, render.family(planned(case))) for case in cases()}
    kept = {
        (path.parent.name, path.name.split(".")[0])
        for path in render.RECIPES.glob("paddle*/*.j2")
        if path.name.endswith((".json.j2", ".yaml.j2")) and "_auto." not in path.name  # test_render_auto.py
    }
    assert templates == kept


@every_stage
def test_nothing_in_the_config_is_refused_fails_or_is_ignored(case: Case) -> None:
    made = planned(case)
    found = arguments.check(case.engine, render.script(made), config(made), acceptance.world(made))
    assert [one for one in found if one.severity in ("rejects", "fails", "ignored")] == []


@every_stage
def test_the_folder_holds_all_that_the_toolkits_own_script_needs(case: Case, tmp_path: Path) -> None:
    made = planned(case)
    written = files(made)
    assert loads(written["plan.yaml"]).decisions == made.decisions
    readme = written["README.md"]
    for name in set(written) - {"README.md"}:
        assert f"`{name}`" in readme, name
    named = set(re.findall(r"^\| `([\w.]+)` ", readme, re.MULTILINE))
    assert named <= set(written) | {"model/", "data/"}
    script = tmp_path / "launch.sh"
    script.write_text(written["launch.sh"], encoding="utf-8")
    subprocess.run(["bash", "-n", str(script)], check=True)
    for text in written.values():
        assert "None" not in re.findall(r"\bNone\b", text)
        assert "{{" not in text and "{%" not in text


def test_an_embedding_models_own_settings_are_in_its_config() -> None:
    pins: tuple[tuple[str, Any], ...] = (("embedding_temperature", 0.05), ("group_size", 3))
    written = config(planned(Case("paddlenlp", "embedding", "qwen2.5-0.5b-instruct", pins=pins)))
    assert (written["embedding_temperature"], written["group_size"]) == (0.05, 3)


@every_stage
def test_launch_starts_as_many_processes_as_planned_and_the_right_script(case: Case) -> None:
    made = planned(case)
    text = files(made)["launch.sh"]
    last = text.strip().splitlines()[-1]
    assert last.startswith("exec ")
    if case.engine == "paddleformers":
        processes = f"--nproc_per_node {made.value('num_processes')}"
        verb = "export" if case.stage == "export" else "train"
        if case.machine == "cpu":
            # The CLI counts graphics cards, and fails without one.
            start = "exec python -m paddle.distributed.launch"
            assert last == f'{start} {processes} --log_dir log "$LAUNCHER" {verb} config.yaml'
        else:
            assert last == f"exec paddleformers-cli {verb} config.yaml"
    else:
        assert f'"$LLM/{SCRIPT_PATH[render.script(made)]}"' in last
    nodes = made.facts.hardware.nodes
    assert ("first machine" in text) == (nodes > 1)
    devices = re.search(r"VISIBLE_DEVICES:-([\d,]+)", text)
    assert bool(devices) == (made.value("engine_build") != "cpu")
    if devices:
        assert len(devices[1].split(",")) * nodes == made.value("num_processes")


@pytest.mark.parametrize(
    "case", [one for one in cases() if one.engine == "paddleformers"], ids=lambda case: case.title
)
def test_yaml_says_the_reason_above_every_decided_key(case: Case) -> None:
    made = planned(case)
    text = render.train_config(made, model="model", data="data", output_dir="output")
    reasons = {" ".join(decision.because.split()) for decision in made.decisions.values()}
    comments = {line[2:] for line in text.splitlines() if line.startswith("# ")}
    if case.stage != "export":
        assert len(comments & reasons) > 20
    assert yaml.safe_load(text) == config(made)
    assert text.startswith(f"# {made.name}")


@pytest.mark.parametrize(
    "case", [one for one in cases() if one.engine == "paddlenlp"], ids=lambda case: case.title
)
def test_json_has_its_reasons_in_a_file_beside_it(case: Case) -> None:
    made = planned(case)
    written = files(made)
    told = written["config.explained.md"]
    decided = set(json.loads(written["config.json"])) & set(made.decisions)
    assert all(f"| `{name}` |" in told for name in decided)


@pytest.mark.parametrize(
    ("model", "method", "looks", "told"),
    [
        ("qwen3-8b", "full", "no", True),
        ("ernie-4.5-0.3b-pt", "full", "steps", False),
        ("ernie-4.5-0.3b-pt", "lora", "no", False),
        (
            "ernie-4.5-0.3b-pt",
            "lora",
            "steps",
            True,
        ),  # its evaluation of adapters names a class of that package
    ],
)
def test_the_readme_says_how_to_get_the_package_that_a_plan_needs(
    model: str, method: str, looks: str, told: bool
) -> None:
    pins = (("method", method), ("evaluation_strategy", looks))
    readme = files(planned(Case("paddleformers", "sft", model, pins=pins)))["README.md"]
    assert ("pip install paddlefleet==0.3.0 --extra-index-url https://" in readme) == told


READ = """
import json, sys
from paddleformers.datasets.reader.file_reader import BaseReader
pairs = json.loads(sys.argv[1])
known = BaseReader(file_path="", file_type="messages").convertor_map
print("ROWS" + json.dumps([known[kind](row) for kind, row in pairs]))
"""

ROWS: dict[str, dict[str, Any]] = {
    "sft": {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]},
    "dpo": {
        "messages": [{"role": "user", "content": "a"}],
        "chosen_response": [{"role": "assistant", "content": "b"}],
        "rejected_response": [{"role": "assistant", "content": "c"}],
    },
    "pretrain": {"text": "words and more words"},
}


@pytest.mark.engine
def test_paddleformers_reads_rows_as_the_readme_says(paddleformers_python: Path) -> None:
    given = []
    for stage, row in ROWS.items():
        made = planned(Case("paddleformers", stage, pins=(("method", "full"),)))
        assert all(f"`{key}`" in files(made)["README.md"] for key in row)
        given.append([config(made)["train_dataset_type"], row])
    command = [str(paddleformers_python), "-c", QUICKLY + READ, json.dumps(given)]
    said = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert "ROWS" in said.stdout, said.stderr[-2000:]
    read = dict(zip(ROWS, json.loads(said.stdout.split("ROWS")[-1]), strict=True))
    assert all(one["messages"] for one in read.values())
    assert read["dpo"]["chosen_response"] != read["dpo"]["rejected_response"]


@pytest.mark.engine
@pytest.mark.parametrize("engine", arguments.RULES)
def test_the_engines_own_parser_takes_the_config_of_every_stage(engine: str, tmp_path: Path) -> None:
    needs(engine)
    judged = [case for case in cases() if case.engine == engine and case.stage not in ("embedding", "export")]
    made = [planned(case) for case in judged]
    given = [
        (
            render.script(plan),
            config(plan) | {"device": "cpu", "output_dir": str(tmp_path / "out")},
            int(str(plan.value("num_processes"))),
        )
        for plan in made
    ]
    said = real_verdicts(engine, given, tmp_path)
    assert {judged[int(index)].title: words for index, words in said.items()} == {}
