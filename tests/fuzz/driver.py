"""Runs a harness under atheris: its options, its seeds, its dictionary, and where corpus and crashes lie.

A harness is a module that is run: `python -m tests.fuzz.atheris_contents --seconds 300`. The corpus grows outside the
repository, in the user's cache folder unless `--corpus` says otherwise. Nothing of the product is imported here, so that
a harness can import it instrumented.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

try:
    import atheris
except ImportError as error:
    raise SystemExit("atheris is not installed: it has wheels for CPython on x86-64 Linux only") from error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SLOWEST_S = 20
"""One input that takes longer counts as a crash."""
MOST_MEBIBYTES = 3072
"""A process that grows beyond this counts as a crash."""


def run(
    one: Callable[[bytes], None],
    *,
    seeds: Iterable[bytes],
    words: Iterable[bytes] = (),
    longest_bytes: int = 16 * 1024,
) -> None:
    """Fuzz `one` until time or runs are over, and end the process: 0 when nothing was found, 77 after a crash.

    `seeds` are the first inputs; `words` are pieces that mutations put in. Inputs that crashed are replayed when they
    are named on the command line.
    """
    asked = _options()
    name = Path(sys.argv[0]).stem
    folder = asked.corpus or _cache() / name
    corpus, crashes = folder / "corpus", folder / "crashes"
    for each in (corpus, crashes):
        each.mkdir(parents=True, exist_ok=True)
    dictionary = folder / "words.txt"
    dictionary.write_text("".join(f'"{_escaped(word)}"\n' for word in dict.fromkeys(words)), "ascii")
    flags = [
        f"-max_total_time={asked.seconds}",
        f"-runs={asked.runs}",
        f"-seed={asked.seed}",
        f"-timeout={SLOWEST_S}",
        f"-rss_limit_mb={MOST_MEBIBYTES}",
        f"-max_len={longest_bytes}",
        f"-artifact_prefix={crashes}/",
        f"-dict={dictionary}",
        "-print_final_stats=1",
    ]
    inputs = [str(path) for path in asked.inputs]
    if not inputs:
        _plant(corpus, seeds, asked.seeds)
        inputs = [str(corpus)]
    atheris.Setup([sys.argv[0], *flags, *inputs], one)
    atheris.Fuzz()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Fuzz until time or runs are over; 0 seconds and -1 runs: for ever.")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--runs", type=int, default=-1)
    parser.add_argument("--seed", type=int, default=0, help="of the mutations; 0 takes another one each time")
    parser.add_argument("--seeds", type=int, default=10_000, help="plant no more than about so many of the seeds")
    parser.add_argument("--corpus", type=Path, help="folder for the inputs found and the crashes")
    parser.add_argument("inputs", type=Path, nargs="*", help="files to replay instead")
    return parser.parse_args()


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bcc-relay-fuzz"


def _plant(corpus: Path, seeds: Iterable[bytes], most: int) -> None:
    """Write seeds, from all along the list, under names made of their octets, as libFuzzer names what it finds."""
    all_ = list(seeds)
    for octets in all_[:: max(1, len(all_) // most)]:
        (corpus / hashlib.sha1(octets).hexdigest()).write_bytes(octets)


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{octet:02x}" for octet in word)
