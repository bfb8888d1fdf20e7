"""The Textual app: screens, blocks of the conversation, widgets, slash commands."""
