"""How much of one message is looked into, however it is packed. What goes beyond is closed, never passed over."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds for one message, all its parts together."""

    depth: int = 12
    """Parts, attached messages and archives within each other."""
    parts: int = 2000
    """Parts, members of archives and embedded files."""
    unpacked_bytes: int = 40 * 1024 * 1024
    """Octets that come out of archives and compressed parts and are kept until they are searched."""
    ratio: int = 200
    """How many times its size an archive may become, beyond the first 1 MiB."""
    readings: int = 4
    """In so many ways is one body read whose header says several things."""
    signs: int = 0
    """Signs that may stand for an "@", each time that they are looked at; 0: any number."""


class Budget:
    """What is left of the limits while one message is looked into."""

    def __init__(self, limits: Limits = Limits()) -> None:
        """Begin with all of it."""
        self.limits = limits
        self.parts = limits.parts
        self.unpacked_bytes = limits.unpacked_bytes
        self.signs = limits.signs

    def take_part(self) -> bool:
        """Count one part; whether it may still be looked into."""
        self.parts -= 1
        return self.parts >= 0

    def take_signs(self, count: int) -> bool:
        """Count signs; whether they may still be looked at."""
        self.signs -= count
        return self.signs >= 0 or not self.limits.signs

    def take_bytes(self, count: int) -> bool:
        """Count unpacked octets; whether they may still be looked into."""
        self.unpacked_bytes -= count
        return self.unpacked_bytes >= 0
