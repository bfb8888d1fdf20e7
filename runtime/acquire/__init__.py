"""Gets a model onto this machine: local folders, wheels, hubs. Never writes into a person's folder."""
