"""An OpenAI-compatible endpoint for the result of a run."""
