"""A model's facts from its config.json, without its weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from planner.architectures import GENERIC, Architecture, architecture
from planner.errors import BadInput
from planner.facts import ExpertFacts, LatentAttentionFacts, ModelFacts, ModelSource
from planner.findings import Finding
from planner.language import say
from planner.weight_count import count_weights

TEXT_PARTS = ("text_config", "llm_config", "language_config", "thinker_config")
"""Keys under which models of several modalities keep the config of their language model."""

TRAINABLE_FORMATS = ("fp8",)
"""`quant_method` values whose weights are plain numbers with scales, and convert back to bfloat16."""

ARRANGED_TYPES = {"gemma3": "gemma3_text"}
"""Outer model type -> that of its language model, where text_config does not say it."""


def from_config(
    config: Mapping[str, Any],
    name: str,
    source: ModelSource,
    parameters: int | None = None,
    has_chat_template: bool = True,
) -> ModelFacts:
    """Return the facts of the model that `config` (a parsed config.json) describes.

    `parameters` is the exact number of weights where it is known (from weight headers or the hub); otherwise
    it is computed from the shapes, which is exact for every architecture of recipes/architectures.yaml
    without `exact: false`, and marked as not exact for the others. Raises BadInput naming the field that is
    missing or no positive number.
    """
    text = text_part(config)
    model_type = text.get("model_type")
    if not isinstance(model_type, str) or not model_type:
        raise BadInput(
            say("The config.json of {name} has no model_type.", name=name),
            why=say("It is not a language model's."),
        )
    row = architecture(text) or GENERIC
    read = _Reader(text, row, name, model_type)
    hidden, heads = read.whole("hidden_size"), read.whole("num_attention_heads")
    latent = _latent(read) if row.latent else None
    head_dim = read.optional("head_dim") or (1 if latent else _even_share(read, hidden, heads))
    facts = ModelFacts(
        name=name,
        source=source,
        model_type=row.read_as or model_type,
        parameters=parameters or 1,
        parameters_exact=bool(parameters) or (row.exact and not text.get("mlp_only_layers")),
        num_hidden_layers=read.whole("num_hidden_layers"),
        hidden_size=hidden,
        intermediate_size=_intermediate_size(read, hidden),
        num_attention_heads=heads,
        num_key_value_heads=_key_value_heads(read, heads),
        head_dim=latent.qk_nope_head_dim + latent.qk_rope_head_dim if latent else head_dim,
        vocab_size=read.whole("vocab_size"),
        max_position_embeddings=read.optional("max_position_embeddings") or 2048,
        tie_word_embeddings=bool(row.value(text, "tie_word_embeddings")),
        has_chat_template=has_chat_template,
        gated_mlp=row.gated,
        attention_bias=row.is_on(row.bias_query_key_value, text),
        norm=row.norm,
        position="alibi" if text.get("alibi") is True else row.position,
        dropout=max((read.share(key) for key in row.dropout), default=0.0),
        experts=_experts(read),
        latent_attention=latent,
        next_token_layers=read.count(row.next_token_layers) if row.next_token_layers else 0,
    )
    if parameters:
        return facts
    return facts.model_copy(update={"parameters": count_weights(facts, row, text)})


def text_part(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of `config` that describes the language model, with its model_type."""
    for key in TEXT_PARTS:
        inner = config.get(key)
        if isinstance(inner, Mapping) and ("hidden_size" in inner or "model_type" in inner):
            outer = str(config.get("model_type") or "")
            model_type = inner.get("model_type") or ARRANGED_TYPES.get(outer, outer)
            return {**text_part(inner), "model_type": model_type}
    return dict(config)


def findings(config: Mapping[str, Any], name: str) -> tuple[Finding, ...]:
    """Return what is worth saying about a config.json besides its figures; each is one sentence."""
    found = []
    text = text_part(config)
    quantised = config.get("quantization_config") or text.get("quantization_config")
    if isinstance(quantised, Mapping):
        found.append(_quantised(quantised, name))
    if text != dict(config):
        found.append(
            Finding(
                code="model.text-part",
                severity="notes",
                field="model_type",
                got=str(config.get("model_type")),
                because=say(
                    "{name} reads more than text; the plan counts and trains its language model alone "
                    "({model_type}).",
                    name=name,
                    model_type=text.get("model_type"),
                ),
                source="config.json",
            )
        )
    if architecture(text) is None:
        found.append(
            Finding(
                code="model.unknown-architecture",
                severity="warns",
                field="model_type",
                got=str(text.get("model_type")),
                because=say(
                    "The architecture {model_type} is not in our table, so {name} is counted like a llama; "
                    "its memory and time are less certain.",
                    model_type=text.get("model_type"),
                    name=name,
                ),
                source="recipes/architectures.yaml",
            )
        )
    return tuple(found)


def _quantised(quantised: Mapping[str, Any], name: str) -> Finding:
    method = str(quantised.get("quant_method") or say("an unnamed method"))
    plain = method in TRAINABLE_FORMATS
    bits = quantised.get("bits") or (
        8 if quantised.get("load_in_8bit") else 4 if "load_in_8bit" in quantised else 0
    )
    return Finding(
        code="model.quantised-weights",
        severity="warns" if plain else "fails",
        field="quantization_config",
        got=method,
        because=say(
            "The weights of {name} are stored as {method}; they must be converted to bfloat16 first, which "
            "doubles their size on disk.",
            name=name,
            method=method,
        )
        if plain
        else say(
            "The weights of {name} are already quantised ({method}{bits}); such weights cannot be trained.",
            name=name,
            method=method,
            bits=say(", {bits} bits", bits=bits) if bits else "",
        ),
        fix=""
        if plain
        else say("Name the original model; Steersman can quantise it while it trains a LoRA (QLoRA)."),
        source="config.json",
    )


class _Reader:
    """Figures of one config under whatever key its architecture uses."""

    def __init__(self, config: Mapping[str, Any], row: Architecture, name: str, model_type: str) -> None:
        self.config, self.row, self.name, self.model_type = config, row, name, model_type

    def whole(self, figure: str) -> int:
        """Return a figure that must be there and positive, or raise BadInput naming its key."""
        key, value = self.row.figure(self.config, figure)
        if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
            raise self.refusal(
                key,
                say(
                    "Steersman plans for models with one transformer stack; this one is {model_type}.",
                    model_type=self.model_type,
                ),
            )
        return value

    def optional(self, figure: str) -> int | None:
        """Return a figure, or None when it is absent or no positive number."""
        _, value = self.row.figure(self.config, figure)
        return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None

    def count(self, key: str, otherwise: int = 0) -> int:
        """Return the non-negative number under a key of the config; lists count by their first entry."""
        value = self.row.value(self.config, key)
        if isinstance(value, (list, tuple)):  # ERNIE writes one figure per modality
            value = next(iter(value), None)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
        return otherwise

    def share(self, key: str) -> float:
        """Return the share of 0 to 1 under a key, 0.0 when it is absent; BadInput for anything else."""
        value = self.row.value(self.config, key) or 0.0
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1:
            raise self.refusal(key, say("It must be a number from 0 up to 1."))
        return float(value)

    def positive(self, key: str) -> int:
        """Return the positive number under a key, or raise BadInput naming it."""
        if not (value := self.count(key)):
            raise self.refusal(
                key, say("The architecture {model_type} needs it.", model_type=self.model_type)
            )
        return value

    def refusal(self, key: str, why: str) -> BadInput:
        """Return the refusal of what the config says under `key`."""
        return BadInput(
            say(
                "The config.json of {name} has no usable {key} (found {value}).",
                name=self.name,
                key=key,
                value=repr(self.row.value(self.config, key)),
            ),
            why=why,
        )


def _intermediate_size(read: _Reader, hidden: int) -> int:
    """Return the width of the MLP; architectures with two matrices may leave it out and mean four times."""
    if not read.row.gated and read.optional("intermediate_size") is None:
        return 4 * hidden
    return max(1, read.whole("intermediate_size") // read.row.mlp_divisor)


def _key_value_heads(read: _Reader, heads: int) -> int:
    row, config = read.row, read.config
    if row.grouped_by:
        return read.positive(row.grouped_by.count) if config.get(row.grouped_by.switch) else heads
    if row.is_on(row.single_key_value, config):
        return 1
    key, _ = row.figure(config, "num_key_value_heads")
    groups = read.optional("num_key_value_heads") or heads
    if heads % groups:
        raise read.refusal(key, say("It must divide the {heads} query heads.", heads=heads))
    return groups


def _even_share(read: _Reader, hidden: int, heads: int) -> int:
    """Return the width of one head where it is not written: an equal share of the blocks' width."""
    if hidden % heads:
        key, _ = read.row.figure(read.config, "num_attention_heads")
        raise read.refusal(key, say("It must divide the width of {hidden}.", hidden=hidden))
    return hidden // heads


def _experts(read: _Reader) -> ExpertFacts | None:
    keys = read.row.experts
    if keys is None or not read.count(keys.count):
        return None
    width, step = (
        read.positive(keys.width),
        max(1, read.count(keys.sparse_step, 1)) if keys.sparse_step else 1,
    )
    shared = read.count(keys.shared_width) if keys.shared_width else 0
    if keys.shared_count:
        shared = width * read.count(keys.shared_count)
    if read.positive(keys.per_token) > read.count(keys.count):
        raise read.refusal(
            keys.per_token, say("There are only {count} experts.", count=read.count(keys.count))
        )
    first = read.count(keys.first_block) if keys.first_block else step - 1
    return ExpertFacts(
        count=read.count(keys.count),
        per_token=read.positive(keys.per_token),
        intermediate_size=width,
        shared_intermediate_size=shared,
        first_block=first,
        every=max(1, read.count(keys.every, 1) if keys.every else step),
    )


def _latent(read: _Reader) -> LatentAttentionFacts:
    return LatentAttentionFacts(
        q_lora_rank=read.count("q_lora_rank") or None,
        kv_lora_rank=read.positive("kv_lora_rank"),
        qk_nope_head_dim=read.positive("qk_nope_head_dim"),
        qk_rope_head_dim=read.positive("qk_rope_head_dim"),
        v_head_dim=read.positive("v_head_dim"),
    )
