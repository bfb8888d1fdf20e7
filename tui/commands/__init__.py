"""One module per subcommand of `steersman`; each defines `command`."""
