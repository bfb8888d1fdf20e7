"""Everything a person sees in a terminal: the app and the command line."""
