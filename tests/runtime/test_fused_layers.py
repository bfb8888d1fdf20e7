"""Where fused layers are cut, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from runtime.workers.fused_layers import Widths, parts_of, split_adapter
from runtime.workers.numpy_llama import why_not
from runtime.workers.refusal import RefusedError


def test_queries_of_a_group_stand_before_their_key_and_value() -> None:
    queries, keys, values = parts_of("a.qkv_proj", Widths(heads=4, key_heads=2, head_width=1, inner=3))
    assert (queries.name, keys.name, values.name) == ("a.q_proj", "a.k_proj", "a.v_proj")
    assert [part.outputs.tolist() for part in (queries, keys, values)] == [[0, 1, 4, 5], [2, 6], [3, 7]]
    gate, up = parts_of("a.up_gate_proj", Widths(4, 2, 1, 3))
    assert (gate.outputs.tolist(), up.outputs.tolist()) == ([0, 1, 2], [3, 4, 5])
    assert parts_of("a.o_proj", Widths(4, 2, 1, 3)) == () == parts_of("a.qkv_proj", None)


def test_an_adapter_of_a_fused_layer_without_a_word_of_its_widths_is_refused() -> None:
    with pytest.raises(RefusedError) as refused:
        split_adapter({"a.qkv_proj": {"lora_A": np.ones((4, 1)), "lora_B": np.ones((1, 8))}}, None)
    assert "nothing says where it is to be cut" in refused.value.what


def test_experts_have_no_independent_forward_pass() -> None:
    assert not why_not({"model_type": "ernie4_5"})
    assert "ernie4_5_moe" in why_not({"model_type": "ernie4_5_moe"})
