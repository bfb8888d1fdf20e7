"""Does what the plan says: engines, stages, supervisor, journal, workers."""
