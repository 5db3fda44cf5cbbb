"""What the body of a message shows: its structure, its text, and the addresses in them. Pure."""
