"""Attachments: a part in, addresses out. What needs a library is read in worker processes with limits."""
