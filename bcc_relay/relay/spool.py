"""Where octets wait while they are handled: memory while small, an unlinked temporary file beyond that.

An unlinked file takes its space back by itself when the process ends, however it ends.
"""

from __future__ import annotations

import mmap
import tempfile
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from bcc_relay.core.model import Content

MEMORY_BYTES = 256 * 1024


class Spool:
    """Collects octets in pieces and gives them back as one read-only buffer."""

    def __init__(self, folder: Path | None = None, memory_bytes: int = MEMORY_BYTES) -> None:
        """Spill into an unlinked file below `folder` (None: the system's temporary folder) beyond `memory_bytes`."""
        self._folder = folder
        self._memory_bytes = memory_bytes
        self._memory = bytearray()
        self._file: IO[bytes] | None = None
        self.size_bytes = 0

    def write(self, piece: bytes | bytearray | memoryview) -> None:
        """Append a piece. Raises OSError when there is no room."""
        self.size_bytes += len(piece)
        if self._file is None:
            self._memory += piece
            if self.size_bytes > self._memory_bytes:
                self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115
                self._write_all(self._memory)
                self._memory = bytearray()
        else:
            self._write_all(piece)

    def _write_all(self, piece: bytes | bytearray | memoryview) -> None:
        assert self._file is not None
        rest = memoryview(piece)
        while rest:
            rest = rest[self._file.write(rest) :]

    def content(self) -> Content:
        """Return all octets written; nothing may be written after this. The buffer lives on without this spool."""
        if self._file is None:
            return bytes(self._memory)
        with self._file as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def close(self) -> None:
        """Throw away what was written."""
        self._memory = bytearray()
        if self._file is not None:
            self._file.close()
