"""What PaddleFormers 1.2.0 takes for granted and a processor does not have."""

from __future__ import annotations

from typing import Any

import paddle


def on_processor() -> bool:
    """Return whether this engine computes on a processor."""
    return not paddle.is_compiled_with_cuda() and not paddle.device.get_all_custom_device_type()


def make_ready() -> None:
    """On a processor, let calls that move tensors to a GPU or wait for one do nothing.

    Reading a checkpoint with several processes moves each tensor to a GPU first
    (paddle/distributed/flex_checkpoint/dcp/reshard_comm.py:229), and the trainer waits for the device
    before every accumulated step (trainer/trainer.py:2463). Both end in an error there, where there is
    nothing to do.
    """
    if not on_processor():
        return

    def stay(tensor: Any, *where: Any, **how: Any) -> Any:
        """Return the tensor where it is."""
        return tensor

    paddle.Tensor.cuda = stay
    paddle.device.synchronize = lambda device=None: None
