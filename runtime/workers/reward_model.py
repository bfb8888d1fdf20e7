"""A reward model: the blocks of a language model and a head that gives every position one score.

PaddleNLP's wheel has none (its `AutoModelForScore` lies beside upstream's scripts). This one is what the
field hands out and `transformers` calls `...ForSequenceClassification` with one label: the score of a text
is that of its last token.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle import nn
from paddlenlp.trainer import set_seed
from paddlenlp.transformers import AutoConfig
from paddlenlp.transformers.configuration_utils import LlmMetaConfig
from paddlenlp.transformers.model_outputs import CausalLMOutputWithPast

from runtime.workers import cpu_norm
from runtime.workers.convert_weights import model_class
from runtime.workers.refusal import RefusedError
from runtime.workers.sft_arguments import Arguments
from runtime.workers.speech import say

HEAD = "score.weight"


@cache
def scorer_class(causal: Any) -> Any:
    """Return the class of reward models with the blocks of the causal language model class `causal`."""
    family = causal.__name__.removesuffix("ForCausalLM")
    backbone = getattr(sys.modules[causal.__module__], f"{family}Model", None)
    if backbone is None:
        raise RefusedError(
            say("PaddleNLP has no blocks of a {family} model to put a reward head on.", family=family),
            remedy=say("Choose a model of family llama, qwen2 or mistral."),
        )

    parent = backbone.__mro__[1]  # Qwen2PretrainedModel, but MistralPreTrainedModel

    def build(self: Any, config: Any) -> None:
        parent.__init__(self, config)
        setattr(self, self.base_model_prefix, backbone(config))
        self.score = nn.Linear(config.hidden_size, 1, bias_attr=False)

    return type(f"{family}ForSequenceClassification", (parent,), {"__init__": build, "forward": scores})


def scores(
    self: Any,
    input_ids: paddle.Tensor,
    position_ids: paddle.Tensor | None = None,
    attention_mask: paddle.Tensor | None = None,
    past_key_values: Any = None,
    return_dict: bool = True,
    **masks: paddle.Tensor,
) -> CausalLMOutputWithPast:
    """Return the score of every position as `logits` [texts, length, 1]."""
    blocks = getattr(self, self.base_model_prefix)
    hidden = blocks(
        input_ids,
        position_ids=position_ids,
        attention_mask=attention_mask,
        past_key_values=past_key_values,
        return_dict=True,
        **masks,
    )[0]
    return CausalLMOutputWithPast(logits=self.score(hidden))


def class_for(folder: str | Path) -> Any:
    """Return the class of reward models for a model folder in PaddleNLP's format."""
    return scorer_class(model_class(as_causal(AutoConfig.from_pretrained(str(folder)).to_dict())))


def as_causal(config: dict[str, Any]) -> dict[str, Any]:
    """Return a config that names the causal language model of its family."""
    names = [
        name.replace("ForSequenceClassification", "ForCausalLM") for name in config["architectures"] or ()
    ]
    return config | {"architectures": names}


def begin(arguments: Arguments, dtype: str) -> Any:
    """Return the base model with a fresh head, for training: equal on every rank and start, by the seed."""
    source, training = arguments.model, arguments.training
    config = AutoConfig.from_pretrained(source.model_name_or_path, dtype=dtype)
    LlmMetaConfig.set_llm_config(config, training)
    config.seq_length = arguments.data.max_length
    model = with_fresh_head(source.model_name_or_path, training.seed, dtype, config)
    cpu_norm.install(model)
    return model


def with_fresh_head(base: str | Path, seed: int, dtype: str = "float32", config: Any = None) -> Any:
    """Return the base model in `base` with a head drawn from N(0, 1 / (hidden + 1)) (arXiv:2009.01325,
    C.1)."""
    set_seed(seed=seed)
    config = config or AutoConfig.from_pretrained(str(base), dtype=dtype)
    config.num_labels = 1
    config.tie_word_embeddings = False  # there is no output layer that could share the embedding
    model = class_for(base).from_pretrained(str(base), config=config, dtype=dtype)
    width = config.hidden_size
    drawn = np.random.default_rng(seed).standard_normal([width, 1]) / np.sqrt(width + 1)
    model.score.weight.set_value(paddle.to_tensor(drawn.astype(np.float32)).astype(model.score.weight.dtype))
    return model


def load(folder: str | Path, dtype: str = "float32") -> Any:
    """Return the reward model that training saved in `folder`, in eval mode."""
    if not Path(folder, "config.json").exists():
        raise RefusedError(say("{folder} is no model folder: it has no config.json.", folder=folder))
    model = class_for(folder).from_pretrained(str(folder), dtype=dtype)
    model.eval()
    return model
