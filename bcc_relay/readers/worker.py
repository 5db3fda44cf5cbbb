"""The process that looks into messages: it reads one at a time from a socket, answers, and ends with the socket.

Its limits hold the damage that a hostile file can do to the libraries that read it: no files, no more processes, little
memory. It is run as `python -m bcc_relay.readers.worker FD MEMORY_BYTES CPU_SECONDS READING_MS LIMITS…`.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import resource
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from bcc_relay.core.contents.budget import Limits
from bcc_relay.core.contents.found import Contents
from bcc_relay.core.damage import Closed
from bcc_relay.core.model import Body, Message
from bcc_relay.readers.look_into import look_steps
from bcc_relay.readers.patience import Patience, TooSlowError
from bcc_relay.readers.wire import LENGTH, READY, REQUEST, Sifter, begin, end, failed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bcc_relay.core.model import Content

MESSAGES = 1000
"""After so many a fresh process takes over: what libraries leak goes with the old one."""
_NICE = 5
_FILES = 32
_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_MEBIBYTE = 1024 * 1024
_MESSAGE_BYTES = 88 * _MEBIBYTE
_TIMES_ITS_SIZE = 4
"""A message is read within so much memory, and so many times its size."""


def main(arguments: list[str]) -> None:
    """Serve the socket with this number until it ends."""
    fd, memory_bytes, cpu_s, reading_ms, *limits = map(int, arguments)
    confine(memory_bytes)
    patience = Patience(reading_ms / 1000)
    with socket.socket(fileno=fd) as relay:
        relay.sendall(LENGTH.pack(len(READY)) + READY)
        for left in reversed(range(MESSAGES)):
            _allow_cpu(cpu_s)
            try:
                message, names = _request(relay)
                is_well = _answer(relay, patience.each(look_steps(message, names, Limits(*limits))), Sifter(names))
                relay.sendall(end(goes_on=is_well and left > 0 and _peak_bytes() < memory_bytes // 2))
            except OSError:
                return  # the relay is gone, or wants no answer any more


def _peak_bytes() -> int:
    """Return the largest resident size so far. That of getrusage still counts what the relay had when it made us."""
    for line in Path("/proc/self/status").read_text("ascii", "replace").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def confine(memory_bytes: int) -> None:
    """Give up what reading a file does not need. Never raises: what the system does not offer is left out."""
    # Ctrl-C and a service manager's signal are for the relay, which ends its workers when it is done with them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for limit, value in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, _FILES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
    ):
        try:
            resource.setrlimit(limit, (value, value))
        except (OSError, ValueError):
            continue
    # Where memory runs out, a worker goes and not the relay.
    with suppress(OSError), Path("/proc/self/oom_score_adj").open("w") as score:
        score.write("1000")
    try:
        os.nice(_NICE)
        prctl = ctypes.CDLL(None, use_errno=True).prctl
        prctl.argtypes = (ctypes.c_int, *(ctypes.c_ulong,) * 4)
        prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    except (OSError, AttributeError):
        return


def _allow_cpu(seconds: int) -> None:
    """Let the next message have so many seconds: a backstop for when nobody is left to stop us."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used_s = int(usage.ru_utime + usage.ru_stime)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (used_s + seconds, hard))


def _allow_memory(size_bytes: int) -> None:
    """Let the process grow by so much, within its hard limit: a small file does not unfold to hundreds of megabytes."""
    with suppress(OSError, ValueError):
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (min(hard, pages * resource.getpagesize() + size_bytes), hard))


def _request(relay: socket.socket) -> tuple[Message, frozenset[str]]:
    names, header, separator, body = REQUEST.unpack(_exactly(relay, REQUEST.size))
    _allow_memory(_MESSAGE_BYTES + _TIMES_ITS_SIZE * (header + body))
    keys = frozenset(json.loads(_exactly(relay, names)))
    return Message(_exactly(relay, header), _exactly(relay, separator), Body(_content(relay, body))), keys


def _exactly(relay: socket.socket, size_bytes: int) -> bytes:
    octets = bytearray(size_bytes)
    _fill(relay, octets)
    return bytes(octets)


def _content(relay: socket.socket, size_bytes: int) -> Content:
    """Return so many octets, a large number of them without holding them twice."""
    if size_bytes <= _MEBIBYTE:
        return _exactly(relay, size_bytes)
    content = mmap.mmap(-1, size_bytes)
    _fill(relay, content)
    return content


def _fill(relay: socket.socket, buffer: bytearray | mmap.mmap) -> None:
    with memoryview(buffer) as whole:
        at = 0
        while at < len(whole):
            if not (count := relay.recv_into(whole[at:])):
                raise ConnectionResetError
            at += count


def _answer(relay: socket.socket, steps: Iterator[Contents], sifter: Sifter) -> bool:
    """Tell what is found; return whether this process is as good as new."""
    relay.sendall(begin())
    try:
        for contents in steps:
            # At once, so that what was seen is known even if the next part is the end of us.
            relay.sendall(b"".join(sifter.frames(contents)))
    except OSError:
        raise
    except MemoryError:
        relay.sendall(b"".join(sifter.frames(Contents(closed=frozenset({Closed.OVER_BUDGET})))))
    except TooSlowError:
        relay.sendall(b"".join(sifter.frames(Contents(closed=frozenset({Closed.TOO_SLOW})))))
    except Exception:  # noqa: BLE001 - the top of a request: a fault of ours, and the message is held for it
        relay.sendall(failed())
    else:
        return True
    return False


if __name__ == "__main__":
    main(sys.argv[1:])
