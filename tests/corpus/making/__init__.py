"""Makers of the attachments that cannot be written by hand."""
