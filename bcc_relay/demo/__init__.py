"""The story of the 500 families, on real parts: the relay, real SMTP, and a next server that keeps all it gets."""
