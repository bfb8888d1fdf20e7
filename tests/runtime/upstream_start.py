"""Run inside the engine: start one of upstream's scripts, its file untouched, with named repairs around it.

    python upstream_start.py REPAIR[,REPAIR...] SCRIPT.py config.json

What a script then does differently is the repair's doing and nothing else.
"""

from __future__ import annotations

import functools
import runpy
import sys
from pathlib import Path
from typing import Any


def plain_reference() -> None:
    """Wrap no reference model for a fleet of processes that is not there (trl/dpo_trainer.py:210)."""
    from paddlenlp import trl

    for trainer in (trl.DPOTrainer, trl.KTOTrainer):
        trainer._wrap_ref_model = lambda self, model: model


def whole_answers() -> None:
    """Count the first token of rejected answers too (run_dpo.py:260, dpo_criterion.py:207-243)."""
    from paddlenlp import trl

    made = trl.DPOTrainer.__init__

    @functools.wraps(made)
    def init(self: Any, *positional: Any, **named: Any) -> None:
        made(self, *positional, **{**named, "ignore_eos_token": False})

    trl.DPOTrainer.__init__ = init


REPAIRS = {"plain_reference": plain_reference, "whole_answers": whole_answers}


def main(arguments: list[str]) -> None:
    """Make the repairs, then run the script as Python would."""
    repairs, script = arguments[0].split(","), arguments[1]
    sys.path[0] = str(Path(script).parent)
    for name in repairs:
        REPAIRS[name]()
    sys.argv = arguments[1:]
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
