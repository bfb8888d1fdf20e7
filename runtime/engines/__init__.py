"""Engines: isolated Python environments, each holding one training toolkit at pinned versions."""
