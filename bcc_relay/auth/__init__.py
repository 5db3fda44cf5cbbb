"""Checks passwords for listeners and web. Each backend implements the port `Authenticate`."""
