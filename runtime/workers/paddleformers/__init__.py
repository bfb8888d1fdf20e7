"""The stages of a run inside the engine of PaddleFormers."""
