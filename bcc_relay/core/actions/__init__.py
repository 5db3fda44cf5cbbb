"""From a submission and a verdict to the octets that leave.

`pass_through` and `rewrite` make a header, `verify` reads it again, `leave` makes dispatches of it. Holding and
refusing need no new octets: a held message is stored as it came.
"""
