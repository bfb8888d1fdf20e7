"""The trainer's callback and its companions, of the toolkit that this engine holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtime.workers.toolkit import part

if TYPE_CHECKING:
    from paddlenlp.trainer import TrainerCallback, TrainerControl, TrainerState
    from paddlenlp.trainer.trainer_utils import IntervalStrategy
    from paddlenlp.trl import SFTConfig
else:
    TrainerCallback = part("trainer", "TrainerCallback")
    TrainerControl = part("trainer", "TrainerControl")
    TrainerState = part("trainer", "TrainerState")
    IntervalStrategy = part("trainer.trainer_utils", "IntervalStrategy")
    SFTConfig = object  # only named in annotations

__all__ = ["IntervalStrategy", "SFTConfig", "TrainerCallback", "TrainerControl", "TrainerState"]
