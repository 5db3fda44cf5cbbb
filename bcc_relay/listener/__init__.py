"""SMTP in: turns what a client says into a Submission, and a Reply into what the client hears."""
