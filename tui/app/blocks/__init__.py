"""What stands in the conversation: one kind of block per file."""
