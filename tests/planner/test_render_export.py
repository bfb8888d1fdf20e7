"""What upstream's export script is told of the model's positions."""

from __future__ import annotations

import pytest

from planner.render import after
from tests.planner.test_render_stages import Case, config, planned


@pytest.mark.parametrize(("positions", "room"), [(512, (256, 256)), (2048, (None, None))])
def test_an_export_asks_for_no_more_positions_than_the_model_has(
    positions: int, room: tuple[int | None, int | None]
) -> None:
    """Upstream wants 1024 for the prompt and 1024 for the answer unless told (predict/predictor.py:1446)."""
    made = planned(Case("paddlenlp", "export"))
    model = made.facts.model.model_copy(update={"max_position_embeddings": positions})
    short = made.model_copy(update={"facts": made.facts.model_copy(update={"model": model})})
    written = config(short)
    assert (written.get("src_length"), written.get("max_length")) == room


@pytest.mark.parametrize(("positions", "told"), [(512, 3), (2048, 0)])
def test_commands_for_the_result_ask_for_no_more_either(positions: int, told: int) -> None:
    made = planned(Case("paddlenlp", "sft", pins=(("export", "paddle_static"),)))
    model = made.facts.model.model_copy(update={"max_position_embeddings": positions})
    short = made.model_copy(update={"facts": made.facts.model_copy(update={"model": model})})
    text = after(short, "result")
    assert text.count("--src_length 256 --max_length 256") == told
    assert text.count("--src_length") == told
