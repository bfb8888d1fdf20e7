"""How long the stages of a run take, apart from training: fetching, converting, merging, answering."""

from __future__ import annotations

from planner import pace
from planner.after_stages import stages_of
from planner.facts import ModelFacts
from planner.phrases import MIB
from planner.situation import Situation

STAGE_SECONDS = {
    "acquire": 8.0,
    "convert": 8.0,
    "prepare": 2.0,
    "preflight": 15.0,
    "merge": 15.0,
    "generate": 18.0,
    "export": 14.0,
    "report": 2.0,
}
"""Fixed seconds of each stage: starting Python, importing the engine, proving. Measured with a tiny model on
two AMD EPYC cores; what grows with the model is added below."""

BYTES_PER_SECOND = 20 * MIB
"""Download speed that is assumed; the real one shows in the acquire stage."""

CONVERT_BYTES_PER_SECOND = 100 * MIB
"""Reading, transposing and writing weights, with hashes."""

GENERATE_TOKENS_PER_SECOND = 12.7
"""Greedy answers with a key/value cache at 135M in float32 on one core; falls with the model's size."""

HOST_BYTES_PER_SECOND = 50e9
"""Weights that the host of a machine with devices reads for the next token: estimated, a quarter of the
memory bandwidth of one server processor with eight channels of DDR4-3200 (205 GB/s, datasheets)."""

BLOCK_SECONDS = 1e-3
"""Starting the kernels of one block for the next token, whatever their size: estimated, about 20 kernels."""

REACHED = 0.5
"""Share of a device's memory bandwidth that one token's products reach: estimated."""

ANSWER_ROOM = 1.25
"""Memory of an answering model over its weights of 16 bits, as in `runtime.workers.answering_place`."""

PROMPTS = 8
SHARE_OF_LIMIT = 0.5
"""Length of an answer as a share of `max_new_tokens`."""


def stored_bytes(model: ModelFacts) -> int:
    """Return the bytes of a weight as it lies on the disk: hubs keep 16 bits; GGUF files are unpacked to 32,
    and a local folder may hold those."""
    return 2 if model.source.kind not in ("local", "wheel") else 4


def stage_seconds(s: Situation) -> dict[str, float]:
    """Return seconds per stage, except train."""
    stored = s.model.parameters * stored_bytes(s.model)
    work = stored / CONVERT_BYTES_PER_SECOND
    fetched = 0.0 if s.model.source.kind == "local" else s.model.parameters * 2 / BYTES_PER_SECOND
    grows = {
        "acquire": fetched,
        "convert": 2 * work,
        "prepare": s.data.lengths.total / 400_000,
        "preflight": work + 3 * pace.step_seconds(s),
        "merge": 3 * work,
        "generate": answering_seconds(s),
        "export": 5 * work,
    }
    wanted = {stage: base for stage, base in STAGE_SECONDS.items() if stage in stages_of(s)}
    return {stage: round(base + grows.get(stage, 0.0), 1) for stage, base in wanted.items()}


def answering_seconds(s: Situation) -> float:
    """Return seconds in which base and tuned model answer the test prompts.

    With devices the prompts are answered together, by one device if it holds the model in 16 bits, else by
    the host in float32.
    """
    tokens, read = SHARE_OF_LIMIT * s.whole("max_new_tokens"), float(s.model.active_parameters)
    if not s.on_gpu:
        return 2 * PROMPTS * tokens / max(0.1, GENERATE_TOKENS_PER_SECOND * 135e6 / read)
    if 2 * s.model.parameters * ANSWER_ROOM > s.hardware.devices[0].memory_bytes:
        return 2 * tokens * 4 * read / HOST_BYTES_PER_SECOND
    reading = 2 * read / (REACHED * pace.cluster(s).memory_bandwidth)
    return 2 * tokens * (reading + s.model.num_hidden_layers * BLOCK_SECONDS)
