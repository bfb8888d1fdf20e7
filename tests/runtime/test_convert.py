"""The convert stage in the real engine: every family, precision and layout; proofs that can fail."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from safetensors.numpy import load_file, save_file

from runtime.paths import PROJECT
from runtime.workers.folder_manifest import verify
from tests.runtime.model_folders import edit_json, fingerprint, on_small_disk, rewrite
from tests.tiny_model import write_tiny_llama

pytestmark = pytest.mark.engine

DRIVER = """
import sys
sys.path.insert(0, sys.argv[1])
import start
start.register_package()
from runtime.workers import convert
{sabotage}
for spec in sys.argv[2:]:
    convert.main(start.read_spec(spec), [])
"""
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
PROOFS = ["convert.weights", "convert.tokenizer", "convert.logits"]


class Outcome:
    """What a conversion left: its events and, if it succeeded, its result."""

    def __init__(self, stage: Path) -> None:
        self.events = [json.loads(line) for line in (stage / "events-rank0.jsonl").read_text().splitlines()]
        self.proofs = [event for event in self.events if event["kind"] == "proof"]
        self.error = next((event["what"] for event in self.events if event["kind"] == "error"), "")
        result = stage / "result.json"
        self.model = Path(json.loads(result.read_text())["outputs"]["model"]) if result.exists() else None


def convert(
    engine: Path, folder: Path, sources: dict[str, Path], sabotage: str = "", disk: str = ""
) -> dict[str, Outcome]:
    """Convert the sources one after the other in one engine process; return name -> outcome."""
    specs = []
    for name, source in sources.items():
        stage = folder / "stages" / name
        shutil.rmtree(stage, ignore_errors=True)
        stage.mkdir(parents=True)
        values = {
            "stage": "convert",
            "stage_folder": str(stage),
            "source_folder": str(source),
            "destination": str(folder / "converted" / name),
            "tolerance": 1e-4,
        }
        (stage / "spec.json").write_text(json.dumps(values))
        specs.append(str(stage / "spec.json"))
    command = [
        str(engine),
        "-c",
        DRIVER.format(sabotage=sabotage),
        str(PROJECT / "runtime" / "workers"),
        *specs,
    ]
    if disk:
        (folder / "converted").mkdir()
        command = on_small_disk(folder / "converted", disk, command)
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr[-3000:]
    return {name: Outcome(folder / "stages" / name) for name in sources}


def write_sources(folder: Path) -> dict[str, Path]:
    sources = {
        "llama-tied": write_tiny_llama(folder / "a", seed=1),
        "llama-untied": write_tiny_llama(folder / "b", tied=False, seed=2),
        "llama-sharded-bf16": rewrite(
            write_tiny_llama(folder / "c", tied=False, seed=3), bfloat16=True, shards=2
        ),
        "qwen2-tied": write_tiny_llama(folder / "d", model_type="qwen2", seed=4),
        "qwen2-untied": write_tiny_llama(folder / "e", model_type="qwen2", tied=False, seed=5),
        "mistral": write_tiny_llama(folder / "f", model_type="mistral", tied=False, seed=6),
        "llama3-scaled": write_tiny_llama(folder / "g", heads=2, kv_heads=1, seed=7),
        "square-heads": write_tiny_llama(folder / "h", kv_heads=4, tied=False, seed=8),
    }
    edit_json(
        sources["mistral"] / "config.json",
        architectures=["MistralForCausalLM"],
        sliding_window=None,
        head_dim=16,
    )
    edit_json(sources["llama3-scaled"] / "config.json", rope_scaling=LLAMA3)
    # As Qwen2.5 ships it: the name of the slow class, and special tokens as plain strings.
    edit_json(
        sources["qwen2-untied"] / "tokenizer_config.json",
        tokenizer_class="Qwen2Tokenizer",
        additional_special_tokens=["<|im_start|>", "<|im_end|>"],
        bos_token=None,
        eos_token="<|endoftext|>",
    )
    # As PaddleNLP's own models have it, which its loader would let win over the config.
    (sources["square-heads"] / "chat_template.json").write_text(
        '{"conversation": ["Q: {{user}}", "A: {{bot}}"]}'
    )
    # As newer releases of transformers write it.
    template = json.loads((sources["llama-untied"] / "tokenizer_config.json").read_text())["chat_template"]
    (sources["llama-untied"] / "chat_template.jinja").write_text(template)
    edit_json(
        sources["llama-untied"] / "tokenizer_config.json",
        tokenizer_class="TokenizersBackend",
        chat_template=None,
    )
    return sources


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_sources(tmp_path_factory.mktemp("sources"))


@pytest.fixture(scope="module")
def outcomes(
    engine_python: Path, sources: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Outcome]:
    """Everything converted once, from folders that nobody may write to."""
    before = {name: fingerprint(source) for name, source in sources.items()}
    for source in sources.values():
        source.chmod(0o555)
    converted = convert(engine_python, tmp_path_factory.mktemp("convert"), sources)
    for source in sources.values():
        source.chmod(0o755)
    assert {name: fingerprint(source) for name, source in sources.items()} == before, "a source was changed"
    return converted


@pytest.mark.parametrize(
    "name",
    [
        "llama-tied",
        "llama-untied",
        "llama-sharded-bf16",
        "qwen2-tied",
        "qwen2-untied",
        "mistral",
        "llama3-scaled",
        "square-heads",
    ],
)
def test_every_layout_converts_with_all_proofs(name: str, outcomes: dict[str, Outcome]) -> None:
    outcome = outcomes[name]
    assert outcome.model is not None, outcome.error
    assert [proof["name"] for proof in outcome.proofs] == PROOFS
    assert all(proof["passed"] for proof in outcome.proofs)
    logits = outcome.proofs[-1]["measured"]
    assert logits["compared"] == "logits" and 0 < logits["max_difference"] <= 1e-4
    about, flaw = verify(outcome.model)
    assert about is not None, flaw
    kept = json.loads((outcome.model / "tokenizer_config.json").read_text())
    assert kept["tokenizer_class"] == "PretrainedTokenizerFast" and kept["chat_template"]
    assert not list(outcome.model.glob("*.pdparams"))


def test_the_chat_template_comes_along_from_any_file(outcomes: dict[str, Outcome]) -> None:
    for name, said in (("square-heads", "Q: "), ("llama-untied", "im_start")):
        model = outcomes[name].model
        assert model is not None and not (model / "chat_template.json").exists()
        assert said in json.loads((model / "tokenizer_config.json").read_text())["chat_template"]


def test_precision_is_kept_and_float32_is_what_it_computes_in(outcomes: dict[str, Outcome]) -> None:
    model = outcomes["llama-sharded-bf16"].model
    assert model is not None
    assert json.loads((model / "config.json").read_text())["dtype"] == "bfloat16"
    with (model / "model.safetensors").open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    assert {entry["dtype"] for name, entry in header.items() if name != "__metadata__"} == {"BF16"}


def test_a_second_conversion_is_reused_with_its_proofs_until_something_changes(
    engine_python: Path, tmp_path: Path
) -> None:
    source = write_tiny_llama(tmp_path / "source", seed=20)
    first = convert(engine_python, tmp_path, {"model": source})["model"]
    assert first.model is not None
    second = convert(engine_python, tmp_path, {"model": source})["model"]
    assert [proof["sentence"] for proof in second.proofs] == [proof["sentence"] for proof in first.proofs]
    assert any("Reusing" in event.get("message", "") for event in second.events)

    weights = first.model / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    write_tiny_llama(tmp_path / "other", seed=21)
    third = convert(engine_python, tmp_path, {"model": source})["model"]
    assert not any("Reusing" in event.get("message", "") for event in third.events), "a torn cache was used"
    assert third.model is not None and weights.read_bytes() != bytes(data)

    shutil.copyfile(tmp_path / "other" / "model.safetensors", source / "model.safetensors")
    fourth = convert(engine_python, tmp_path, {"model": source})["model"]
    assert not any("Reusing" in event.get("message", "") for event in fourth.events), (
        "another source, same result"
    )


WRONG_BIT = """
from runtime.workers import converting
write = converting.write_weights
def tampering(planned, folder, stage):
    write(planned, folder, stage)
    path = folder / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
converting.write_weights = tampering
"""
NOT_TRANSPOSED = """
from runtime.workers import converting
plan = converting.plan_tensors
def forgetful(*arguments):
    for tensor in plan(*arguments):
        yield tensor._replace(transposed=tensor.transposed and "o_proj" not in tensor.name)
converting.plan_tensors = lambda *arguments: list(forgetful(*arguments))
"""
SLOW_TOKENIZER = """
import json
from runtime.workers import converting
def as_it_is(folder):
    return json.loads((folder / "tokenizer_config.json").read_text())
converting.tokenizer_config_for_paddlenlp = as_it_is
"""


@pytest.mark.parametrize(
    ("sabotage", "failing"),
    [
        (WRONG_BIT, "convert.weights"),
        (NOT_TRANSPOSED, "convert.logits"),
        (SLOW_TOKENIZER, "convert.tokenizer"),
    ],
)
def test_a_wrong_conversion_fails_its_proof_and_leaves_nothing(
    sabotage: str, failing: str, engine_python: Path, tmp_path: Path
) -> None:
    source = write_tiny_llama(tmp_path / "source", model_type="qwen2", kv_heads=4, tied=False)
    edit_json(
        source / "tokenizer_config.json",
        tokenizer_class="Qwen2Tokenizer",
        additional_special_tokens=["<|im_start|>", "<|im_end|>"],
        bos_token=None,
        eos_token="<|endoftext|>",
    )
    vocabulary = json.loads((source / "tokenizer.json").read_text())["model"]["vocab"]
    (source / "vocab.json").write_text(json.dumps(vocabulary))
    (source / "merges.txt").write_text("#version: 0.2\n")
    outcome = convert(engine_python, tmp_path, {"model": source}, sabotage)["model"]
    assert [proof["name"] for proof in outcome.proofs if not proof["passed"]] == [failing]
    assert outcome.model is None and "not the same as the original" in outcome.error
    assert list((tmp_path / "converted").iterdir()) == []


def test_an_architecture_without_independent_forward_rests_on_its_weights_and_says_so(
    engine_python: Path, tmp_path: Path
) -> None:
    source = write_tiny_llama(tmp_path / "source")
    edit_json(source / "config.json", hidden_act="gelu")
    proof = convert(engine_python, tmp_path, {"model": source})["model"].proofs[-1]
    assert proof["passed"] and proof["measured"] == {"compared": "weights"}
    assert "logits were not compared, because its activation gelu is not known" in proof["sentence"]


def cut_off(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def lose_a_shard(folder: Path) -> None:
    rewrite(folder, shards=2)
    (folder / "model-00002-of-00002.safetensors").unlink()


def lose_the_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def break_the_config(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": ')


def unknown_architecture(folder: Path) -> None:
    edit_json(folder / "config.json", architectures=["FancyForCausalLM"], model_type="fancy")


def add_a_weight(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors["model.layers.0.self_attn.q_norm.weight"] = tensors["model.norm.weight"]
    save_file(tensors, str(folder / "model.safetensors"), metadata={"format": "pt"})


def test_a_broken_source_is_one_sentence(engine_python: Path, tmp_path: Path) -> None:
    flaws = {
        cut_off: "cut off inside the tensor",
        lose_a_shard: "lacks the weight file model-00002-of-00002.safetensors",
        lose_the_config: "has no config.json",
        break_the_config: "config.json cannot be read",
        unknown_architecture: "PaddleNLP has no causal language model",
        add_a_weight: "model.layers.0.self_attn.q_norm.weight",
    }
    sources = {}
    for flaw in flaws:
        sources[flaw.__name__] = write_tiny_llama(tmp_path / "sources" / flaw.__name__)
        flaw(sources[flaw.__name__])
    outcomes = convert(engine_python, tmp_path, sources)
    for flaw, expected in flaws.items():
        outcome = outcomes[flaw.__name__]
        assert outcome.model is None and expected in outcome.error, (flaw.__name__, outcome.error)
        assert not (tmp_path / "converted" / flaw.__name__).exists()


def test_a_stop_ends_cleanly_and_leaves_no_destination(engine_python: Path, tmp_path: Path) -> None:
    source = write_tiny_llama(tmp_path / "source")
    stop_early = "from pathlib import Path\nPath(sys.argv[2]).with_name('stop').touch()"
    outcome = convert(engine_python, tmp_path, {"model": source}, stop_early)["model"]
    assert outcome.model is None and outcome.events[-1]["state"] == "stopped"
    assert list((tmp_path / "converted").iterdir()) == []


def test_a_full_disk_is_one_sentence(engine_python: Path, tmp_path: Path) -> None:
    source = write_tiny_llama(tmp_path / "source")
    outcome = convert(engine_python, tmp_path, {"model": source}, disk="250k")["model"]
    assert outcome.model is None and "is full" in outcome.error
