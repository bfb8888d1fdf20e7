"""Audits of configs that somebody else wrote."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from planner.audit import audit
from planner.audit.reading import json_lines, read
from planner.errors import BadInput
from planner.hardware_text import parse

SHARED = Path(__file__).parents[2].parent / "shared" / "facts" / "expert_configs.json"
SFT = {
    "model_name_or_path": "meta-llama/Meta-Llama-3-8B",
    "dataset_name_or_path": "./data",
    "output_dir": "./out",
    "per_device_train_batch_size": 1,
    "gradient_accumulation_steps": 8,
    "do_train": True,
    "bf16": True,
    "fp16_opt_level": "O2",
    "src_length": 1024,
    "max_length": 2048,
    "use_flash_attention": True,
    "zero_padding": True,
    "lora": True,
    "recompute": True,
    "save_total_limit": 1,
}
YAML = """# full fine-tuning
stage: SFT
model_name_or_path: Qwen/Qwen2.5-7B-Instruct
train_dataset_path: train.jsonl
output_dir: out
fine_tuning: full
learning_rate: 1e-5
evaluation_strategy: no
fp16_opt_level: O2
recompute: true
"""


def text(**changes: object) -> str:
    """Return the SFT config with changes, one key a line."""
    return json.dumps({**SFT, **changes}, indent=2)


def codes(found: object) -> set[str]:
    """Return the codes of an audit's findings."""
    return {finding.code for finding in found.findings}  # type: ignore[attr-defined]


def test_a_good_config_is_clean_and_judged_on_the_machine() -> None:
    found = audit(text(), hardware=parse("8x A100-80G nvlink"))
    assert (found.engine, found.script, found.stage, found.method) == (
        "paddlenlp",
        "run_finetune",
        "sft",
        "lora",
    )
    assert found.clean and found.fits
    assert found.processes == 8 and not found.assumed
    assert found.model.startswith("llama-3-8b")
    assert found.slowest and found.fastest and found.slowest < found.tokens_per_second < found.fastest  # type: ignore[operator]
    assert sum(part.bytes for part in found.parts.values()) == found.peak_bytes


def test_findings_have_the_line_of_their_key() -> None:
    found = audit(text(fp16=True, lora_rnk=8))
    lines = text(fp16=True, lora_rnk=8).splitlines()
    for finding in found.findings:
        if finding.field:
            assert finding.line is not None and f'"{finding.field}"' in lines[finding.line - 1]
    assert {"precision.both", "parser.unknown"} <= codes(found)
    assert found.findings[0].severity == "rejects" and not found.clean


def test_the_yaml_traps_are_named_with_lines() -> None:
    found = audit(YAML)
    at = {finding.code: finding.line for finding in found.findings}
    assert found.engine == "paddleformers" and found.method == "full"
    assert (at["parser.text-number"], at["parser.yaml-no"], at["parser.unknown"]) == (7, 8, 10)


def test_too_large_is_said_with_figures_and_what_would_help() -> None:
    found = audit(text(lora=False, per_device_train_batch_size=8), hardware=parse("A100-40G"))
    finding = next(one for one in found.findings if one.code == "memory.too-large")
    assert "GiB" in finding.because and found.fits is False and not found.clean
    together = next(one for one in found.suggestions if one.code == "suggest.together")
    assert "LoRA" in together.fix and "none does alone" in together.because
    alone = audit(text(lora=False), hardware=parse("A100-40G"))
    assert "suggest.lora" in {one.code for one in alone.suggestions}


def test_suggestions_come_from_room_and_cards() -> None:
    roomy = audit(text(use_flash_attention=False, save_total_limit=0), hardware=parse("8x A100-80G nvlink"))
    suggested = {one.code: one for one in roomy.suggestions}
    assert {"suggest.flash-attention", "suggest.save-limit", "suggest.no-recompute"} <= set(suggested)
    assert all(one.severity == "notes" and one.because and one.fix for one in roomy.suggestions)
    assert "suggest.bf16" in {
        one.code for one in audit(text(bf16=False, fp16=True), hardware=parse("A100")).suggestions
    }


def test_a_cpu_cannot_do_what_the_config_asks() -> None:
    found = audit(text(), hardware=parse("amd cpu 8 cores 64g"))
    assert {"kernels.device"} <= codes(found) and not found.clean


def test_without_hardware_the_degrees_decide_how_many_processes() -> None:
    found = audit(text(tensor_parallel_degree=4, pipeline_parallel_degree=2, sharding="stage1"))
    assert (found.processes, found.assumed, found.fits) == (8, True, None)


def test_a_key_written_twice_is_named() -> None:
    found = audit('{"output_dir": "a",\n "output_dir": "b",\n "do_train": true}')
    finding = next(one for one in found.findings if one.code == "parser.twice")
    assert finding.line == 2


def test_keys_inside_values_have_no_line() -> None:
    assert json_lines('{\n"a": {"b": 1},\n"c": ["d"]\n}') == {"a": 2, "c": 3}


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("", "empty"),
        ("\x00\x01", "binary"),
        ('{"a": 1,}', "Line 1"),
        ('{\n"a": 1\n"b": 2\n}', "Line 3"),
        ("a: 1\nb: [2\n", "Line 3"),
        ("- a\n- b\n", "list"),
        ("just words", "str"),
        ('{"colour": "red"}', "None of its keys"),
    ],
)
def test_what_is_no_config_gets_one_sentence(written: str, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        audit(written)


def test_an_unknown_engine_or_script_is_refused() -> None:
    with pytest.raises(BadInput, match="paddlenlp"):
        audit(text(), "paddle")
    with pytest.raises(BadInput, match="run_dpo"):
        audit(text(), script="run_dp")


@pytest.mark.parametrize(
    ("name", "script"), [("kto_argument.json", "run_kto"), ("dpo.json", "run_dpo"), ("rm.json", "run_reward")]
)
def test_the_files_name_settles_a_draw(name: str, script: str) -> None:
    written = json.dumps({"output_dir": "o", "train_dataset_path": "t", "max_seq_len": 512, "do_train": True})
    assert audit(written, name=name).script == script


def test_yaml_values_are_those_that_the_engine_reads() -> None:
    assert read("a: no\nb: 1e-5\nc: 1.0e-5\n").values == {"a": False, "b": "1e-5", "c": 1.0e-5}


@pytest.mark.skipif(not SHARED.is_file(), reason="upstream's configs are not here")
def test_verdicts_agree_with_the_wheels_parsers() -> None:
    from bench.planner_audit import GROUNDED, results

    judged = list(results())
    assert sum(one.agrees for one in judged) >= 0.99 * len(judged)
    loud = [finding.code for one in judged if one.curated for finding in one.alarms]
    assert [code for code in loud if code not in GROUNDED] == []
    assert all(any(finding.severity == "fails" for finding in one.found) for one in judged
               if one.entry["model_conflicts"])  # fmt: skip


def test_pretraining_of_its_own_has_no_adapters_and_reads_its_tokenizer() -> None:
    """PaddleFormers' ernie_pretrain knows no LoRA (cli/train/ernie_pretrain/workflow.py:600)."""
    lines = [
        "stage: ernie_pretrain",
        "model_name_or_path: baidu/ERNIE-4.5-21B-A3B-Base-PT",
        "tokenizer_name_or_path: ./tokenizer",
        "dataset_type: pretrain",
        "input_dir: ./data",
        "output_dir: out",
        "max_steps: 10",
    ]
    own = audit("\n".join(lines))
    assert (own.stage, own.method) == ("pretrain", "full")
    assert not {"method.default-lora", "data.tokenizer"} & codes(own)
    tuned = audit("\n".join(["stage: PT", *lines[1:]]))
    assert tuned.method == "lora"
    assert {"method.default-lora", "data.tokenizer"} <= codes(tuned)


@pytest.mark.parametrize(
    ("key", "fix"),
    [
        ("learning_rat", "Did you mean `learning_rate`?"),
        ("use_intermediate_api", "Remove the line."),
        ("pipeline_schedule_mode", "Remove the line."),
    ],
)
def test_only_a_near_name_is_guessed(key: str, fix: str) -> None:
    found = audit(text(**{key + "_": 1} if key == "learning_rat" else {key: 1}))
    unknown = [one for one in found.findings if one.code == "parser.unknown"]
    assert [one.fix for one in unknown] == [fix]


def test_a_known_model_whose_degrees_do_not_fit_the_machine_is_not_asked_for_again() -> None:
    found = audit(text(tensor_parallel_degree=16), hardware=parse("8x A100-80G"))
    assert found.known
    assert found.fits is None
