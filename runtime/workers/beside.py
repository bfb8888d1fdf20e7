"""Hand out an adapter that cannot be merged: prefix tuning and ReFT act on texts, not on weights."""

from __future__ import annotations

import shutil
from pathlib import Path

from runtime.workers.hf_folder import copy_companions, sync


def merges(adapter: str | Path) -> bool:
    """Return whether the adapter in a folder can become part of the weights."""
    from runtime.workers import tuning

    files = tuning.files_in(adapter)
    return files is None or files.merges


def write_folder(adapter: str | Path, hf_folder: str | Path, folder: Path) -> None:
    """Write the adapter with the tokenizer and the config of its base into the new folder `folder`.

    ReFT's own settings are called config.json too; where the adapter has a file, the adapter's is kept.
    """
    folder.mkdir(parents=True)
    for path in sorted(Path(adapter).iterdir()):
        if path.is_file():
            shutil.copyfile(path, folder / path.name)
    copy_companions(Path(hf_folder), folder)
    for path in folder.iterdir():
        sync(path)
    sync(folder)
