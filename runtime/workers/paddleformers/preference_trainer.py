"""Learn preferences (DPO and its losses, ORPO, SimPO) with PaddleFormers' own criterion and our trainer."""

from __future__ import annotations

from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import paddle
from paddleformers.peft import LoRAModel
from paddleformers.trainer.trainer_utils import EvalLoopOutput

from runtime.workers.paddleformers.arguments import Arguments
from runtime.workers.paddleformers.trainer import FlexTrainer

WITHOUT_REFERENCE = ("or", "simpo")
"""Losses that have no reference model (cli/train/dpo/workflow.py:86-95)."""

FIELDS = (
    "beta",
    "offset_alpha",
    "simpo_gamma",
    "normalize_logps",
    "ignore_eos_token",
    "label_smoothing",
    "loss_type",
    "pref_loss_ratio",
    "sft_loss_ratio",
    "dpop_lambda",
    "ref_model_update_steps",
    "reference_free",
)
"""What the criterion reads; fields of the toolkit's training arguments
(cli/hparams/finetuning_args.py:188-234).
"""


def objective(arguments: Arguments) -> Any:
    """Return the loss that a config asks for, as the toolkit's own workflow completes it."""
    values = {name: getattr(arguments.training, name) for name in FIELDS}
    if values["loss_type"] == "orpo":
        values |= {"loss_type": "or", "sft_loss_ratio": 1.0}
    if values["loss_type"] in WITHOUT_REFERENCE:
        values["reference_free"] = True
    return SimpleNamespace(**values, lora=bool(arguments.model.lora))


class PreferenceTrainer(FlexTrainer):
    """A trainer whose micro-batches are pairs. The reference is the model as it was: LoRA's base, or a
    copy.
    """

    def __init__(self, *, objective: Any, reference: Any = None, **named: Any) -> None:
        super().__init__(**named)
        from paddleformers.nn.criterion.interface import CriterionLayer

        causal = self.model.model if isinstance(self.model, LoRAModel) else self.model
        self.objective = objective
        self.reference = reference
        causal.config.dpo_config = objective
        self.criterion_of_pairs = CriterionLayer(causal.config)
        causal.config.dpo_config = None  # it is an object, and a config is saved as JSON
        self.sums: dict[str, list[float]] = defaultdict(list)

    def referred(self, inputs: dict[str, Any], labels: tuple[Any, ...]) -> tuple[Any, Any]:
        """Return the reference's log-probabilities of better and worse answers."""
        if self.objective.reference_free:
            return paddle.zeros([1]), paddle.zeros([1])
        with paddle.no_grad():
            if self.reference is not None:
                logits = self.reference(**inputs)
            else:
                training = self.model.training
                self.model.disable_lora()
                self.model.eval()
                logits = self.model(**inputs)
                self.model.enable_lora()
                if training:
                    self.model.train()
            better, worse = self.criterion_of_pairs(logits, (*labels, None, None))
        return better, worse

    def weigh(self, model: Any, inputs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Return a batch's loss, and its rewards by name."""
        labels = (inputs.pop("response_labels"), inputs.pop("response_indexs"))
        reference = self.referred(inputs, labels)
        better, worse, _, _, loss = self.criterion_of_pairs(model(**inputs), (*labels, *reference))
        gained = self.objective.beta * (better - reference[0]).detach()
        lost = self.objective.beta * (worse - reference[1]).detach()
        return loss, {
            "rewards/chosen": gained,
            "rewards/rejected": lost,
            "rewards/margins": gained - lost,
            "rewards/accuracies": (gained > lost).astype("float32"),
        }

    def compute_loss(self, model: Any, inputs: dict[str, Any], return_outputs: bool = False) -> Any:
        """Compute the loss of a micro-batch of pairs, and keep its rewards for the next figures."""
        loss, rewards = self.weigh(model, dict(inputs))
        for name, values in rewards.items():
            self.sums[name] += values.flatten().tolist()
        return (loss, None) if return_outputs else loss

    def log(self, logs: dict[str, float], **named: Any) -> None:
        """Add the mean rewards since the last figures."""
        if "loss" in logs:
            logs |= {name: sum(values) / max(len(values), 1) for name, values in self.sums.items()}
            self.sums.clear()
        super().log(logs, **named)

    def evaluation_loop(self, dataloader: Any, *positional: Any, **named: Any) -> EvalLoopOutput:
        """Return loss and rewards: means over all pairs of the dev rows, whatever batch and process count."""
        totals: dict[str, float] = defaultdict(float)
        self.model.eval()
        for batch in dataloader:
            batch.pop("real_tokens", None)
            with paddle.no_grad(), self.autocast_smart_context_manager():
                loss, rewards = self.weigh(self.model, self._prepare_inputs(batch))
            count = len(rewards["rewards/margins"])
            totals["pairs"] += count
            totals["loss"] += float(loss) * count
            for name, values in rewards.items():
                totals[name] += float(values.sum())
        self.model.train()
        if self.args.world_size > 1:
            names = sorted(totals)
            sums = paddle.to_tensor([totals[name] for name in names], dtype="float64")
            paddle.distributed.all_reduce(sums)
            totals = defaultdict(float, zip(names, sums.tolist(), strict=True))
        pairs = max(totals.pop("pairs"), 1.0)
        metrics = {f"eval_{name}": value / pairs for name, value in totals.items()}
        return EvalLoopOutput(None, None, metrics, len(dataloader.dataset))
