"""The pure core: what a message is, whether it discloses, what to do, and the new octets.

No I/O, clock, randomness or logging.
"""
