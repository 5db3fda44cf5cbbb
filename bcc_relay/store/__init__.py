"""Held and queued mail and the audit in an SQL database."""
