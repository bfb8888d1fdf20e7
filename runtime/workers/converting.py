"""Convert a Hugging Face folder to a PaddleNLP folder, prove it, and keep it for the next run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from runtime.workers.convert_proof import prove_logits, prove_tokenizer, prove_weights
from runtime.workers.convert_weights import (
    differing_weights,
    model_class,
    plan_tensors,
    write_config,
    write_weights,
)
from runtime.workers.folder_manifest import describe, difference, publish, verify
from runtime.workers.hf_load import linked_view, tokenizer_config_for_paddlenlp
from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say
from runtime.workers.stage_run import Stage
from runtime.workers.tensor_files import folder_entries

FORMAT = 2
"""Raise it when a conversion would write something else; older cached ones are then made again."""

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "vocab.json",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
)


class Witness:
    """An emitter that also remembers the proofs, so that a cached folder can show them again."""

    def __init__(self, emitter: Any) -> None:
        self.emitter = emitter
        self.proofs: list[dict[str, Any]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.emitter, name)

    def proof(self, name: str, passed: bool, sentence: str, **measured: Any) -> None:
        """Emit a proof and remember it."""
        self.emitter.proof(name, passed, sentence, **measured)
        self.proofs.append({"name": name, "passed": passed, "sentence": sentence, **measured})


def work(spec: dict[str, Any], stage: Stage) -> tuple[dict[str, str], dict[str, Any]]:
    """Do the stage. The source is only read; the destination appears complete and proven or not at all."""
    source, destination = Path(spec["source_folder"]), Path(spec["destination"])
    tolerance = float(spec.get("tolerance", 1e-4))
    config = read_config(source)
    if cached := reusable(source, destination, tolerance):
        stage.emitter.log(
            say(
                "Reusing {destination}: converted and proven before, and unchanged since.",
                destination=destination,
            )
        )
        for proof in cached:
            stage.emitter.proof(**proof)
        return {"model": str(destination)}, {"reused": True}
    partial = destination.with_name(f".partial-{destination.name}")
    shutil.rmtree(partial, ignore_errors=True)
    destination.parent.mkdir(parents=True, exist_ok=True)
    partial.mkdir()
    witness = Witness(stage.emitter)
    try:
        convert(source, partial, config, tolerance, Stage(witness, stage.stop))  # type: ignore[arg-type]
        stage.emitter.progress(1, 1, "steps", "saving")
        about = {
            "format": FORMAT,
            "source": str(source),
            "source_files": describe(source),
            "proofs": witness.proofs,
        }
        publish(partial, destination, about)
    except OSError as error:
        if "No space left on device" in str(error):
            raise RefusedError(
                say("The disk that holds {parent} is full.", parent=destination.parent),
                remedy=say("Free some space, then resume."),
            ) from error
        raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return {"model": str(destination)}, {"reused": False}


def read_config(source: Path) -> dict[str, Any]:
    """Return the source's config.json; `RefusedError` names what is wrong with it."""
    path = source / "config.json"
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RefusedError(
            say("{source} has no config.json.", source=source), say("It is no Hugging Face model folder.")
        ) from None
    except (OSError, ValueError) as error:
        raise RefusedError(
            say("{path} cannot be read: {error}.", path=path, error=error), "", say("Fetch the model again.")
        ) from None
    return values


def reusable(source: Path, destination: Path, tolerance: float) -> list[dict[str, Any]]:
    """Return the proofs of an earlier conversion of exactly this source; nothing if it must be done again."""
    about, _ = verify(destination)
    if about is None or about.get("format") != FORMAT or difference(source, about.get("source_files", {})):
        return []
    proofs: list[dict[str, Any]] = about.get("proofs", [])
    measured = [proof["max_difference"] for proof in proofs if "max_difference" in proof]
    if not all(proof.get("passed") for proof in proofs) or any(value > tolerance for value in measured):
        return []
    return proofs


def convert(source: Path, folder: Path, config: dict[str, Any], tolerance: float, stage: Stage) -> None:
    """Fill `folder` from `source` and emit the three proofs; `RefusedError` if one fails."""
    entries = folder_entries(source)
    with linked_view(source) as view:
        model = model_class(json.loads((view / "config.json").read_text(encoding="utf-8")))
        from paddlenlp.transformers import AutoConfig

        mappings = model._get_name_mappings(AutoConfig.from_pretrained(str(view)))
        planned = plan_tensors(entries, mappings, bool(config.get("tie_word_embeddings")))
        write_config(view, model, planned, folder)
    write_weights(planned, folder, stage)
    write_tokenizer(source, folder)
    from paddlenlp.transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    proven = prove_weights(planned, differing_weights(planned, folder, stage), stage)
    proven = prove_tokenizer(folder, tokenizer, stage) and proven
    proven = proven and prove_logits(source, folder, tokenizer, tolerance, stage)
    if not proven:
        raise RefusedError(
            say("The converted model is not the same as the original."),
            say("A proof of the conversion failed; see the proofs of this stage."),
            say("Do not train on it. Fetch the model again, or report this model."),
        )


def write_tokenizer(source: Path, folder: Path) -> None:
    """Carry the tokenizer over: class name in PaddleNLP's spelling, chat template in the config."""
    for name in TOKENIZER_FILES:
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)
    values = tokenizer_config_for_paddlenlp(source)
    # PaddleNLP's default asks for token types, which these models do not have, and for no mask.
    values["model_input_names"] = ["input_ids", "attention_mask"]
    text = json.dumps(values, ensure_ascii=False, indent=2)
    (folder / "tokenizer_config.json").write_text(text + "\n", encoding="utf-8")
