"""Code that runs inside an engine: imports the standard library, the engine's libraries, this folder."""
