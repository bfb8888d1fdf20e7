"""How scripts of tests start inside an engine: as quickly as workers do."""

from __future__ import annotations

from pathlib import Path

START = Path(__file__).resolve().parent.parent / "runtime" / "workers" / "start.py"

QUICKLY = f"import runpy; runpy.run_path({str(START)!r})['register_package']()\n"
"""First line of a script for `python -c`. Not for what is to be seen exactly as upstream starts."""
