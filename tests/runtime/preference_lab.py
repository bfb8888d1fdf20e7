"""Learn preferences in every way in one engine process, and set upstream's own code beside it.

`<engine python> preference_lab.py LAB.json`, with the same list as `engine_lab.py` and more things to do.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import engine_lab
import numpy as np
import paddle
from paddlenlp.trl import DPOCriterion, DPOTrainer, KTOCriterion, KTOTrainer
from paddlenlp.trl.dpo_trainer import disable_dropout_in_model
from paddlenlp.trl.trl_data import preprocess_preference_data

from runtime.workers import (
    merging,
    preference_answering,
    preference_dataset,
    preference_losses,
    preference_rows,
    preference_setup,
    preference_train,
    reward_folder,
    reward_merging,
    reward_scoring,
    sft_setup,
)
from runtime.workers.emit import Emitter
from runtime.workers.preference_arguments import LOSSES, Objective
from runtime.workers.preference_trainer import without_dropout
from runtime.workers.refusal import RefusedError
from runtime.workers.sft_dataset import read_rows
from runtime.workers.stage_run import Stage
from runtime.workers.stop import StopRequest

WORK = {
    "merge": reward_merging.work,
    "score": reward_scoring.work,
    "fold": merging.work,
    "weigh": lambda spec, stage: ({}, preference_answering.weighed(spec, stage)),
}
"""Work of stages; `weigh` is what the stage that answers does besides."""


def do_train(spec: dict[str, Any]) -> dict[str, Any]:
    """Run the training worker of preferences."""
    with paddle.utils.unique_name.guard():
        return {"code": preference_train.main(spec, [])}


def do_work(which: str, spec: dict[str, Any]) -> dict[str, Any]:
    """Do a stage's work and return what it gives, or the sentence with which it is refused."""
    Path(spec["stage_folder"]).mkdir(parents=True, exist_ok=True)
    stage = Stage(Emitter(spec["stage_folder"], spec["stage"]), StopRequest(spec["stage_folder"]))
    try:
        return {"gave": WORK[which](spec, stage)}
    except RefusedError as error:
        return {"refused": f"{error.what} {error.why}"}


def do_refusal(config: str, stage: str) -> dict[str, Any]:
    """Return the sentence with which a config is refused, or what was read from it."""
    try:
        arguments = preference_setup.parse(config, {"stage": stage})
    except RefusedError as error:
        return {"sentence": f"{error.what} {error.why} {error.remedy}"}
    return {"sentence": "", "objective": arguments.training.objective._asdict()}


def loaded(config: str, stage: str) -> tuple[Any, Any, list[dict[str, Any]]]:
    """Return arguments, tokenizer and the training rows of a config."""
    arguments = preference_setup.parse(config, {"stage": stage})
    tokenizer = preference_setup.load_tokenizer(arguments)
    return arguments, tokenizer, list(read_rows(Path(arguments.data.dataset_name_or_path) / "train.json"))


def tensors(batch: dict[str, np.ndarray]) -> dict[str, paddle.Tensor]:
    return {name: paddle.to_tensor(value) for name, value in batch.items()}


def upstream_labels(batch: dict[str, paddle.Tensor]) -> tuple[paddle.Tensor, ...]:
    """Return chosen and rejected labels and response indices as upstream's collator makes them."""
    first = paddle.where(batch["owners"] % 2 == 1, batch["labels"], paddle.zeros_like(batch["labels"]))
    return first, batch["labels"] - first, batch["marks"][:, :4]


def shaken(model: Any) -> None:
    """Move every weight a little, so that policy and reference differ."""
    random = np.random.default_rng(3)
    for weight in model.parameters():
        noise = random.standard_normal(weight.shape).astype(np.float32) * 0.02
        weight.set_value(weight + paddle.to_tensor(noise))


def do_upstream_losses(config: str) -> dict[str, Any]:
    """Return per loss: upstream's value and ours on the same packed batch, and how far gradients are
    apart."""
    arguments, tokenizer, _ = loaded(config, "dpo")
    train = preference_setup.load_splits(arguments, tokenizer, Emitter(Path(config).parent, "train")).train
    batch = tensors(preference_dataset.Collator(None, 0)([train.dataset[0], train.dataset[1]]))
    inputs = {name: batch[name] for name in ("input_ids", "position_ids", "attention_mask")}
    policy, reference = (sft_setup.build_model(arguments, {}) for _ in range(2))
    shaken(policy.layer)
    found = {}
    for loss in LOSSES:
        free = loss in ("or", "simpo")
        objective = Objective("dpo", loss_type=loss, reference_free=free, sft_loss_ratio=float(loss == "or"))
        criterion = DPOCriterion(policy.layer.config, dpo_config=objective)
        labels = (*upstream_labels(batch), None, None)
        with paddle.no_grad():
            theirs = criterion(reference.layer(**inputs), labels)
            ours = preference_losses.log_probabilities(
                reference.layer, reference.answer_logits, batch, criterion.logprobs
            )
        if free:
            theirs = (paddle.zeros([1]), paddle.zeros([1]))
        labels = (*labels[:3], *theirs)
        values, gradients = [], []
        for side in ("theirs", "ours"):
            if side == "theirs":
                value = criterion(policy.layer(**inputs), labels)[-1]
            else:
                logps = preference_losses.log_probabilities(
                    policy.layer, policy.answer_logits, batch, criterion.logprobs
                )
                judged = preference_losses.judged(batch, logps, None if free else ours)
                value = preference_losses.loss_of(objective, judged, criterion)
            value.backward()
            gradients.append([weight.grad.numpy().copy() for weight in policy.layer.parameters()])
            policy.layer.clear_gradients()
            values.append(float(value))
        apart = max(float(np.abs(a - b).max()) for a, b in zip(*gradients, strict=True))
        largest = max(float(np.abs(a).max()) for a in gradients[0])
        found[loss] = {"theirs": values[0], "ours": values[1], "gradients": apart / largest}
    return found


def do_upstream_rows(config: str) -> dict[str, Any]:
    """Return for the first rows whether upstream's own preprocessing gives the same sequence as ours, and
    whether the system prompt is in it."""
    arguments, tokenizer, rows = loaded(config, "dpo")
    names = SimpleNamespace(max_seq_len=arguments.data.max_length, max_prompt_len=arguments.data.src_length)
    found = []
    for row, pair in zip(rows[:8], preference_rows.pairs(rows[:8], tokenizer, 256, 128), strict=True):
        ours = preference_dataset.sequence(pair, scores=False)
        theirs, flashed = (
            preprocess_preference_data(dict(row), tokenizer, names, SimpleNamespace(flash_mask=flash))
            for flash in (False, True)
        )
        labels = [
            a + b for a, b in zip(theirs["response_0_labels"], theirs["response_1_labels"], strict=True)
        ]
        mask = preference_dataset.Collator(None, 0)([[ours]])["attention_mask"][0, 0]
        limits = preference_dataset.Collator(None, 0, True)([[ours]])["attn_mask_startend_row_indices"][0, 0]
        system = (row.get("context") or {}).get("system", "")
        found.append(
            {
                "system": system,
                "ours": system in tokenizer.decode(ours["input_ids"], skip_special_tokens=False),
                "theirs": system in tokenizer.decode(theirs["input_ids"], skip_special_tokens=False),
                "equal": [
                    ours["input_ids"] == theirs["input_ids"],
                    ours["position_ids"] == theirs["position_ids"],
                    ours["labels"] == labels,
                    list(ours["marks"][:3]) == list(theirs["response_indexs"][:3]),
                    limits.tolist() == flashed["attn_mask_startend_row_indices"],
                    mask.shape == theirs["attention_mask"].shape
                    and bool((mask == theirs["attention_mask"]).all()),
                ],
            }
        )
    return {"rows": found}


def do_alone(config: str) -> dict[str, Any]:
    """Return how far log-probabilities of packed pairs are from those of each answer in a text of its own."""
    arguments, tokenizer, rows = loaded(config, "dpo")
    model = sft_setup.build_model(arguments, {})
    found = list(preference_rows.pairs(rows[:4], tokenizer, 256, 128))
    packs = [[preference_dataset.sequence(pair, scores=False) for pair in found]]
    logprobs = paddle.nn.CrossEntropyLoss(reduction="none")
    with paddle.no_grad():
        batch = tensors(preference_dataset.Collator(600, 0)(packs))
        packed = preference_losses.log_probabilities(model.layer, model.answer_logits, batch, logprobs)
        alone = [
            [text_logp(model.layer, pair.prompt, side) for side in (pair.first, pair.second)]
            for pair in found
        ]
    return {"apart": float(np.abs(packed.numpy() - np.array(alone)).max()), "pairs": len(found)}


def text_logp(model: Any, prompt: list[int], answer: list[int]) -> float:
    """Return the log-probability of an answer, from a plain causal pass over prompt and answer."""
    output = model(paddle.to_tensor([[*prompt, *answer]]))
    logits = output[0] if isinstance(output, tuple) else output
    steps = paddle.nn.functional.log_softmax(logits[0, len(prompt) - 1 : -1], axis=-1).numpy()
    return float(steps[np.arange(len(answer)), answer].sum())


def do_dropout(config: str) -> dict[str, Any]:
    """Return how many dropout layers are on after upstream's function, and after ours."""
    arguments, _, _ = loaded(config, "dpo")
    model = sft_setup.build_model(arguments, {"lora_dropout": 0.1}).layer

    def on() -> int:
        return sum(
            isinstance(one, paddle.nn.Dropout) and one.p > 0 for one in model.sublayers(include_self=True)
        )

    before = on()
    disable_dropout_in_model(model)
    upstream = on()
    without_dropout(model)
    return {"before": before, "upstream": upstream, "ours": on()}


def do_upstream_trainers(config: str) -> dict[str, Any]:
    """Return what happens when upstream's trainers get a reference model, or evaluate, on one process."""
    arguments, tokenizer, _ = loaded(config, "dpo")
    arguments.training.report_to = []
    found = {}
    for name, kind, word in (("dpo", DPOTrainer, "dpo_config"), ("kto", KTOTrainer, "kto_config")):
        for lora in (False, True):
            model = sft_setup.build_model(arguments, {}).layer
            reference = None if lora else sft_setup.build_model(arguments, {}).layer
            objective = Objective(name, lora=lora)
            try:
                trainer = kind(
                    model=model,
                    ref_model=reference,
                    data_collator=lambda batch: batch,
                    args=arguments.training,
                    tokenizer=tokenizer,
                    eval_dataset=[],
                    **{word: objective},
                )
                trainer.evaluate()
                found[f"{name} {lora}"] = ""
            except (AttributeError, AssertionError) as error:
                found[f"{name} {lora}"] = f"{type(error).__name__}: {error}"
    return found


def do_kto(config: str) -> dict[str, Any]:
    """Return upstream's and our loss where unfitting answers have become less likely, and where more."""
    arguments, _, _ = loaded(config, "kto")
    model = sft_setup.build_model(arguments, {}).layer
    upstream = KTOCriterion(model.config, kto_config=Objective("kto"))
    found = {}
    for name, move in (("less", -6.0), ("more", 6.0)):
        first = paddle.to_tensor([-10.0, -12.0, -9.0])
        second, zero = paddle.to_tensor([-20.0] * 3) + move, paddle.to_tensor([-20.0] * 3)
        reference = paddle.to_tensor([-11.0, -11.0, -11.0])
        good = paddle.to_tensor([True, False, True])
        judged = preference_losses.Judged(first, second, reference, zero, good, first, second)
        bad = paddle.logical_not(good)
        theirs, kl = upstream.kto_loss(first[good], first[bad], second, reference[good], reference[bad], zero)
        baseline = preference_losses.kto_baseline(judged)
        found[name] = {
            "theirs": [float(theirs), float(kl)],
            "ours": [float(preference_losses.kto_loss(Objective("kto"), judged, baseline)), float(baseline)],
        }
    return found


def do_strangers(config: str) -> dict[str, Any]:
    """Return the pairs that KTO's rows become, as text."""
    _, tokenizer, rows = loaded(config, "kto")

    def text(tokens: list[int]) -> str:
        return str(tokenizer.decode(tokens, skip_special_tokens=False))

    found = preference_rows.judgements(rows, tokenizer, 256, 128)
    return {"pairs": [[text(p.prompt), text(p.first), text(p.second), p.good] for p in found]}


def do_token_zero(config: str) -> dict[str, Any]:
    """Return the plain loss on better answers that hold token 0: upstream's, ours, and the mean over
    tokens."""
    arguments, tokenizer, rows = loaded(config, "dpo")
    rows = [{**rows[0], "response": ["<|endoftext|>" * 6 + "aye", "nay"]}]
    pair = next(preference_rows.pairs(rows, tokenizer, 256, 128))
    batch = tensors(preference_dataset.Collator(None, 0)([[preference_dataset.sequence(pair, scores=False)]]))
    model = sft_setup.build_model(arguments, {})
    objective = Objective("dpo", loss_type="or", reference_free=True, sft_loss_ratio=1.0, pref_loss_ratio=0.0)
    criterion = DPOCriterion(model.layer.config, dpo_config=objective)
    inputs = {name: batch[name] for name in ("input_ids", "position_ids", "attention_mask")}
    with paddle.no_grad():
        zero = paddle.zeros([1])
        theirs = criterion(model.layer(**inputs), (*upstream_labels(batch), zero, zero))[-1]
        logps = preference_losses.log_probabilities(
            model.layer, model.answer_logits, batch, criterion.logprobs
        )
        ours = preference_losses.loss_of(objective, preference_losses.judged(batch, logps, None), criterion)
        wanted = -text_logp(model.layer, pair.prompt, pair.first) / len(pair.first)
    return {"zeros": pair.first.count(0), "theirs": float(theirs), "ours": float(ours), "wanted": wanted}


def do_headless(folder: str) -> dict[str, Any]:
    """Return how a reward model's folder without its head is refused, and what PaddleNLP makes of one."""
    from paddlenlp.transformers import AutoModelForCausalLM
    from safetensors.numpy import load_file, save_file

    from runtime.workers.hf_load import linked_view

    path = Path(folder) / "model.safetensors"
    held = load_file(str(path))
    held.pop("score.weight")
    save_file(held, str(path), metadata={"format": "pt"})
    with linked_view(folder) as view:
        naive = type(AutoModelForCausalLM.from_pretrained(str(view), convert_from_torch=True)).__name__
    try:
        reward_folder.load(folder)
    except RefusedError as error:
        return {"naive": naive, "sentence": error.what}
    return {"naive": naive, "sentence": ""}


engine_lab.DO |= {
    name.removeprefix("do_"): value for name, value in list(globals().items()) if name[:3] == "do_"
}

if __name__ == "__main__":
    sys.exit(engine_lab.main())
