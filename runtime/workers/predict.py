"""Worker `predict`: reads batches of prompts from standard input, writes answers to standard output.

Specification: `base` (PaddleNLP folder), `model` (merged Hugging Face folder, adapter folder or exported
static graph), `which` (tuned, adapter, static or base). The protocol is in `predicting`.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any


def main(spec: dict[str, Any], arguments: list[str]) -> int:
    """Serve requests until standard input ends; see `chat.main` for why standard output is moved."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    from runtime.workers.predicting import serve

    return serve(spec, sys.stdin, replies)
