"""Write the pieces of a checkpoint as one PaddleNLP folder, proven by cutting it again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from runtime.workers.convert_weights import model_class
from runtime.workers.hf_load import tied_names
from runtime.workers.refusal import RefusedError
from runtime.workers.shards import (
    RAW,
    Ranks,
    distributed_folder,
    joined_pieces,
    joined_ranks,
    joins_of,
    rank_files,
    write_raw,
)
from runtime.workers.speech import say
from runtime.workers.stage_run import Stage
from runtime.workers.tensor_files import Planned, folder_entries, stored_array, write_safetensors
from runtime.workers.weights_pickle import read_arrays

SMALL = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.json",
    "chat_template.jinja",
)
"""Files of a PaddleNLP folder that are not weights."""


def in_pieces(folder: Path) -> bool:
    """Return whether a folder's weights must be put together, or unpacked, first."""
    return distributed_folder(folder) is not None or rank_files(folder) is not None


def config_folder(folder: Path) -> Path:
    """Return the folder with config.json: the checkpoint's own, or the one around it."""
    for place in (folder, folder.parent):
        if (place / "config.json").is_file():
            return place
    raise RefusedError(
        say("{folder} has no config.json.", folder=folder),
        say("Without it nobody knows what model the pieces belong to."),
        say("Copy the config.json of the model into the folder."),
    )


def join_folder(source: Path, folder: Path, stage: Stage) -> None:
    """Write the model in `source` into the existing, empty `folder` as PaddleNLP's safetensors; prove it."""

    settings = config_folder(source)
    for name in SMALL:
        if (settings / name).is_file():
            shutil.copyfile(settings / name, folder / name)
    ranks = None if distributed_folder(source) else rank_files(source)
    values = json.loads((settings / "config.json").read_text(encoding="utf-8"))
    model = model_class(values)
    stage.emitter.progress(0, 1, "steps", say("putting the pieces together"))
    if ranks is not None:
        cuts = cut_tensors(model, settings, ranks)
        tensors = joined_ranks(ranks, cuts)
    else:
        place = distributed_folder(source)
        assert place is not None
        tensors = joined_pieces(place)
    raw = folder / RAW
    try:
        entries = write_raw(tensors, raw)
        planned = [Planned(name, entry, False) for name, entry in entries.items()]

        def each(done: int, total: int) -> None:
            stage.emitter.progress(done, total, "bytes", say("writing weights"))
            stage.check_stop()

        write_safetensors(planned, folder, "np", each)
    finally:
        raw.unlink(missing_ok=True)
    write_plain_config(folder, values)
    if ranks is not None and ranks.tensor_parallel_degree > 1:
        prove_cuts(model, settings, ranks, folder, stage)
    prove_names(model, folder, stage)


def cut_tensors(model: Any, settings: Path, ranks: Ranks) -> dict[str, Any]:
    """Return how the slices of each cut tensor go together; nothing when there is only one slice."""
    degree = ranks.tensor_parallel_degree
    if degree == 1:
        return {}
    names = list(dict.fromkeys(name for stage in ranks.files for name in read_arrays(stage[0])))
    return joins_of(model, plain_config(settings, model), degree, names)


def plain_config(folder: Path, model: Any) -> Any:
    """Return the folder's config as PaddleNLP reads it, for the causal language model `model`."""
    from paddlenlp.transformers import AutoConfig

    config = AutoConfig.from_pretrained(str(folder))
    config.architectures = [model.__name__]
    return config


def write_plain_config(folder: Path, values: dict[str, Any]) -> None:
    """Write config.json of the whole model: it is no longer cut."""

    values = {**values, "tensor_parallel_degree": 1, "tensor_parallel_rank": 0}
    (folder / "config.json").write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def prove_cuts(model: Any, settings: Path, ranks: Ranks, folder: Path, stage: Stage) -> None:
    """Emit `join.weights`: cutting the joined tensors as PaddleNLP does gives every rank's file again."""
    written = folder_entries(folder)
    wrong, count = [], 0
    for rank in range(ranks.tensor_parallel_degree):
        config = plain_config(settings, model)
        config.tensor_parallel_degree, config.tensor_parallel_rank = ranks.tensor_parallel_degree, rank
        for files in ranks.files:
            arrays = read_arrays(files[rank])
            cuts = model.get_tensor_parallel_convert_actions(
                config, list(arrays), is_split=True, ignore_error=True
            )
            for name, array in arrays.items():
                whole = np.array(stored_array(written[name]))
                part = np.asarray(cuts[name](whole)) if name in cuts else whole
                count += 1
                if part.shape != array.shape or part.tobytes() != np.ascontiguousarray(array).tobytes():
                    wrong.append(name)
                stage.check_stop()
    sentence = say(
        "Cut again, the joined tensors give all {count} slices of the {ranks} files bit for bit.",
        count=count,
        ranks=sum(map(len, ranks.files)),
    )
    if wrong:
        sentence = say("{count} slices differ, the first is of {name}.", count=len(wrong), name=wrong[0])
    stage.emitter.proof("join.weights", not wrong, sentence, slices=count, different=len(wrong))
    if wrong:
        raise RefusedError(say("The joined model is not what the processes saved."), sentence)


def prove_names(model: Any, folder: Path, stage: Stage) -> None:
    """Emit `join.names`: the files hold exactly the weights that the model's class has, in name and shape."""
    import paddle
    from paddlenlp.transformers.model_utils import no_init_weights

    with no_init_weights(_enable=True), paddle.LazyGuard():  # only names and shapes: no memory for weights
        skeleton = model(plain_config(folder, model))
    wanted = {name: tuple(value.shape) for name, value in skeleton.state_dict().items()}
    found = {name: entry.shape for name, entry in folder_entries(folder).items()}
    tied = tied_names(skeleton)
    wrong = sorted(
        name
        for name in wanted.keys() | found.keys()
        if name not in tied and wanted.get(name) != found.get(name)
    )
    sentence = say("All {count} tensors of the model are there, in its shapes.", count=len(wanted))
    if wrong:
        sentence = say(
            "{count} tensors do not fit the model of config.json, the first is {name}.",
            count=len(wrong),
            name=wrong[0],
        )
    stage.emitter.proof("join.names", not wrong, sentence, tensors=len(wanted), different=len(wrong))
    if wrong:
        raise RefusedError(
            say("The joined checkpoint is not the model of its config.json."),
            sentence,
            say("Files of some processes are missing, or config.json is of another model."),
        )
