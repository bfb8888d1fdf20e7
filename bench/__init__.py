"""Measurements of speed and memory. Run all with `make bench`, or one with `python -m bench NAME`."""
