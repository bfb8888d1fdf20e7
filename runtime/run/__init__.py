"""The run engine: run folder, journal, supervisor, resume. Status is always derived from disk."""
