"""Code that runs inside an engine: standard library, the engine's own libraries, and the modules of this folder only."""
