"""Merge, write, decode and damage tiny models in one engine process: importing Paddle takes longest.

`<engine python> results_lab.py LAB.json`: LAB.json is `{"out": FILE, "steps": [{"do": NAME, ...arguments}]}`.
One JSON line per step is written to FILE.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import lab_parts
import numpy as np
import paddle
from paddlenlp.peft import LoRAConfig, LoRAModel
from safetensors.numpy import load_file, save_file

from runtime.workers import (
    answering,
    answering_place,
    decoding,
    merge_proof,
    merging,
    prompting,
    proof_precision,
)
from runtime.workers.adapter import attach
from runtime.workers.emit import Emitter
from runtime.workers.hf_folder import write_hf_folder
from runtime.workers.hf_load import UnloadableModelError, load_hf_model, load_hf_tokenizer
from runtime.workers.lora import target_modules
from runtime.workers.paddle_load import load_paddle_model
from runtime.workers.stage_run import Stage
from runtime.workers.stop import StopRequest


def stage_in(folder: str, name: str = "merge") -> Stage:
    Path(folder).mkdir(parents=True, exist_ok=True)
    return Stage(Emitter(folder, name), StopRequest(folder))


def do_make(hf: str, paddle_folder: str, adapter: str, rank: int = 4, rslora: bool = False) -> None:
    """Convert a tiny model and give it an adapter that has learnt something random."""
    model = load_hf_model(hf)
    model.save_pretrained(paddle_folder, safe_serialization=True)
    load_hf_tokenizer(hf).save_pretrained(paddle_folder)
    config = LoRAConfig(
        target_modules=target_modules(model, "all-linear"),
        r=rank,
        lora_alpha=3 * rank,
        rslora=rslora,
        dtype="float32",
        tensor_parallel_degree=1,
    )
    lora = LoRAModel(model, config)
    random = np.random.default_rng(7)
    for name, parameter in lora.model.named_parameters():
        if "lora_B" in name:
            parameter.set_value((random.standard_normal(parameter.shape) * 0.05).astype(np.float32))
    lora.mark_only_lora_as_trainable()
    lora.save_pretrained(adapter)
    tensors = {name: value.numpy() for name, value in lora.get_trainable_state_dict().items()}
    save_file(tensors, str(Path(adapter, "for-the-test.npz.safetensors")))


def do_merge(spec: dict[str, Any]) -> dict[str, Any]:
    """Do the work of stage merge."""
    return lab_parts.refusal(merging.work, spec, stage_in(spec["stage_folder"]))


def do_generate(spec: dict[str, Any]) -> dict[str, Any]:
    """Do the work of stage generate."""
    return lab_parts.refusal(answering.work, spec, stage_in(spec["stage_folder"], "generate"))


def do_places(cases: list[list[Any]]) -> list[Any]:
    """Return where models of such sizes answer."""
    return [answering_place.fitting(*case) for case in cases]


def do_no_room(spec: dict[str, Any]) -> dict[str, Any]:
    """Do the work of stage generate on a machine whose memory is full."""
    before = answering_place.host_memory_available_bytes
    answering_place.host_memory_available_bytes = lambda: 1000  # type: ignore[attr-defined]
    try:
        return do_generate(spec)
    finally:
        answering_place.host_memory_available_bytes = before  # type: ignore[attr-defined]


def do_full(base: str, adapter: str, destination: str) -> None:
    """Write a fully trained model: the base with all weights moved, saved as training saves it."""
    model = load_paddle_model(base)
    random = np.random.default_rng(1)
    for parameter in model.parameters():
        step = random.standard_normal(parameter.shape).astype(np.float32) * 0.01
        parameter.set_value(parameter.numpy() + step)
    model.save_pretrained(destination, safe_serialization=True)


def do_tamper(spec: dict[str, Any], tensor: str) -> dict[str, Any]:
    """Write a merged folder, change one number as a bad disk would, and ask for the proof."""
    stage = stage_in(spec["stage_folder"])
    prompts = merge_proof.proof_prompts(prompting.load_tokenizer(spec["base"]))
    model = attach(load_paddle_model(spec["base"]), spec["adapter"])
    reference = merge_proof.observe(model, prompts, stage, "float32", True)
    folder = Path(spec["destination"])
    write_hf_folder(decoding.causal_model(model), spec["hf_folder"], folder)
    file = folder / "model.safetensors"
    tensors = load_file(str(file))
    tensors[tensor] = tensors[tensor].copy()
    tensors[tensor].flat[5] += 0.5
    save_file(tensors, str(file), metadata={"format": "pt"})
    return lab_parts.refusal(merge_proof.prove, folder, reference, prompts, 1e-4, stage, "float32", True)


def do_float32_proof(spec: dict[str, Any]) -> dict[str, Any]:
    """Merge as on a machine without the memory for float64."""
    before = proof_precision.fits_double
    merging.fits_double = lambda model: False  # type: ignore[attr-defined]
    try:
        return do_merge(spec)
    finally:
        merging.fits_double = before  # type: ignore[attr-defined]


def do_naive_merge(spec: dict[str, Any]) -> dict[str, Any]:
    """Merge as upstream documents it: `merge()`, `save_pretrained`; return the tensors written."""
    model = attach(load_paddle_model(spec["base"]), spec["adapter"])
    model.merge()
    model.model.save_pretrained(spec["destination"], safe_serialization=True)
    return {"tensors": sorted(load_file(str(Path(spec["destination"], "model.safetensors"))))}


def do_shards(hf: str, destination: str, shard_bytes: int) -> dict[str, Any]:
    """Write a model in small shards and load it back."""
    model = load_hf_model(hf)
    write_hf_folder(model, hf, destination, shard_bytes=shard_bytes)
    again = load_hf_model(destination)
    pairs = zip(model.parameters(), again.parameters(), strict=True)
    return {"equal": all(bool((one == other).all()) for one, other in pairs)}


def do_teach(hf: str, base: str, destination: str, chats: list[Any], answer: str) -> dict[str, Any]:
    """Train all weights on one answer to every chat until it is learnt, and write the Hugging Face folder."""
    paddle.seed(0)
    tokenizer = prompting.load_tokenizer(base)
    model = load_paddle_model(base)
    said = [*tokenizer(answer, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    optimizer = paddle.optimizer.AdamW(3e-3, parameters=model.parameters())
    loss = paddle.to_tensor(9.0)
    for _ in range(150):
        for chat in chats:
            prompt = prompting.encode_prompt(tokenizer, chat)
            logits = model(paddle.to_tensor([prompt + said]), return_dict=True).logits[0]
            loss = paddle.nn.functional.cross_entropy(logits[len(prompt) - 1 : -1], paddle.to_tensor(said))
            loss.backward()
        optimizer.step()
        optimizer.clear_grad()
        if float(loss) < 0.01:
            break
    write_hf_folder(model, hf, destination)
    return {"loss": float(loss)}


def do_load(folder: str, tokens: list[int]) -> dict[str, Any]:
    """Load a Hugging Face folder and return its logits."""
    try:
        model = load_hf_model(folder)
    except UnloadableModelError as error:
        return {"refused": str(error)}
    template = load_hf_tokenizer(folder).chat_template
    return {"logits": decoding.all_logits(model, tokens).tolist(), "has_template": template is not None}


def do_refused_adapter(base: str, adapter: str, damaged: str, damage: str) -> dict[str, Any]:
    """Attach an adapter with something wrong in it."""
    shutil.copytree(adapter, damaged)
    config_path, weights_path = Path(damaged, "lora_config.json"), Path(damaged, "lora_model_state.pdparams")
    config, weights = json.loads(config_path.read_text()), paddle.load(str(weights_path))
    if damage == "no weights":
        weights_path.unlink()
    elif damage == "no config":
        config_path.unlink()
    elif damage == "wrong scaling":
        config["scaling"] = 0.5
    elif damage == "pissa":
        config["pissa"] = True
    elif damage == "missing tensor":
        weights.pop(next(name for name in weights if "lora_B" in name))
    elif damage == "unknown tensor":
        weights["llama.layers.9.self_attn.q_proj.lora_A"] = next(iter(weights.values()))
    if damage != "no config":
        config_path.write_text(json.dumps(config))
    if damage != "no weights":
        paddle.save(weights, str(weights_path))
    return lab_parts.refusal(lambda: attach(load_paddle_model(base), damaged) and None)


def do_decode(base: str, prompts: list[list[int]], tokens: int) -> dict[str, Any]:
    """Decode a batch in our way, every prompt alone, and in the naive ways; answers per prompt."""
    model = load_paddle_model(base)
    together = decoding.greedy(model, prompts, set(), tokens)
    alone = [decoding.greedy(model, [prompt], set(), tokens)[0] for prompt in prompts]
    slow = [no_cache(model, prompt, tokens) for prompt in prompts]
    longest = max(map(len, prompts))
    left = [[0] * (longest - len(prompt)) + prompt for prompt in prompts]
    right = [prompt + [0] * (longest - len(prompt)) for prompt in prompts]
    return {
        "together": [answer.tokens for answer in together],
        "alone": [answer.tokens for answer in alone],
        "slow": slow,
        "right_padded": upstream(model, right, [[int(t != 0) for t in row] for row in right], tokens),
        "left_without_mask": upstream(model, left, [[1] * longest for _ in left], tokens),
    }


def upstream(model: Any, rows: list[list[int]], mask: list[list[int]], tokens: int) -> list[list[int]]:
    """Decode with PaddleNLP's own `generate`."""
    ids, _ = model.generate(
        input_ids=paddle.to_tensor(rows),
        attention_mask=paddle.to_tensor(mask),
        max_new_tokens=tokens,
        decode_strategy="greedy_search",
        eos_token_id=-1,
    )
    answers: list[list[int]] = ids.numpy().tolist()
    return answers


def no_cache(model: Any, prompt: list[int], tokens: int) -> list[int]:
    """Decode by running the whole sequence again for every token."""
    ids = list(prompt)
    for _ in range(tokens):
        ids.append(int(decoding.all_logits(model, ids)[-1].argmax()))
    return ids[len(prompt) :]


def do_ends(base: str, prompt: list[int], tokens: int) -> dict[str, Any]:
    """Decode a batch whose rows end at different steps."""
    model = load_paddle_model(base)
    free = decoding.greedy(model, [prompt, prompt[:-3]], set(), tokens)
    end = free[0].tokens[4]
    order: list[int] = []
    answers = decoding.greedy(model, [prompt, prompt[:-3]], {end}, tokens, on_end=order.append)
    return {
        "end": end,
        "free": [answer.tokens for answer in free],
        "answers": [answer.tokens for answer in answers],
        "ended": [answer.ended for answer in answers],
        "order": order,
    }


def do_prompting(base: str, chats: list[Any]) -> dict[str, Any]:
    """Return prompt tokens, and the tokens of training on the same conversations."""
    from runtime.workers.conversation import encode

    tokenizer = prompting.load_tokenizer(base)
    prompts, trained = [], []
    for chat in chats:
        prompts.append(prompting.encode_prompt(tokenizer, chat))
        turns = [message["content"] for message in chat if message["role"] != "system"]
        system = [message["content"] for message in chat if message["role"] == "system"]
        row: dict[str, Any] = {"src": turns[::2], "tgt": [*turns[1::2], "ANSWER"]}
        if system:
            row["context"] = {"system": system[0]}
        trained.append(encode(tokenizer, row, 10_000, 10_000).input_ids)
    return {
        "prompts": prompts,
        "trained": trained,
        "ends": sorted(prompting.end_tokens(tokenizer, base)),
        "texts": [prompting.decode_answer(tokenizer, prompt) for prompt in prompts],
    }


def do_sampling() -> dict[str, Any]:
    """Draw from a known distribution."""
    logits = np.log(np.array([0.5, 0.3, 0.15, 0.05]))

    def draw(count: int, temperature: float, top_p: float, seed: int = 0) -> list[int]:
        random = np.random.default_rng(seed)
        return [decoding.sample(logits, temperature, top_p, random) for _ in range(count)]

    return {
        "greedy": draw(5, 0, 1),
        "free": draw(4000, 1, 1),
        "nucleus": draw(4000, 1, 0.75),
        "narrow": draw(50, 1, 0.01),
        "hot": draw(4000, 100, 1),
        "seeded": [draw(20, 1, 1, seed=3), draw(20, 1, 1, seed=3), draw(20, 1, 1, seed=4)],
    }


if __name__ == "__main__":
    lab_parts.do_steps(globals())
