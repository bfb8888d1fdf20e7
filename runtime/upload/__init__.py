"""Upload the result of a run to a hub, by the hub's own client library."""
