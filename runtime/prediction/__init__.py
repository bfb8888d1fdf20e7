"""Answer every row of a data file with the model of a run."""
