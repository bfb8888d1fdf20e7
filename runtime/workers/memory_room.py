"""A small machine on purpose: from a step on, this process may take only so much more memory.

For tests of what happens when memory really runs out. `STEERSMAN_TEST_MEMORY_ROOM` is `STEP:BYTES`; the limit
is the kernel's own on the address space (RLIMIT_AS), counted from what the process has at that moment.
"""

from __future__ import annotations

import os
import resource
from pathlib import Path

ROOM = "STEERSMAN_TEST_MEMORY_ROOM"


def limit_from(step: int) -> None:
    """Set the limit if one is asked for and `step`, the number of steps done, has reached it."""
    first, _, room = os.environ.get(ROOM, "").partition(":")
    if not room or step < int(first) or resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY:
        return
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * resource.getpagesize() + int(room)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
