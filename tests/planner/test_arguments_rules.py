"""Every rule about arguments is broken by a config of the table, and no rule is broken by a good config."""

from __future__ import annotations

import pytest

from planner import arguments
from planner.arguments import RULES, World, schema
from tests.planner.argument_cases import BASES, NLP_CASES, Broken
from tests.planner.argument_cases_formers import FORMERS_CASES

CASES = (*NLP_CASES, *FORMERS_CASES)
ENGINES = {script: "paddleformers" if script in ("train", "export") else "paddlenlp" for script in BASES}
DEPENDENTS = "-unused"
"""Rules about leftovers are made from one table; one of them stands for all."""


@pytest.mark.parametrize("case", CASES, ids=[f"{case.engine}-{case.code}" for case in CASES])
def test_a_broken_rule_is_found(case: Broken) -> None:
    found = arguments.check(case.engine, case.script, case.values, case.world)
    codes = [finding.code for finding in found]
    assert case.code in codes
    finding = found[codes.index(case.code)]
    severities = {rule.severity for rule in RULES[case.engine] if rule.code == case.code}
    assert not severities or finding.severity in severities
    assert "{" not in finding.because.replace("{llama", "") and finding.because.endswith(".")
    assert finding.source
    if finding.field and finding.code not in ("parser.unknown", "parser.ambiguous", "parser.prefix"):
        assert finding.field in schema.arguments(case.engine, case.script)


@pytest.mark.parametrize("engine", RULES)
def test_every_rule_is_in_the_table(engine: str) -> None:
    shown = {case.code for case in CASES if case.engine == engine}
    rules = {rule.code for rule in RULES[engine] if not rule.code.endswith(DEPENDENTS)}
    assert rules - shown == set()


@pytest.mark.parametrize("engine", RULES)
def test_rules_speak_of_arguments_that_exist(engine: str) -> None:
    known = {name for script in schema.scripts(engine) for name in schema.arguments(engine, script)}
    assert {rule.field for rule in RULES[engine]} <= known
    for rule in RULES[engine]:
        scripts = rule.scripts or schema.scripts(engine)
        assert any(rule.field in schema.arguments(engine, script) for script in scripts), rule.code


@pytest.mark.parametrize("script", BASES)
def test_a_good_config_has_nothing_wrong(script: str) -> None:
    found = arguments.check(ENGINES[script], script, BASES[script], World())
    assert [finding for finding in found if finding.severity in ("rejects", "fails", "ignored")] == []


def test_all_findings_come_at_once() -> None:
    values = {**BASES["run_finetune"], "learning_speed": 1, "fp16": True, "warmup_ratio": 2, "optim": "lion"}
    codes = {finding.code for finding in arguments.check("paddlenlp", "run_finetune", values)}
    assert {"parser.unknown", "precision.both", "precision.warmup-ratio", "precision.optimizer-name"} <= codes


def test_a_near_name_is_offered() -> None:
    values = {**BASES["run_finetune"], "lora_rnk": 8}
    (finding,) = arguments.check("paddlenlp", "run_finetune", values)
    assert "lora_rank" in finding.fix


def test_sharding_takes_the_processes_that_are_left() -> None:
    values = {**BASES["run_finetune"], "sharding": "stage1", "tensor_parallel_degree": 2}
    case, _ = arguments.examine("paddlenlp", "run_finetune", values, World(processes=8))
    assert (case.degrees.tensor, case.degrees.sharding, case.degrees.data) == (2, 4, 1)


def test_paddleformers_shards_by_default_and_counts_context_inside() -> None:
    values = {**BASES["train"], "context_parallel_size": 2}
    case, _ = arguments.examine("paddleformers", "train", values, World(processes=8))
    assert (case.degrees.stage, case.degrees.sharding, case.degrees.data) == (1, 8, 1)
