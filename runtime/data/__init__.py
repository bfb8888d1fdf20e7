"""Reads, validates, measures, splits and writes training data. Memory stays flat whatever the file's size."""
