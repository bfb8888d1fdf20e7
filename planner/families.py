"""What each architecture supports in PaddleNLP 3.0.0b4, by `model_type` of config.json.

Read from the installed wheel and from upstream's scripts at the same version: LoRA from trl/llm_utils.py
get_lora_target_modules, flash_mask from llm/run_finetune.py flash_mask_support_list, tensor parallelism from
`_get_tensor_parallel_mappings`. Only families whose Paddle -> Hugging Face conversion is proven are offered.
"""

from __future__ import annotations

from planner.schema import Record


class Family(Record):
    """Abilities of one architecture."""

    flash_mask: bool = False
    tensor_parallel: bool = True
    kv_heads_must_divide: bool = False
    """Whether tensor parallelism must divide the key/value heads too (qwen2/modeling.py:536)."""


SFT_FAMILIES: dict[str, Family] = {
    "llama": Family(flash_mask=True),
    "qwen2": Family(flash_mask=True, kv_heads_must_divide=True),
    "mistral": Family(),
}
