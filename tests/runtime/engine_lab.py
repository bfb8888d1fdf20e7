"""Run many small experiments in one engine process, because importing Paddle takes longer than all of them.

`<engine python> engine_lab.py LAB.json`: LAB.json is a list of `{"do": NAME, ...arguments}`; each result is
appended as one JSON line to the file that the list's first entry names. Also works under
`paddle.distributed.launch`.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import traceback
from pathlib import Path
from typing import Any

import lab_parts  # noqa: F401  makes the workers importable
import numpy as np
import paddle
from paddlenlp.trainer import TrainerCallback
from paddlenlp.trl import SFTTrainer

from runtime.workers import (
    conversation,
    cpu_norm,
    sft_arguments,
    sft_dataset,
    sft_setup,
    sft_trainer,
    tracker,
    train,
)
from runtime.workers.refusal import RefusedError
from runtime.workers.sampler import ExactBatchSampler


@contextlib.contextmanager
def patched(owner: Any, name: str, value: Any) -> Any:
    """Replace an attribute for a while."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


def upstream_sampler() -> Any:
    """Let the trainer shuffle as upstream does."""
    return patched(sft_trainer.ExactTrainer, "_get_train_sampler", SFTTrainer._get_train_sampler)


class Exploding(TrainerCallback):
    """A tracker that fails at the first figure."""

    def on_log(self, *positional: Any, **named: Any) -> None:
        raise ConnectionError("no route to the tracker")


def exploding_tracker() -> Any:
    """Let every tracker fail in the middle of training."""

    def make(extras: dict[str, Any], emitter: Any, run_name: str) -> Any:
        return tracker.Harmless(Exploding(), lambda message: emitter.log(message, level="warning"))

    return patched(tracker, "make", make)


PATCHES = {"upstream_sampler": upstream_sampler, "exploding_tracker": exploding_tracker}


def do_train(spec: dict[str, Any], patch: str = "") -> dict[str, Any]:
    """Run the training worker; parameter names start from zero as they do in a process of its own."""
    steps: list[int] = []

    def counting(self: Any, model: Any, inputs: Any, step_control: int = 0) -> Any:
        steps.append(self.state.global_step)
        return original(self, model, inputs, step_control=step_control)

    original = sft_trainer.ExactTrainer.training_step
    change = PATCHES[patch]() if patch else contextlib.nullcontext()
    with (
        paddle.utils.unique_name.guard(),
        change,
        patched(sft_trainer.ExactTrainer, "training_step", counting),
    ):
        code = train.main(spec, [])
    return {"code": code, "micro_batches": [steps.count(step) for step in range(max(steps, default=-1) + 1)]}


def do_copy(source: str, output: str, steps: list[int], damage: str = "", how: str = "") -> dict[str, Any]:
    """Give a run checkpoints of another one; remove or cut the newest one's files that match `damage`."""
    for step in steps:
        shutil.copytree(Path(source, f"checkpoint-{step}"), Path(output, f"checkpoint-{step}"))
    victims = list(Path(output, f"checkpoint-{steps[-1]}").glob(damage)) if damage else []
    for victim in victims:
        if how == "remove":
            victim.unlink()
        else:
            victim.write_bytes(victim.read_bytes()[: victim.stat().st_size // 2])
    return {"victims": [victim.name for victim in victims]}


def do_forget(result: str) -> dict[str, Any]:
    """Remove a stage's result, as if the process had been killed just before it wrote it."""
    Path(result).unlink()
    return {}


def do_sampler(
    rows: int, micro_batch_size: int, accumulation: int, processes: int, epoch: int
) -> dict[str, Any]:
    """Return, per optimizer step, the rows that all processes together train on."""
    steps: list[list[int]] = []
    for rank in range(processes):
        sampler = ExactBatchSampler(
            list(range(rows)),
            micro_batch_size=micro_batch_size,
            accumulation=accumulation,
            processes=processes,
            rank=rank,
            seed=3,
        )
        sampler.set_epoch(epoch)
        batches = list(sampler)
        assert len(batches) == len(sampler)
        for index, batch in enumerate(batches):
            if index // accumulation == len(steps):
                steps.append([])
            steps[index // accumulation] += batch
    return {"steps": [sorted(step) for step in steps]}


def do_refusal(config: str) -> dict[str, Any]:
    """Return the sentence with which a config is refused, or none."""
    try:
        sft_arguments.parse(config)
    except RefusedError as error:
        return {"sentence": " ".join(filter(None, (error.what, error.why, error.remedy)))}
    return {"sentence": ""}


def do_batch(config: str, indices: list[int]) -> dict[str, Any]:
    """Return one collated training batch, made with a tokenizer that does not name the attention mask."""
    arguments = sft_arguments.parse(config)
    tokenizer = sft_dataset.load_tokenizer(arguments.model.model_name_or_path, arguments.data)
    tokenizer.model_input_names = ["input_ids"]
    loaded = sft_dataset.load(
        Path(arguments.data.dataset_name_or_path, "train.json"), tokenizer, arguments.data
    )
    batch = sft_dataset.collator(tokenizer, arguments.data, fixed_length=False)(
        [loaded.dataset[i] for i in indices]
    )
    return {key: np.asarray(value).tolist() for key, value in batch.items()} | {"pad": tokenizer.pad_token_id}


def do_encode(config: str, row: dict[str, Any]) -> dict[str, Any]:
    """Return a row's tokens, the text they decode to, and what upstream's own function makes of it."""
    arguments = sft_arguments.parse(config)
    tokenizer = sft_dataset.load_tokenizer(arguments.model.model_name_or_path, arguments.data)
    tokens = conversation.encode(tokenizer, row, arguments.data.src_length, arguments.data.max_length)
    answers = [label for label in tokens.labels if label != conversation.IGNORED]
    try:
        pairs = [list(pair) for pair in conversation.turns(row)]
        upstream = tokenizer.encode_chat_inputs(pairs)["conversations"]
    except AssertionError:
        upstream = None
    return {
        "text": tokenizer.decode(tokens.input_ids, skip_special_tokens=False),
        "answers": tokenizer.decode(answers, skip_special_tokens=False),
        "ours": [list(pair) for pair in conversation.encode_turns(tokenizer, row)],
        "upstream": upstream,
    }


def do_paddle_template(file: str, turns: list[list[str]]) -> dict[str, Any]:
    """Return a chat as PaddleNLP renders its own kind of template: the prompt, and the turns of training."""
    from paddlenlp.transformers.tokenizer_utils import ChatTemplate

    template = ChatTemplate.from_file(file)
    trained = [template.render_conversation(turn, number, {}) for number, turn in enumerate(turns)]
    return {
        "prompt": template([*turns[:-1], turns[-1][:1]], {}),
        "system": template.render_system({}),
        "turns": trained,
    }


def do_slow_tokenizer(folder: str) -> dict[str, Any]:
    """Return whether the slow Qwen2 tokenizer is refused, and whether it really loses line breaks."""
    from paddlenlp.transformers import Qwen2Tokenizer

    tokenizer = Qwen2Tokenizer.from_pretrained(folder)
    tokenizer.init_chat_template(
        json.loads(Path(folder, "tokenizer_config.json").read_text())["chat_template"]
    )
    kept, lost = tokenizer(["a<|im_end|>\n<|im_start|>b", "a<|im_end|><|im_start|>b"])["input_ids"]
    try:
        sft_dataset.check_line_breaks(tokenizer)
    except RefusedError as error:
        return {"loses": kept == lost, "sentence": error.what}
    return {"loses": kept == lost, "sentence": ""}


def do_answer_logits(config: str) -> dict[str, Any]:
    """Return loss and gradients of a batch with logits everywhere and only where a label counts."""
    arguments = sft_arguments.parse(config)
    tokenizer = sft_dataset.load_tokenizer(arguments.model.model_name_or_path, arguments.data)
    loaded = sft_dataset.load(
        Path(arguments.data.dataset_name_or_path, "train.json"), tokenizer, arguments.data
    )
    collate = sft_dataset.collator(tokenizer, arguments.data, fixed_length=False)
    batch = {
        key: paddle.to_tensor(value) for key, value in collate([loaded.dataset[0], loaded.dataset[1]]).items()
    }
    model = sft_setup.build_model(arguments, {})
    results, widths = [], []
    assert model.answer_logits is not None
    for labels in (None, batch["labels"]):
        model.answer_logits.labels = labels
        loss, logits = model.layer(**batch)[:2]
        loss.backward()
        gradients = [w.grad.numpy().copy() for w in model.layer.parameters() if not w.stop_gradient]
        model.layer.clear_gradients()
        results.append((float(loss), gradients))
        widths.append(int(np.prod(logits.shape[:2])))
    (full, full_gradients), (few, few_gradients) = results
    apart = max(float(np.abs(a - b).max()) for a, b in zip(full_gradients, few_gradients, strict=True))
    largest = max(float(np.abs(a).max()) for a in full_gradients)
    return {"full": full, "few": few, "apart": apart / largest, "widths": widths}


def do_norm(config: str) -> dict[str, Any]:
    """Return how far the CPU's norm layers are from upstream's, in loss and gradients."""
    arguments = sft_arguments.parse(config)
    ids = paddle.arange(3, 67).reshape([2, 32])
    results = []
    for install in (lambda model: 0, cpu_norm.install):
        with patched(cpu_norm, "install", install):
            model = sft_setup.build_model(arguments, {}).layer
        loss = model(input_ids=ids, labels=ids)[0]
        loss.backward()
        results.append([np.array(float(loss)), *(weight.grad.numpy() for weight in model.parameters())])
    upstream, ours = results
    pairs = zip(upstream, ours, strict=True)
    return {
        "apart": max(float(np.abs(a - b).max() / np.abs(a).max()) for a, b in pairs),
        "compared": len(ours),
    }


def do_adapter(config: str, adapter: str) -> dict[str, Any]:
    """Return what upstream's own loader makes of a trained adapter."""
    from paddlenlp.peft import LoRAModel
    from paddlenlp.transformers import AutoModelForCausalLM

    arguments = sft_arguments.parse(config)
    base = AutoModelForCausalLM.from_pretrained(arguments.model.model_name_or_path)
    adapted = LoRAModel.from_pretrained(base, adapter)
    weights = adapted.state_dict()
    return {
        "moved": any(float(paddle.abs(value).max()) > 0 for key, value in weights.items() if "lora_B" in key),
        "adapted": sorted({key.split(".")[-2] for key in weights if "lora_B" in key}),
        "scaling": adapted.lora_config.scaling,
    }


DO = {name.removeprefix("do_"): value for name, value in list(globals().items()) if name.startswith("do_")}


def main() -> int:
    """Run the list."""
    results, *experiments = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    rank = int(os.environ.get("PADDLE_TRAINER_ID", "0"))
    for experiment in experiments:
        name, what = experiment.pop("name"), experiment.pop("do")
        try:
            result = DO[what](**experiment) if what == "train" or rank == 0 else {}
        except Exception:
            result = {"traceback": traceback.format_exc()}
        if paddle.distributed.is_initialized():
            paddle.distributed.barrier()
        if rank == 0:
            with Path(results).open("a", encoding="utf-8") as file:
                file.write(json.dumps({"name": name, **result}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
