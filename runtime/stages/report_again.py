"""Write the report of a finished run again, when something came after it, and commit it like its stage does.

Otherwise the next `steersman resume` would find a report that is not the one it has proven.
"""

from __future__ import annotations

import os
import time

from runtime.run import commit, journal, lock
from runtime.run.layout import RunFolder
from runtime.run.resume import histories
from runtime.run.status import read_status
from runtime.run.task import build_table
from runtime.stages import report

STAGE = "report"


def refresh(run: RunFolder) -> bool:
    """Return whether the report was written again: only that of a finished run that nobody is working on."""
    if read_status(run).state != "finished":
        return False
    try:
        held = lock.acquire(run.lock)
    except lock.BusyError:
        return False
    try:
        past = histories(journal.read(run.journal))
        proven = {
            name: commit.committed(history.committed, run)
            for name, history in past.items()
            if history.committed
        }
        if STAGE not in proven:
            return False
        task = build_table(run).task(STAGE, proven)
        report.write(task.spec)
        event = commit.commit(task, run, past[STAGE].proofs(), proven[STAGE].seconds, time.time())
        writer = journal.Journal(run.journal)
        try:
            writer.append(event)
        finally:
            writer.close()
    finally:
        os.close(held)
    return True
