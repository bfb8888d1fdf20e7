"""Compute on the device that a config names, or say that this engine has none of that kind."""

from __future__ import annotations

from typing import Any

import paddle

from runtime.workers import toolkit
from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say


def use_device(arguments: Any) -> None:
    """Compute on the device of `arguments.training` from now on."""
    device = arguments.training.device
    try:
        paddle.set_device(device)
    except ValueError as error:
        raise RefusedError(
            say(
                "{toolkit} accepts the config, but it asks for device {device}, which this engine has not.",
                toolkit=toolkit.name(),
                device=device,
            ),
            " ".join(str(error).split()),
            say(
                "Install the engine for your GPU: {command}",
                command=f"steersman engines install {toolkit.name().lower()}",
            ),
        ) from error
