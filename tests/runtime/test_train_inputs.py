"""What reaches the model: settings, tokens, masks; and what is refused, in one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runtime.data.chat_template import load_chat_template
from runtime.data.conversation import Conversation
from tests.runtime.train_setup import Runs, rows, run_lab, write_data
from tests.tiny_model import CHAT_TEMPLATE, SPECIALS

pytestmark = pytest.mark.engine

REFUSALS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown key": ({"lerning_rate": 1e-3}, "Did you mean `learning_rate`?"),
    "prefix of a key": ({"eval_step": 3}, "`eval_step` is not a setting"),
    "null": ({"lora_path": None}, "Leave the key out."),
    "wrong type": ({"max_steps": "many"}, "max_steps"),
    "bf16 O1 on the CPU": ({"bf16": True}, "float32"),
    "fp16 on the CPU": ({"fp16": True}, "`fp16` is on, but the device is cpu"),
    "flash attention on the CPU": ({"use_flash_attention": True}, "needs a GPU"),
    "flash mask on the CPU": ({"flash_mask": True}, "needs a GPU"),
    "tensor parallel on one process": ({"tensor_parallel_degree": 2}, "silently switch it off"),
    "packed prefix": (
        {"lora": False, "prefix_tuning": True, "unified_checkpoint": False},
        "packed rows share one",
    ),
    "unified VeRA": ({"lora": False, "vera": True}, "cannot hold what `vera` trains"),
    "few bits": ({"weight_quantize_algo": "nf4"}, "few bits"),
    "contradiction": ({"load_best_model_at_end": True, "save_strategy": "epoch"}, "load_best_model_at_end"),
}

REPEATING = {"src": ["Say Ahoy", "Again: Ahoy."], "tgt": ["Ahoy.", "Ahoy."]}
"""The second question ends with the first answer, which upstream's own function stumbles over."""


def listing(folder: Path) -> dict[str, list[int]]:
    """Return what would change if someone wrote into a folder."""
    return {path.name: [path.stat().st_size, path.stat().st_mtime_ns] for path in folder.iterdir()}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, tiny_paddle_model: Path) -> Runs:
    root = tmp_path_factory.mktemp("inputs")
    (root / "model.json").write_text(json.dumps(listing(tiny_paddle_model)), encoding="utf-8")
    return Runs(root, tiny_paddle_model, write_data(root / "data", rows(8), rows(3, seed=1)))


@pytest.fixture(scope="module")
def lab(runs: Runs, engine_python: Path) -> dict[str, dict[str, Any]]:
    """Every experiment of this file, in one engine process."""
    plain = str(runs.config("plain"))
    packed = str(runs.config("packed"))
    loose = str(runs.config("loose", zero_padding=False))
    long_rows = [{"src": ["sail " * 60], "tgt": ["yes"]}] * 2
    deaf = write_data(runs.root / "deaf", long_rows, [])
    mixed = write_data(runs.root / "mixed", [*rows(6), *long_rows], [])
    silent: dict[str, Any] = {
        "max_length": 128,
        "src_length": 128,
        "do_eval": False,
        "evaluation_strategy": "no",
    }
    experiments = [
        {"do": "refusal", "name": name, "config": str(runs.config(f"refusal {name}", **changes))}
        for name, (changes, _) in REFUSALS.items()
    ]
    experiments += [
        {"do": "refusal", "name": "good config", "config": plain},
        {"do": "batch", "name": "loose batch", "config": loose, "indices": [0, 1, 2]},
        {"do": "batch", "name": "packed batch", "config": packed, "indices": [0]},
        {"do": "encode", "name": "ordinary row", "config": plain, "row": rows(2)[1]},
        {"do": "encode", "name": "repeating row", "config": plain, "row": REPEATING},
        {"do": "slow_tokenizer", "name": "slow tokenizer", "folder": str(slow_tokenizer(runs.root / "slow"))},
        {
            "do": "paddle_template",
            "name": "paddle template",
            "file": paddle_template(runs.root),
            "turns": TURNS,
        },
        {"do": "answer_logits", "name": "answer logits", "config": loose},
        {"do": "norm", "name": "norm", "config": str(runs.config("norm", lora=False))},
        {"do": "train", "name": "deaf", "spec": runs.spec("deaf", dataset_name_or_path=deaf, **silent)},
        {"do": "train", "name": "mixed", "spec": runs.spec("mixed", dataset_name_or_path=mixed, **silent)},
        {
            "do": "train",
            "name": "attention",
            "spec": runs.spec(
                "attention", {"lora_target_modules": "attention", "lora_alpha": 12}, max_steps=2
            ),
        },
        {
            "do": "adapter",
            "name": "attention adapter",
            "config": plain,
            "adapter": str(runs.output("attention") / "adapter"),
        },
    ]
    for processes in (1, 2):
        for epoch in (0, 1):
            shape = {"rows": 7, "micro_batch_size": 2, "accumulation": 2 // processes, "processes": processes}
            experiments.append(
                {"do": "sampler", "name": f"sampler {processes} {epoch}", **shape, "epoch": epoch}
            )
    return run_lab(engine_python, 1, runs.root / "lab", experiments)


TURNS = [["a", "b"], ["c {user}", "d"]]


def paddle_template(folder: Path) -> str:
    """Write a `chat_template.json` in PaddleNLP's form, like those of its ChatGLM models; return its path."""
    pieces = {
        "system": "<sys>\n{{ system | default('Be kind.') }}\n",
        "conversation": ["\n  [{{index}}] Q: {{user}}\n", "A: {{bot}}\n"],
        "query": "\n  [{{index}}] Q: {{query}}\nA: ",
    }
    (folder / "chat_template.json").write_text(json.dumps(pieces), encoding="utf-8")
    return str(folder / "chat_template.json")


def test_paddlenlps_own_kind_of_template_is_rendered_as_it_renders_it(
    runs: Runs, lab: dict[str, Any]
) -> None:
    upstream, ours = lab["paddle template"], load_chat_template(runs.root)
    assert ours is not None
    parts = ours.parts(Conversation("", tuple((question, answer) for question, answer in TURNS)))
    whole = "".join(question + answer for question, answer in parts)
    assert whole == upstream["system"] + "".join(question + answer for question, answer in upstream["turns"])
    assert whole.removesuffix(parts[-1][1]) == upstream["prompt"]


def slow_tokenizer(folder: Path) -> Path:
    """Write a Qwen2 tokenizer in its slow form: vocab.json and merges.txt, no tokenizer.json."""
    from tokenizers import pre_tokenizers

    folder.mkdir()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate(alphabet)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    values = {
        "tokenizer_class": "Qwen2Tokenizer",
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "unk_token": None,
        "additional_special_tokens": SPECIALS[1:],
        "chat_template": CHAT_TEMPLATE,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(values), encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", REFUSALS)
def test_unusable_settings_are_refused_in_a_sentence(lab: dict[str, Any], name: str) -> None:
    sentence = lab[name]["sentence"]
    assert REFUSALS[name][1] in sentence
    assert "\n" not in sentence
    assert "Traceback" not in sentence


def test_good_config_is_accepted(lab: dict[str, Any]) -> None:
    assert lab["good config"]["sentence"] == ""


def test_padding_is_on_the_right_masked_and_carries_no_loss(lab: dict[str, Any]) -> None:
    batch = lab["loose batch"]
    width = len(batch["input_ids"][0])
    lengths = [sum(row) for row in batch["attention_mask"]]
    assert min(lengths) < max(lengths) == width, (
        "the rows must differ in length for this test to mean anything"
    )
    for ids, mask, labels, length in zip(
        batch["input_ids"], batch["attention_mask"], batch["labels"], lengths, strict=True
    ):
        assert mask == [1] * length + [0] * (width - length)
        assert ids[length:] == [batch["pad"]] * (width - length)
        assert labels[length:] == [-100] * (width - length)
        assert any(label != -100 for label in labels)


def test_packed_rows_see_only_themselves(lab: dict[str, Any]) -> None:
    mask = lab["packed batch"]["attention_mask"][0]
    mask = mask[0] if isinstance(mask[0][0], list) else mask
    starts = [row.index(True) if True in row else row.index(1) for row in mask]
    assert len(set(starts)) > 1, "the pack must hold several rows"
    for position, row in enumerate(mask):
        assert [bool(value) for value in row] == [
            starts[position] <= other <= position for other in range(len(row))
        ]


def test_line_breaks_between_turns_survive(lab: dict[str, Any]) -> None:
    assert "<|im_end|>\n<|im_start|>user" in lab["ordinary row"]["text"]
    assert lab["ordinary row"]["answers"].count("<|im_end|>\n") == 2


def test_slow_tokenizer_that_drops_line_breaks_is_refused(lab: dict[str, Any]) -> None:
    assert lab["slow tokenizer"]["loses"], (
        "upstream's slow tokenizer has changed; the check may no longer be needed"
    )
    assert "drops the line break" in lab["slow tokenizer"]["sentence"]


def test_tokens_equal_those_of_upstreams_own_function(lab: dict[str, Any]) -> None:
    assert lab["ordinary row"]["ours"] == lab["ordinary row"]["upstream"]


def test_question_that_repeats_an_answer_is_no_obstacle(lab: dict[str, Any]) -> None:
    assert lab["repeating row"]["answers"] == "Ahoy.<|im_end|>\nAhoy.<|im_end|>\n"


def test_rows_without_an_answer_token_are_not_trained_on_silently(runs: Runs, lab: dict[str, Any]) -> None:
    assert lab["deaf"]["code"] == 1
    assert "no row that could teach anything" in runs.messages("deaf")
    assert lab["mixed"]["code"] == 0
    assert "2 training row(s) have no answer token left and are not trained on." in runs.messages("mixed")
    assert all(loss > 0 for loss in runs.curve("mixed").values())


def test_logits_of_answers_alone_give_the_same_loss_and_gradients(lab: dict[str, Any]) -> None:
    measured = lab["answer logits"]
    assert measured["few"] == pytest.approx(measured["full"], abs=1e-5)
    assert measured["apart"] < 1e-4
    assert measured["widths"][1] < measured["widths"][0]


def test_norm_layers_of_the_cpu_equal_upstreams(lab: dict[str, Any]) -> None:
    assert lab["norm"]["compared"] > 10
    assert lab["norm"]["apart"] < 1e-5


def test_adapter_loads_with_upstreams_own_loader(lab: dict[str, Any]) -> None:
    adapter = lab["attention adapter"]
    assert adapter["moved"]
    assert adapter["adapted"] == ["k_proj", "o_proj", "q_proj", "v_proj"]
    assert adapter["scaling"] == 3.0


def test_sampler_gives_every_row_and_the_same_steps_to_any_number_of_processes(lab: dict[str, Any]) -> None:
    for epoch in (0, 1):
        one, two = (lab[f"sampler {processes} {epoch}"]["steps"] for processes in (1, 2))
        assert one == two
        assert {row for step in one for row in step} == set(range(7))
        assert [len(step) for step in one] == [4, 4]
    assert lab["sampler 1 0"] != lab["sampler 1 1"]


def test_nothing_is_written_into_the_model_folder(runs: Runs, lab: dict[str, Any]) -> None:
    assert listing(runs.model) == json.loads((runs.root / "model.json").read_text(encoding="utf-8"))
