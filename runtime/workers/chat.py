"""Worker `chat`: reads requests from standard input, streams answers to standard output, as JSON lines.

Specification: `base` (PaddleNLP folder), `model` (merged Hugging Face folder). The protocol is in `talking`.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any


def main(spec: dict[str, Any], arguments: list[str]) -> int:
    """Serve requests until standard input ends.

    Standard output is taken away from everything else first: Paddle and its libraries print there.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    from runtime.workers.talking import serve

    return serve(spec, sys.stdin, replies)
