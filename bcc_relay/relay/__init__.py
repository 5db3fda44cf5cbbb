"""The use cases: take, decide, send or save, deliver, review, upkeep."""
