"""Read the training config: the YAML of `paddleformers-cli train`, by the toolkit's own dataclasses.

Its parser takes `null` for a text and swallows what it does not use in a stage; what would change the
training without a word is refused here.
"""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say, template

UNSUPPORTED = {
    "lora_path": template("a start from an earlier adapter"),
    "make_offline_data": template("data written for later"),
    "use_expert_parallel": template("experts spread over devices"),
    "freeze_config": template("freezing parts of a multimodal model"),
}
"""Switches that the worker refuses rather than ignores -> what they turn on."""

STAGES = ("SFT", "DPO", "PT")


class Arguments(NamedTuple):
    """The parsed config."""

    model: Any
    data: Any
    training: Any
    extras: dict[str, Any]
    """What the toolkit's config has no field for."""

    @property
    def stage(self) -> str:
        """SFT, DPO or PT."""
        return str(self.model.stage)


def read(path: str | Path) -> dict[str, Any]:
    """Return the YAML mapping at `path`."""
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise RefusedError(
            say("The training config {path} cannot be read: {reason}.", path=path, reason=error.strerror)
        ) from error
    except yaml.YAMLError as error:
        raise RefusedError(
            say("The training config {path} is not YAML: {reason}.", path=path, reason=error)
        ) from error
    if not isinstance(values, dict):
        raise RefusedError(
            say("The training config {path} must be one mapping of setting names and values.", path=path)
        )
    return values


def check_values(values: dict[str, Any], path: str | Path) -> None:
    """Refuse nulls, other stages, and switches that this worker does not follow."""
    for key, value in values.items():
        if value is None:
            raise RefusedError(
                say("{path}: `{key}` is null.", path=path, key=key),
                remedy=say("Leave the key out to get its default."),
            )
        if key in UNSUPPORTED and value:
            raise RefusedError(
                say(
                    "{path}: `{key}` asks for {what}, which this worker does not do.",
                    path=path,
                    key=key,
                    what=say(UNSUPPORTED[key]),
                )
            )
    stage = values.get("stage", "SFT")
    if stage not in STAGES:
        raise RefusedError(
            say(
                "{path}: stage {stage} is not run here; known are {stages}.",
                path=path,
                stage=stage,
                stages=", ".join(STAGES),
            )
        )


def parse(path: str | Path, extras: dict[str, Any] | None = None, processes: int | None = None) -> Arguments:
    """Return the config at `path`; raises `RefusedError` with a sentence that names the key.

    Parsing also joins the process group when there is more than one process: the toolkit does that while it
    builds its training arguments.
    """
    from paddleformers.cli.hparams.parser import get_train_args

    values = read(path)
    check_values(values, path)
    messages = io.StringIO()
    try:
        with contextlib.redirect_stderr(messages):
            model, data, _, _, training = get_train_args(values)
    except SystemExit as error:
        complaint = messages.getvalue().strip().splitlines()[-1:] or [say("a value has the wrong type")]
        raise RefusedError(
            f"{path}: {complaint[0].split('error: ')[-1]}.",
            remedy=say("Correct the value in the config."),
        ) from error
    except (ValueError, AssertionError) as error:
        reason = " ".join(str(error).split())
        raise RefusedError(
            say(
                "{path}: PaddleFormers refuses this combination of settings: {reason}",
                path=path,
                reason=reason,
            )
        ) from error
    training.max_seq_len = data.max_seq_len
    return Arguments(model, data, training, extras or {})
