"""Fine-tune with PaddleNLP's own trainer by default, and print what each step took. Runs in an engine.

`<engine python> plain_paddlenlp.py MODEL DATA RANK STEPS`: LoRA on all linear layers, one process, the
default batch of 8 rows padded to the longest, logits for every position, no packing, no environment
variables.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import paddle
from paddlenlp.data import DataCollatorForSeq2Seq
from paddlenlp.peft import LoRAConfig, LoRAModel
from paddlenlp.trainer import TrainerCallback
from paddlenlp.transformers import AutoModelForCausalLM, AutoTokenizer
from paddlenlp.trl import SFTConfig, SFTTrainer
from paddlenlp.trl.llm_utils import get_lora_target_modules


class Rows(paddle.io.Dataset):
    """Tokenized rows."""

    def __init__(self, path: Path, tokenizer: Any) -> None:
        super().__init__()
        self.rows = [
            self.encode(json.loads(line), tokenizer) for line in path.read_text("utf-8").splitlines()
        ]

    def encode(self, row: dict[str, Any], tokenizer: Any) -> dict[str, list[int]]:
        as_list = [value if isinstance(value, list) else [value] for value in (row["src"], row["tgt"])]
        ids: list[int] = []
        labels: list[int] = []
        for prompt, answer in tokenizer.encode_chat_inputs(
            [list(pair) for pair in zip(*as_list, strict=True)]
        )["conversations"]:
            ids += prompt + answer
            labels += [-100] * len(prompt) + answer
        return {"input_ids": ids[:-1], "labels": labels[1:]}

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, list[int]]:
        return self.rows[index]


class Meter(TrainerCallback):
    """Time and tokens of each step."""

    def __init__(self) -> None:
        self.steps: list[dict[str, float]] = []
        self.begun = 0.0

    def on_load_data_end(self, args: Any, state: Any, control: Any, inputs: Any = None, **named: Any) -> None:
        real = int(inputs["attention_mask"].sum())
        self.steps.append({"tokens": real, "with_padding": int(inputs["input_ids"].size), "seconds": 0.0})

    def on_step_begin(self, *positional: Any, **named: Any) -> None:
        self.begun = time.perf_counter()

    def on_step_end(self, *positional: Any, **named: Any) -> None:
        self.steps[-1]["seconds"] = time.perf_counter() - self.begun


def main() -> None:
    """Train for a few steps."""
    source, data, rank, steps = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    tokenizer = AutoTokenizer.from_pretrained(source)
    model = AutoModelForCausalLM.from_pretrained(source, dtype="float32")
    config = LoRAConfig(
        target_modules=get_lora_target_modules(model),
        r=rank,
        lora_alpha=2 * rank,
        dtype="float32",
        tensor_parallel_degree=1,
    )
    adapted = LoRAModel(model, config)
    adapted.mark_only_lora_as_trainable()
    meter = Meter()
    with tempfile.TemporaryDirectory() as output:
        arguments = SFTConfig(
            output_dir=output,
            device="cpu",
            max_steps=steps,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
        )
        trainer = SFTTrainer(
            model=adapted,
            args=arguments,
            train_dataset=Rows(data / "train.json", tokenizer),
            tokenizer=tokenizer,
            data_collator=DataCollatorForSeq2Seq(tokenizer=tokenizer, return_attention_mask=True),
            callbacks=[meter],
        )
        trainer.train()
    print("STEPS " + json.dumps(meter.steps))


if __name__ == "__main__":
    main()
