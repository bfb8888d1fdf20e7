"""The catalogue's figures: every row counts exactly the weights that its publisher states."""

from __future__ import annotations

import pytest

from planner.families import engines_for
from planner.model_catalogue import models, rows

PUBLISHED = {
    "smollm2-135m": 134_515_008,
    "smollm2-360m": 361_821_120,
    "smollm2-1.7b": 1_711_376_384,
    "smollm3-3b": 3_075_098_624,
    "qwen2.5-0.5b": 494_032_768,
    "qwen2.5-1.5b": 1_543_714_304,
    "qwen2.5-3b": 3_085_938_688,
    "qwen2.5-7b": 7_615_616_512,
    "qwen2.5-14b": 14_770_033_664,
    "qwen2.5-32b": 32_763_876_352,
    "qwen2.5-72b": 72_706_203_648,
    "qwen1.5-moe-a2.7b": 14_315_784_192,
    "qwen1-1.8b": 1_836_828_672,
    "qwen1-7b": 7_721_324_544,
    "qwen1-72b": 72_287_920_128,
    "llama-1-65b": 65_285_660_672,
    "codellama-7b": 6_738_546_688,
    "codellama-34b": 33_743_970_304,
    "yi-6b": 6_061_035_520,
    "yi-34b": 34_388_917_248,
    "mistral-small-24b": 23_572_403_200,
    "gpt-oss-20b": 20_914_757_184,
    "gpt-oss-120b": 116_829_156_672,
    "gpt2-medium": 354_823_168,
    "qwen1-14b": 14_167_290_880,
    "qwen3-0.6b": 596_049_920,
    "qwen3-1.7b": 1_720_574_976,
    "qwen3-4b": 4_022_468_096,
    "qwen3-8b": 8_190_735_360,
    "qwen3-14b": 14_768_307_200,
    "qwen3-32b": 32_762_123_264,
    "qwen3-30b-a3b": 30_532_122_624,
    "qwen3-235b-a22b": 235_093_634_560,
    "llama-2-7b": 6_738_415_616,
    "llama-2-13b": 13_015_864_320,
    "llama-2-70b": 68_976_648_192,
    "llama-3.1-8b": 8_030_261_248,
    "llama-3.1-70b": 70_553_706_496,
    "llama-3.1-405b": 405_853_388_800,
    "llama-3.2-1b": 1_235_814_400,
    "llama-3.2-3b": 3_212_749_824,
    "tinyllama-1.1b": 1_100_048_384,
    "mistral-7b-v0.1": 7_241_732_096,
    "mistral-7b-v0.3": 7_248_023_552,
    "mistral-nemo-12b": 12_247_782_400,
    "mixtral-8x7b-v0.1": 46_702_792_704,
    "gemma-2b": 2_506_172_416,
    "gemma-7b": 8_537_680_896,
    "gemma-2-2b": 2_614_341_888,
    "gemma-2-9b": 9_241_705_984,
    "gemma-2-27b": 27_227_128_320,
    "gemma-3-1b": 999_885_952,
    "deepseek-v2-lite": 15_706_484_224,
    "deepseek-v2": 235_741_434_880,
    "deepseek-v3": 671_026_419_200,
    "deepseek-r1-distill-qwen-1.5b": 1_777_088_000,
    "chatglm-6b": 6_173_286_400,
    "chatglm2-6b": 6_243_584_000,
    "glm-4-9b": 9_399_951_360,
    "baichuan-7b": 7_000_559_616,
    "baichuan2-7b": 7_505_973_248,
    "baichuan2-13b": 13_896_668_160,
    "bloom-560m": 559_214_592,
    "bloom-7b1": 7_069_016_064,
    "bloom-176b": 176_247_271_424,
    "opt-125m": 125_239_296,
    "opt-1.3b": 1_315_758_080,
    "opt-6.7b": 6_658_473_984,
    "opt-13b": 12_853_473_280,
    "gpt2": 124_439_808,
    "gpt2-xl": 1_557_611_200,
    "phi-2": 2_779_683_840,
    "phi-3-mini": 3_821_079_552,
    "phi-3-medium": 13_960_238_080,
    "phi-4": 14_659_507_200,
    "phi-4-mini": 3_836_021_760,
    "internlm2-7b": 7_737_708_544,
    "falcon-7b": 6_921_720_704,
    "stablelm-2-1.6b": 1_644_515_328,
    "pythia-1.4b": 1_414_647_808,
    "pythia-6.9b": 6_857_302_016,
    "pythia-12b": 11_846_072_320,
    "santacoder-1.1b": 1_124_886_528,
}
"""Weights as the hub's safetensors summary or the model card states them; without the layers that predict
later tokens (DeepSeek-V3 report, arXiv:2412.19437: 671B main model of 685B stored)."""

ROUNDED = {
    "qwen2-57b-a14b": (57.4e9, 14e9),
    "qwen1.5-moe-a2.7b": (14.3e9, 2.7e9),
    "qwen3-30b-a3b": (30.5e9, 3.3e9),
    "qwen3-235b-a22b": (235e9, 22e9),
    "mixtral-8x7b-v0.1": (46.7e9, 12.9e9),
    "mixtral-8x22b-v0.1": (141e9, 39e9),
    "deepseek-v2-lite": (15.7e9, 2.4e9),
    "deepseek-v2": (236e9, 21e9),
    "deepseek-v3": (671e9, 37e9),
    "ernie-4.5-21b-a3b": (21e9, 3e9),
    "ernie-4.5-300b-a47b": (300e9, 47e9),
    "glm-4.5": (355e9, 32e9),
    "glm-4.5-air": (106e9, 12e9),
    "yuan2-2b": (2.1e9, 2.1e9),
    "yuan2-51b": (51e9, 51e9),
    "ernie-4.5-0.3b": (0.36e9, 0.36e9),
    "glm-4-9b-0414": (9.4e9, 9.4e9),
}
"""Total and active weights as the model cards round them, which may leave the embeddings out."""


@pytest.mark.parametrize("row", list(rows()))
def test_every_row_counts_what_is_published(row: str) -> None:
    entries = [entry for entry in models().values() if entry.row == row]
    expected = PUBLISHED.get(row) or PUBLISHED.get(rows()[row].like)
    for entry in entries:
        if expected:
            assert entry.parameters == expected
        else:
            assert entry.parameters == pytest.approx(ROUNDED[row][0], rel=0.04)


@pytest.mark.parametrize("row", list(ROUNDED))
def test_active_weights_are_what_is_published(row: str) -> None:
    entry = next(entry for entry in models().values() if entry.row == row)
    assert entry.active_parameters == pytest.approx(ROUNDED[row][1], rel=0.13)


def test_entries_make_sense() -> None:
    assert len(rows()) >= 80
    ids = [entry.source.id for entry in models().values()]
    assert len(ids) == len(set(ids))
    for entry in models().values():
        assert entry.num_attention_heads % entry.num_key_value_heads == 0
        assert 0.3 * entry.parameters < entry.download_bytes < 2.2 * entry.parameters + 20e6
        assert entry.license and entry.facts().name == entry.name


@pytest.mark.parametrize(
    "name", ["llama-3.1-8b-instruct", "qwen2.5-7b-instruct", "deepseek-v3", "chatglm3-6b", "bloomz-7b1"]
)
def test_catalogue_models_of_paddlenlp_are_routed_there(name: str) -> None:
    assert engines_for(models()[name].model_type, "sft")[0] == "paddlenlp"


@pytest.mark.parametrize("name", ["qwen3-8b", "glm-4.5-air", "ernie-4.5-0.3b", "phi-4", "gemma-3-1b-it"])
def test_newer_models_are_routed_to_paddleformers(name: str) -> None:
    assert engines_for(models()[name].model_type, "sft") == ("paddleformers",)


def test_context_and_template_of_a_base_may_differ() -> None:
    base, chat = models()["qwen2.5-7b-base"], models()["qwen2.5-7b-instruct"]
    assert (base.max_position_embeddings, chat.max_position_embeddings) == (131072, 32768)
    assert base.has_chat_template and not models()["llama-3.1-8b-base"].has_chat_template
