"""Train, resume, merge and answer with every method in one engine process: importing Paddle takes longest.

`<engine python> methods_lab.py LAB.json`, with the same list as `engine_lab.py` and more things to do.
"""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

import engine_lab
import numpy as np
import paddle
from paddlenlp.peft import (
    LoRAModel,
    PrefixConfig,
    PrefixModelForCausalLM,
    ReFTModel,
    VeRAConfig,
    VeRAModel,
)
from paddlenlp.peft.reft import LoreftIntervention, ReFTConfig
from paddlenlp.transformers import longlora
from paddlenlp.transformers.llama import modeling as llama
from paddlenlp.trl.llm_utils import get_lora_target_modules, get_prefix_tuning_params

from runtime.workers import answering, decoding, merging, neftune, pissa, shifted_attention, tuning, witness
from runtime.workers.adapter import attach
from runtime.workers.emit import Emitter
from runtime.workers.paddle_load import load_paddle_model
from runtime.workers.prompting import load_tokenizer
from runtime.workers.refusal import RefusedError
from runtime.workers.result_load import load_result
from runtime.workers.stage_run import Stage
from runtime.workers.stop import StopRequest

PROMPT = [1, 50, 60, 70, 80, 90, 100, 110, 120, 130, 20, 30, 40, 45, 55, 65, 75]


def staged(work: Any, spec: dict[str, Any]) -> dict[str, Any]:
    """Do a stage's work and return what it gives, or the sentence with which it is refused."""
    Path(spec["stage_folder"]).mkdir(parents=True, exist_ok=True)
    stage = Stage(Emitter(spec["stage_folder"], spec["stage"]), StopRequest(spec["stage_folder"]))
    try:
        return {"gave": work(spec, stage)}
    except RefusedError as error:
        return {"refused": f"{error.what} {error.why}"}


def do_merge(spec: dict[str, Any]) -> dict[str, Any]:
    return staged(merging.work, spec)


def do_generate(spec: dict[str, Any]) -> dict[str, Any]:
    return staged(answering.work, spec)


def do_answers(base: str, result: str, tokens: int = 12) -> dict[str, Any]:
    """Return greedy tokens by the cache, of a batch and alone, and by running everything again each time."""
    model = load_result(result, base)
    prompts = [PROMPT, PROMPT[:9]]
    ids = list(PROMPT)
    steered = hasattr(model, "prompt_places")
    where = model.prompt_places(np.ones([1, len(PROMPT)], np.int64)) if steered else None
    for _ in range(tokens):
        ids.append(int(last_logits(model, ids, where).argmax()))
    return {
        "together": [answer.tokens for answer in decoding.greedy(model, prompts, set(), tokens)],
        "alone": [decoding.greedy(model, [prompt], set(), tokens)[0].tokens for prompt in prompts],
        "slow": ids[len(PROMPT) :],
    }


def last_logits(model: Any, ids: list[int], where: np.ndarray | None) -> np.ndarray:
    """Return the last logits without a cache; ReFT intervenes in the prompt alone."""
    if where is None:
        return decoding.all_logits(model, ids)[-1]
    places = np.zeros([1, len(ids)], bool)
    places[:, : where.shape[1]] = where
    ones = paddle.ones([1, len(ids)], "int64")
    with model.steering(places), paddle.no_grad():
        output = model.model(paddle.to_tensor([ids]), attention_mask=ones, return_dict=True)
    return np.asarray(output.logits[0, -1].numpy())


def do_naive_reload(base: str, adapter: str) -> dict[str, Any]:
    """Load a LoRA adapter as PaddleNLP does; return how far it is from the base and from what was trained."""
    tokenizer = load_tokenizer(base)
    of_base = witness.logits_after(load_paddle_model(base), tokenizer)
    model = LoRAModel.from_pretrained(load_paddle_model(base), adapter)
    model.eval()
    found = witness.logits_after(model, tokenizer)
    said = np.load(Path(adapter, witness.FILE))
    return {"from_base": apart(found, of_base), "from_trained": apart(found, said)}


def apart(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one - other).max())


def do_naive_merge(base: str, adapter: str) -> dict[str, Any]:
    """Merge every layer as PaddleNLP does; return how far the logits move, or why it fails."""
    tokenizer = load_tokenizer(base)
    model = attach(load_paddle_model(base), adapter)
    before = witness.logits_after(model, tokenizer)
    try:
        model.merge()
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return {"apart": apart(witness.logits_after(model, tokenizer), before)}


def do_naive_prefix(base: str) -> dict[str, Any]:
    """Put a prefix before a model as upstream's script does, and run it."""
    model = load_paddle_model(base)
    shape = get_prefix_tuning_params(model)
    after = shape.pop("postprocess_past_key_value")
    config = PrefixConfig(num_prefix_tokens=4, dtype="float32", **shape)
    wrapped = PrefixModelForCausalLM(model, config, postprocess_past_key_value=after)
    try:
        wrapped(paddle.to_tensor([PROMPT]), attention_mask=paddle.ones([1, len(PROMPT)], "int64"))
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return {"error": ""}


def do_naive_reft(base: str) -> dict[str, Any]:
    """Put interventions into a model as upstream's script does."""
    model = load_paddle_model(base)
    given = {"embed_dim": 64, "low_rank_dimension": 2, "dropout": 0.0, "dtype": "float32", "act_fn": "linear"}
    place = {"layer": 0, "component": "block_output", "low_rank_dimension": 2}
    config = ReFTConfig([{**place, "intervention": LoreftIntervention(**given)}], given)
    try:
        ReFTModel(config, model)
    except AttributeError as error:
        return {"error": str(error)}
    return {"error": ""}


def do_vera_of_upstream(base: str) -> dict[str, Any]:
    """Return the gradients of upstream's VeRA with B frozen, and the tensors that it would save."""
    model = load_paddle_model(base)
    config = VeRAConfig(target_modules=get_lora_target_modules(model), r=4, vera_alpha=4, dtype="float32")
    adapted = VeRAModel(model, config)
    adapted.mark_only_vera_as_trainable(notfreezeB=False)
    ids = paddle.to_tensor([PROMPT])
    adapted(input_ids=ids, labels=ids)[0].backward()
    moved = [weight for weight in adapted.model.parameters() if not weight.stop_gradient]
    gradients = [0.0 if weight.grad is None else float(paddle.abs(weight.grad).max()) for weight in moved]
    saved = {name.rsplit(".", 1)[-1] for name in adapted.get_trainable_state_dict()}
    return {"largest_gradient": max(gradients), "saved": sorted(saved)}


def do_noise(base: str, alpha: float) -> dict[str, Any]:
    """Return the embeddings' largest change by NEFTune in training and in evaluation, and what is allowed."""
    model = load_paddle_model(base)
    ids = paddle.to_tensor([PROMPT])
    plain = model.get_input_embeddings()(ids).numpy()
    neftune.install(model, alpha)
    found = {}
    for mode in ("train", "eval"):
        getattr(model, mode)()
        found[mode] = apart(model.get_input_embeddings()(ids).numpy(), plain)
    return {**found, "allowed": alpha / (len(PROMPT) * plain.shape[-1]) ** 0.5}


def do_sparse_attention(base: str) -> dict[str, Any]:
    """Return how far logits move when a later token changes or groups are as long as the text."""

    def logits(model: Any, tokens: list[int]) -> np.ndarray:
        ids = paddle.to_tensor([tokens])
        with paddle.no_grad():
            return np.asarray(
                model(ids, attention_mask=paddle.ones_like(ids), return_dict=True).logits.numpy()
            )

    other = [*PROMPT[:-1], 200]
    model = load_paddle_model(base)
    plain = logits(model, PROMPT)
    shifted_attention.install(model, 0.25)
    evaluated = logits(model, PROMPT)
    model.train()
    sparse, changed = logits(model, PROMPT), logits(model, other)
    whole = load_paddle_model(base)
    shifted_attention.install(whole, 1.0)
    whole.train()
    result = {
        "in evaluation": apart(evaluated, plain),
        "in training": apart(sparse, plain),
        "later token": apart(sparse[:, :-1], changed[:, :-1]),
        "one group": apart(logits(whole, PROMPT), plain),
    }
    if model.base_model_prefix == "llama":
        longlora.set_group_size(0.25)
        with engine_lab.patched(
            llama, "scaled_dot_product_attention", longlora.ssa_scaled_dot_product_attention
        ):
            naive = load_paddle_model(base)
            result["later token, upstream"] = apart(
                logits(naive, PROMPT[:16])[:, :-1], logits(naive, [*PROMPT[:15], 200])[:, :-1]
            )
    return result


def do_dev_loss(model: str, data: str) -> dict[str, Any]:
    """Return the loss per answer token of a trained model, computed the slow way."""
    causal, tokenizer = load_paddle_model(model), load_tokenizer(model)
    total = count = 0.0
    for line in Path(data).read_text().splitlines():
        tokens = engine_lab.conversation.encode(tokenizer, json.loads(line), 256, 256)
        logits = decoding.all_logits(causal, tokens.input_ids).astype(np.float64)
        for row, label in zip(logits, tokens.labels, strict=True):
            if label != engine_lab.conversation.IGNORED:
                total += float(np.log(np.exp(row - row.max()).sum()) + row.max() - row[label])
                count += 1
    return {"loss": total / count}


def do_naive_rouge(answer: str, reference: str) -> dict[str, Any]:
    """Score two texts as upstream's script does."""
    from paddlenlp.metrics import Rouge1

    return {"rouge1": Rouge1().score([answer], [reference])}


def do_packs(config: str) -> dict[str, Any]:
    """Return how many tokens the rows have, how many the packs hold, and how many packs there are."""
    arguments = engine_lab.sft_arguments.parse(config)
    data = arguments.data
    tokenizer = engine_lab.sft_dataset.load_tokenizer(arguments.model.model_name_or_path, data)
    loaded = engine_lab.sft_dataset.load(Path(data.dataset_name_or_path, "train.json"), tokenizer, data)
    packs = [loaded.dataset[index] for index in range(len(loaded.dataset))]
    held = sum(len(pack["input_ids"]) for pack in packs)
    return {
        "rows": loaded.rows,
        "tokens": loaded.tokens,
        "held": held,
        "packs": len(packs),
        "cut": loaded.cut_rows,
    }


@contextlib.contextmanager
def late_pissa() -> Any:
    """Let PaddleNLP split the weights at the first forward pass, and save the adapter as it is."""
    nothing = lambda *ignored: None  # noqa: E731
    with (
        engine_lab.patched(pissa, "begin", nothing),
        engine_lab.patched(pissa, "write_plain_lora", nothing),
    ):
        yield


@contextlib.contextmanager
def forgetful_reft() -> Any:
    """Resume as PaddleNLP does: the interventions that were loaded are dropped."""
    with engine_lab.patched(tuning, "read", lambda layer, folder: None):
        yield


engine_lab.PATCHES.update({"late_pissa": late_pissa, "forgetful_reft": forgetful_reft})
OURS = {name.removeprefix("do_"): value for name, value in list(globals().items()) if name.startswith("do_")}
engine_lab.DO.update(OURS)

if __name__ == "__main__":
    sys.exit(engine_lab.main())
