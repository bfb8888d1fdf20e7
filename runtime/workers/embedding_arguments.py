"""Read the config of an embedding fine-tune: the JSON of upstream's `llm/run_embedding.py`.

`EmbeddingArgument` stands beside the script and not in the package (PaddleNLP 3.0.0b4,
llm/utils/argument.py:40), so its fields are declared here. The script trains every weight of qwen2 models;
here any causal language model is trained, and an adapter that the plan asks for stands in the specification's
extras.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from paddlenlp.trl import DataConfig, ModelConfig, SFTConfig

from runtime.workers import pretrain_arguments, sft_arguments
from runtime.workers.refusal import RefusedError
from runtime.workers.sft_arguments import GenerateArgument, ReftArgument
from runtime.workers.speech import say

TEXT = "{text}"


@dataclass
class EmbeddingArgument:
    """Lengths are in tokens. Upstream's templates ask for a word that sums the text up; ours add nothing."""

    max_query_len: int = field(default=512)
    max_passage_len: int = field(default=512)
    group_size: int = field(default=8)
    query_template: str = field(default=TEXT)
    passage_template: str = field(default=TEXT)
    embedding_temperature: float = field(default=0.02)
    embedding_negatives_cross_device: bool = field(default=True)
    embedding_matryoshka_dims: list[int] = field(default_factory=list)
    loss_type: str = field(default="contrastive")
    inf_cl_head_dim: int = field(default=64)
    return_position_ids: bool = field(default=False)


DATACLASSES = (ModelConfig, DataConfig, SFTConfig, EmbeddingArgument)


class Arguments(NamedTuple):
    """The parsed config, in the shape of `sft_arguments.Arguments` with the embedding's own part."""

    generation: GenerateArgument
    model: ModelConfig
    reft: ReftArgument
    data: DataConfig
    training: SFTConfig
    embedding: EmbeddingArgument


def parse(path: str | Path, extras: dict[str, Any], processes: int | None = None) -> Arguments:
    """Return the config at `path`, checked; raises `RefusedError` with a sentence that names the key."""
    model, data, training, embedding = sft_arguments.parse_into(DATACLASSES, path, processes)
    check(embedding, path)
    if max(training.tensor_parallel_degree, training.pipeline_parallel_degree) > 1:
        raise RefusedError(
            say("{path}: embeddings are trained without splitting the model.", path=path),
            remedy=say("Use data parallelism or sharding."),
        )
    pretrain_arguments.adapt(model, extras)
    data.max_length = max(embedding.max_query_len, embedding.max_passage_len)
    return Arguments(GenerateArgument(), model, ReftArgument(), data, training, embedding)


def check(embedding: EmbeddingArgument, path: str | Path) -> None:
    """Refuse what is not computed here, above all what upstream would accept and not compute either."""
    if embedding.loss_type != "contrastive":
        raise RefusedError(
            say("{path}: `loss_type` {name} is not computed here.", path=path, name=embedding.loss_type),
            say("Upstream ignores it without gradient accumulation, and needs GPU kernels with it."),
            say("Set `loss_type` to contrastive."),
        )
    for name in ("query_template", "passage_template"):
        if getattr(embedding, name).count(TEXT) != 1:
            raise RefusedError(
                say("{path}: `{key}` must hold {text} once.", path=path, key=name, text=TEXT),
                remedy=say("Write it as {text}, or with words around it.", text=TEXT),
            )
    if embedding.group_size < 1 or embedding.embedding_temperature <= 0:
        raise RefusedError(
            say("{path}: `group_size` and `embedding_temperature` must be above 0.", path=path)
        )
