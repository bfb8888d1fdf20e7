"""A line typed in a terminal, which a Ctrl-C always ends."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

AGAIN = 0.05
"""Seconds after which a Ctrl-C that was not noticed is sent again."""


def typed_line(prompt: str) -> str:
    """Return the next line of standard input without its end, as `input` does; call it in the main thread.

    Raises `EOFError` at the end of the input and `KeyboardInterrupt` at a Ctrl-C.
    """
    with noticed_interrupts():
        return input(prompt)


@contextlib.contextmanager
def noticed_interrupts() -> Iterator[None]:
    """Make every Ctrl-C inside the block raise `KeyboardInterrupt` at once.

    GNU readline sleeps until a key or a signal comes, and Python looks for the signal when that sleep is
    broken off (CPython, Modules/readline.c, `readline_until_enter_or_signal`). A Ctrl-C that comes just
    before it sleeps is noticed with the next key only. So a thread hears of each, and sends it again until it
    was noticed.
    """
    noticed = threading.Event()
    main = threading.get_ident()
    reader, writer = os.pipe()
    os.set_blocking(writer, False)

    def interrupt(number: int, frame: FrameType | None) -> None:
        noticed.set()
        raise KeyboardInterrupt

    def insist() -> None:
        while number := os.read(reader, 1):
            while number[0] == signal.SIGINT and not noticed.wait(AGAIN):
                signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=insist, daemon=True)
    handler = signal.signal(signal.SIGINT, interrupt)
    heard_before = signal.set_wakeup_fd(writer)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(heard_before)
        signal.signal(signal.SIGINT, handler)
        noticed.set()
        os.close(writer)
        thread.join()
        os.close(reader)
