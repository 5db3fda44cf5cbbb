"""SMTP out: turns a Dispatch into one transaction with the upstream."""
