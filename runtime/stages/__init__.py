"""What each stage runs: its process, specification, environment and proofs."""
