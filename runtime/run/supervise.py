"""`python -m runtime.run.supervise RUN [OPTIONS]`: the process that takes a run to its end.

It is started detached by `runtime.run.start`; closing the terminal does not end it. A signal to it is a
request to stop: the first is graceful, the next ends the stage at once. It speaks the plan's language, so the
journal does.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import time
from pathlib import Path

from planner.errors import ExitCode, SteersmanError
from planner.language import say, speaking
from runtime.run import lock
from runtime.run.layout import RunFolder
from runtime.run.machine_host import first_of
from runtime.run.offer import POLICIES, Policy
from runtime.run.processes import Identity
from runtime.run.speech import language_of
from runtime.run.stopping import request
from runtime.run.supervisor import Supervisor
from runtime.run.task import build_table


def main(arguments: list[str] | None = None) -> int:
    """Supervise one run and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m runtime.run.supervise")
    parser.add_argument("run", type=Path)
    parser.add_argument("--until")
    parser.add_argument("--on-oom", choices=POLICIES)
    parser.add_argument("--accept", action="store_true")
    parser.add_argument("--master", help="HOST:PORT at which the other machines of the run join.")
    options = parser.parse_args(arguments)
    run = RunFolder(options.run.absolute())
    with speaking(language_of(run)):
        return int(supervise(run, options.until, options.on_oom, options.accept, options.master))


def supervise(
    run: RunFolder,
    until: str | None,
    on_oom: Policy | None = None,
    accept: bool = False,
    master: str | None = None,
) -> int:
    """Hold the run and take it to its end, or up to a stage; return the exit code.

    With `master` this is the first of several machines, and the others join there.
    """
    try:
        held = lock.acquire(run.lock)
    except lock.BusyError:
        print(say("The run {run} already has a supervisor.", run=run.name), flush=True)
        return int(ExitCode.BAD_INPUT)
    try:
        _introduce(run)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: request(run))
        table = build_table(run)
        with first_of(run, int(getattr(table, "machines", 1)), master) as others:
            return int(Supervisor(run, table, until, on_oom=on_oom, accept=accept, others=others).execute())
    except SteersmanError as error:
        print(error.sentence(), flush=True)
        return int(error.exit_code)
    finally:
        os.close(held)


def _introduce(run: RunFolder) -> None:
    me = Identity.of(os.getpid())
    if me is not None:
        me.save(run.supervisor, host=socket.gethostname(), started=round(time.time(), 3))


if __name__ == "__main__":
    sys.exit(main())
