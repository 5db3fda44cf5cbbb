"""Tries the settings in force on mail that was saved: finds it, reads it in parallel, decides in order, reports."""
