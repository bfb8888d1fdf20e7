"""How each architecture writes its config.json, and the row of the table that a config means."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Literal

from pydantic import Field

from planner.catalogue import read
from planner.schema import Record

Switch = bool | str
"""True, false, or the config key that says so; `not key` turns it around."""

KEYS: dict[str, tuple[str, ...]] = {
    "hidden_size": ("hidden_size", "n_embd", "n_embed", "d_model", "dim"),
    "intermediate_size": ("intermediate_size", "ffn_hidden_size", "n_inner", "ffn_dim", "inner_hidden_size"),
    "num_hidden_layers": ("num_hidden_layers", "num_layers", "n_layer", "n_layers"),
    "num_attention_heads": ("num_attention_heads", "n_head", "n_heads", "num_heads"),
    "num_key_value_heads": ("num_key_value_heads", "num_kv_heads", "n_head_kv"),
    "vocab_size": ("vocab_size", "padded_vocab_size"),
    "max_position_embeddings": (
        "max_position_embeddings",
        "n_positions",
        "seq_length",
        "max_sequence_length",
        "model_max_length",
        "n_ctx",
        "max_seq_len",
    ),
    "head_dim": ("head_dim", "kv_channels", "attention_head_size"),
}
"""Our name of a figure -> the keys that mean it, as Hugging Face's and PaddleNLP's configuration classes name
them (`attribute_map` there)."""


class GroupedBy(Record):
    """Key/value heads that a switch turns on (ChatGLM2)."""

    switch: str
    count: str


class ExpertKeys(Record):
    """Which config keys describe the mixture of experts, and which small weights come with it."""

    count: str = Field(description="Routed experts of a block.")
    per_token: str
    width: str = Field(description="Width of one routed expert.")
    shared_width: str = Field("", description="Width of the shared experts together.")
    shared_count: str = Field("", description="Number of shared experts, each as wide as a routed one.")
    first_block: str = Field("", description="Blocks before it are dense.")
    every: str = Field("", description="Every n-th block from there on.")
    sparse_step: str = Field("", description="n: the blocks n-1, 2n-1, ... have experts.")
    shared_gate: bool = Field(False, description="A vector that scales the shared experts.")
    router_bias: bool = False
    router_correction: bool = Field(False, description="One figure per expert that balances the load.")
    bias: bool = Field(False, description="Experts' matrices have biases.")


class Architecture(Record):
    """One row: how to read the config, and what a block consists of. The defaults are llama's."""

    model_type: str = Field("", description="`model_type` of config.json; empty: the row's own name.")
    needs: tuple[str, ...] = Field((), description="Only for configs that have these keys.")
    lacks: tuple[str, ...] = Field((), description="Only for configs without these keys.")
    equals: dict[str, Any] = Field(default_factory=dict, description="Only for configs with these values.")
    read_as: str = Field("", description="`ModelFacts.model_type`; empty: as in config.json.")
    keys: dict[str, tuple[str, ...]] = Field(default_factory=dict, description="Instead of those in KEYS.")
    defaults: dict[str, Any] = Field(
        default_factory=dict, description="Values of the configuration class for keys that are left out."
    )
    gated: bool = Field(True, description="Three matrices in the MLP, or two.")
    mlp_divisor: int = Field(1, description="What to divide the written MLP width by.")
    grouped_by: GroupedBy | None = None
    single_key_value: Switch = Field(False, description="Whether all query heads share one key/value head.")
    latent: bool = Field(False, description="Multi-head latent attention.")
    bias_query_key_value: Switch = False
    bias_out: Switch = False
    bias_mlp: Switch = False
    head_bias: Switch = False
    norm: Literal["rms", "layer"] = "rms"
    norms_per_block: int = 2
    query_key_norm: Switch = Field(False, description="A norm of head width on queries, another on keys.")
    embedding_norm: bool = False
    final_norm: Switch = True
    position: Literal["rotary", "learned", "alibi"] = "rotary"
    position_tables: int = Field(1, description="Learned tables of positions.")
    position_extra: int = Field(0, description="Rows of such a table beyond the longest context.")
    embedding_width: str = Field("", description="Key of an embedding narrower than the blocks (OPT-350m).")
    filtering: bool = Field(False, description="Yuan's localized filtering before the attention.")
    sinks: bool = Field(False, description="One learned figure per head that absorbs attention.")
    dropout: tuple[str, ...] = Field(("attention_dropout",), description="Keys; the largest counts.")
    experts: ExpertKeys | None = None
    next_token_layers: str = Field("", description="Key of the number of blocks for later tokens.")
    exact: bool = Field(True, description="Whether its count of weights is checked against a published one.")
    source: str = Field(description="Where it is read.")

    def is_on(self, switch: Switch, config: Mapping[str, Any]) -> bool:
        """Return whether `switch` is on in `config`."""
        if isinstance(switch, bool):
            return switch
        key, wanted = (switch[4:], False) if switch.startswith("not ") else (switch, True)
        return bool(self.value(config, key)) is wanted

    def value(self, config: Mapping[str, Any], key: str) -> Any:
        """Return what `config` says under `key`, else the configuration class's default, else None."""
        found = config.get(key)
        return self.defaults.get(key) if found is None else found

    def figure(self, config: Mapping[str, Any], name: str) -> tuple[str, Any]:
        """Return the key that carries the figure `name` (one of KEYS) in `config`, and its value."""
        keys = self.keys.get(name, KEYS[name])
        for key in keys:
            if self.value(config, key) is not None:
                return key, self.value(config, key)
        return keys[0], None

    def fits(self, config: Mapping[str, Any]) -> bool:
        """Return whether the conditions of this row hold for `config`."""
        return (
            all(config.get(key) is not None for key in self.needs)
            and all(config.get(key) is None for key in self.lacks)
            and all(config.get(key) == value for key, value in self.equals.items())
        )


GENERIC = Architecture(exact=False, source="taken to be like llama")
"""For a `model_type` that has no row."""


@cache
def architectures() -> dict[str, Architecture]:
    """Return row name -> row, in the table's order."""
    return {name: Architecture(**values) for name, values in read("architectures").items()}


def architecture(config: Mapping[str, Any]) -> Architecture | None:
    """Return the first row that fits `config` (the text part of a config.json), or None."""
    model_type = config.get("model_type")
    for name, row in architectures().items():
        if (row.model_type or name) == model_type and row.fits(config):
            return row
    return None
