"""Slash commands, one per file."""
