"""Train a model whose layers are spread over processes, one stage each: PaddleNLP's pipeline, made exact.

What upstream leaves to chance and is settled here: a mask of whole numbers is taken for position ids on a GPU
(`transformers/llama/modeling_pp.py:158-170` tells masks and positions apart by their number format), so masks
reach the pipeline as true and false, and not at all where later tokens are hidden anyway; every
micro-batch has one length, because sizes are exchanged once; and the dev loss counts every answer token of
every row once, where upstream repeats rows to fill the last batch and averages averages.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paddle

from runtime.workers.conversation import IGNORED
from runtime.workers.evaluation import TokenMean
from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say

DEGREE = "pipeline_parallel_degree"

WHOLE_MODEL = {
    "vera": "VeRA",
    "lokr": "LoKr",
    "prefix_tuning": "prefix tuning",
    "reft": "ReFT",
    "pissa": "PiSSA",
    "use_mora": "MoRA",
    "lora_use_mixer": "MosLoRA",
    "use_ssa": "LongLoRA",
    "eval_with_do_generation": "evaluation by generation",
}
"""Settings whose work needs the whole model in one process -> their names. PaddleNLP 3.0.0b4:
peft/vera/vera_model.py:47-50, peft/lokr/lokr_model.py:65-70, llm/run_finetune.py:507-509,
peft/lora/lora_model.py:157-160; ReFT's interventions hook the layers of a plain model."""


def check(values: dict[str, Any], path: str | Path) -> None:
    """Refuse what cannot go with the pipeline that a config asks for; raises `RefusedError`."""
    degree = int(values.get(DEGREE, -1))
    if degree <= 1:
        return
    for key, title in WHOLE_MODEL.items():
        if values.get(key):
            raise RefusedError(
                say(
                    "{path}: {title} does not work in a pipeline of {degree}.",
                    path=path,
                    title=title,
                    degree=degree,
                ),
                say("Each process holds some of the layers, and it needs them all."),
                say("Leave out `{key}` or `pipeline_parallel_degree`.", key=key),
            )
    sharding = str(values.get("sharding", "")).split()[:1]
    if sharding and sharding[0] not in ("", "stage1"):
        raise RefusedError(
            say("{path}: sharding {stage} does not work in a pipeline.", path=path, stage=sharding[0]),
            remedy=say("Set `sharding` to stage1 or leave it out."),
        )


def in_pipeline(training: Any) -> bool:
    """Return whether the layers are spread over processes."""
    return int(getattr(training, DEGREE, 1)) > 1


def load(source: str, config: Any) -> Any:
    """Return this process's stage of the model in the folder `source`."""
    from paddlenlp.transformers import AutoModelForCausalLMPipe

    if paddle.device.get_device() == "cpu":
        from runtime.workers import pipeline_on_cpu

        pipeline_on_cpu.install()
    try:
        stage = AutoModelForCausalLMPipe.from_pretrained(source, config=config)
    except (ImportError, AttributeError) as error:
        if "Pipe" not in str(error):
            raise
        raise RefusedError(
            say("PaddleNLP has no pipeline for a model of type {kind}.", kind=config.model_type),
            remedy=say("Leave out `pipeline_parallel_degree`."),
        ) from error
    count_tied_weights_once(stage)
    return stage


def count_tied_weights_once(stage: Any) -> None:
    """Mark the copies of weights that several stages share, for the norm by which gradients are clipped.

    Paddle means to, and compares the wrong names (paddlepaddle 3.3.1, pp_layers.py:759-762): an embedding
    tied to the output layer counts twice, and every gradient is clipped too much.
    """
    for shared in getattr(stage, "shared_comm", {}).values():
        if stage.global_rank != min(shared["ranks"]):
            for name in shared["weight_attr"]:
                getattr(shared["layer"], name).is_firstly_shared = False


def embedding(model: Any) -> Any:
    """Return the layer that embeds tokens; None on a stage that has none."""
    layers = (layer for name, layer in model.named_sublayers() if name.endswith("embed_tokens"))
    return next(layers, None)


def inputs_for(inputs: dict[str, Any]) -> dict[str, Any]:
    """Return a micro-batch as the stages take it: tokens and labels, and a mask where it says anything.

    Rows are padded on the right, so that without a mask no token sees padding either: a token sees only
    those before it. Packed rows keep theirs, [rows, 1, length, length] of true and false.
    """
    kept: dict[str, Any] = {
        name: inputs[name] for name in ("input_ids", "labels", "position_ids") if name in inputs
    }
    if "attn_mask_startend_row_indices" in inputs:
        kept["attn_mask_startend_row_indices"] = inputs["attn_mask_startend_row_indices"].astype("int32")
        return kept
    mask = inputs.get("attention_mask")
    if mask is not None and len(mask.shape) > 2:
        rows, length = inputs["input_ids"].shape
        kept["attention_mask"] = mask.astype("bool").reshape([rows, 1, length, length])
    return kept


@contextlib.contextmanager
def as_one_model(trainer: Any) -> Iterator[None]:
    """Let a pipeline save as one model: tensors of all stages under the plain model's names, with an index.

    That is PaddleNLP's unified checkpoint; otherwise every stage writes a file that only a pipeline of as
    many stages reads.
    """
    training = trainer.args
    if not in_pipeline(training) or training.unified_checkpoint:
        yield
        return
    from paddlenlp.trainer.unified_checkpoint import UnifiedCheckpointHandler

    training.unified_checkpoint = True
    trainer.unified_checkpoint_handler = UnifiedCheckpointHandler(training)
    try:
        yield
    finally:
        training.unified_checkpoint = False


def look(model: Any, inputs: dict[str, Any], mean: TokenMean) -> None:
    """Add the loss of a dev batch to `mean`, on the last stage; every stage must call it.

    `model` is the wrapped one (fleet's PipelineParallel). Its micro-batches are of a fixed number of rows:
    what is missing is filled with rows without labels, which do not count.
    """
    rows, pieces = model.micro_batch_size, model.accumulate_steps
    whole = inputs_for(filled(inputs, rows * pieces))
    labels = whole["labels"]
    model._p2p_helper.clear_meta_cache()  # training and evaluation share it, and their sizes may differ
    with paddle.no_grad():
        model.eval_batch(model._layers._prepare_pipeline_inputs_func(whole), compute_loss=True)
    model._p2p_helper.clear_meta_cache()
    if not model.is_pipeline_last_stage(ignore_virtual=True):
        return
    share = 1 if model._delay_scale_loss else pieces
    for index in range(pieces):
        piece = labels[index * rows : (index + 1) * rows]
        if bool((piece != IGNORED).any()):
            mean.add(model.total_loss[0][index] * share, piece)


def filled(inputs: dict[str, Any], rows: int) -> dict[str, Any]:
    """Return a batch of exactly `rows` rows: the first is repeated, without labels."""
    missing = rows - inputs["input_ids"].shape[0]
    if missing == 0:
        return dict(inputs)
    more = {name: paddle.concat([value, *[value[:1]] * missing]) for name, value in inputs.items()}
    more["labels"][-missing:] = IGNORED
    return more
