"""The figures of `docs/detection.md`, from mail of your own or of the labelled set: `python -m tests.figures`.

    python -m tests.figures                                   the labelled set
    python -m tests.figures --mail FOLDER --own DOMAIN        how much of an organisation's outgoing mail would be stopped
    python -m tests.figures --files FOLDER                    that nothing in any file breaks the reading, and how long it takes

`--mail` takes what `backtest` takes. `--files` takes any files: each is judged as a message to twelve outsiders, and what is
no message (.msg, .tnef, .ics …) as the attachment of one. Tables come in Markdown; `--names` adds the names of files.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from bcc_relay.core.header import split_message
from bcc_relay.core.model import Envelope, Recipient, Submission
from bcc_relay.core.retry import Schedule
from bcc_relay.readers.pool import Readers
from bcc_relay.relay.judging import Judging
from bcc_relay.relay.options import RelayOptions
from tests import build
from tests.corpus.labels import labels
from tests.fakes_memory import MemoryOfMail

if TYPE_CHECKING:
    from collections.abc import Iterator

SLOWEST = 5


def labelled() -> None:
    """Say what the labelled set holds; `tests/test_corpus.py` checks that each message gets its verdict."""
    verdicts = Counter((name.partition("/")[0] == "innocent", label.verdict) for name, label in labels().items())
    print("| labelled set | pass | rewrite | hold |\n|---|---|---|---|")
    for is_innocent, name in ((True, "innocent look-alikes"), (False, "channels and tricks")):
        counts = [verdicts[is_innocent, verdict] for verdict in ("pass", "rewrite", "hold")]
        print(f"| {name} | {' | '.join(map(str, counts))} |")


def outgoing(folder: Path, own: str, *, names: bool) -> None:
    """Judge the outgoing mail below a folder with the default rules, by the real command, and list what was stopped."""
    with tempfile.TemporaryDirectory() as place:
        settings = Path(place) / "config.yaml"
        settings.write_text(
            yaml.safe_dump({"organisation": {"domains": [own]}, "upstream": {"servers": ["127.0.0.1:25"]}})
        )
        command = [sys.executable, "-m", "bcc_relay", "backtest", str(folder), "--config", str(settings), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    got = json.loads(done.stdout)
    stopped = got["messages"] - got["verdicts"]["pass"]
    share = f"1 in {got['messages'] / stopped:.0f}" if stopped else "none"
    print(
        f"{got['messages']} outgoing messages ({got['incoming']} incoming ones left out), {stopped} stopped: {share}.\n"
    )
    print(f"| {'file | ' if names else ''}verdict | rule | visible outsiders | domains | channels |")
    print(f"|{'---|' if names else ''}---|---|---|---|---|")
    for one in got["stopped"]:
        channels = {finding["channel"]: finding["addresses"] for finding in reversed(one["findings"])}
        channels.pop("other_header", None)  # the copy that some archives keep of To and Cc
        shown = ", ".join(f"{channel} {count}" for channel, count in sorted(channels.items()))
        cells = (one["verdict"], one["rule"], one["visible_outsiders"], one["outsider_domains"], shown)
        print("|", *([Path(one["file"]).name, "|"] if names else []), " | ".join(map(str, cells)), "|")


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def _submission(path: Path) -> Submission:
    octets = re.sub(rb"\AFrom [^\r\n]*\r\n", b"", re.sub(rb"(?<!\r)\n", b"\r\n", path.read_bytes()), count=1)
    if path.suffix.lower() in (".msg", ".tnef", ".ics", ".dat", ".vcf"):
        octets = (
            b"From: clerk@council.example\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: base64\r\n"
            b'Content-Type: application/octet-stream; name="file%s"\r\n\r\n'
            % path.suffix.encode()
            + base64.encodebytes(path.read_bytes()).replace(b"\n", b"\r\n")
        )
    to = tuple(Recipient(build.address(one)) for one in build.families(12, domains=10))
    message = split_message(octets if octets.endswith(b"\r\n") else octets + b"\r\n")
    return Submission("m1", build.NOW, Envelope(build.address("clerk@council.example"), to), message, build.origin())


async def every_file(folder: Path, *, names: bool) -> bool:
    """Judge every file below a folder; whether nothing raised and nothing took longer than two seconds."""
    options = RelayOptions(build.leaving(), Schedule((), build.NOW - build.NOW), "postmaster@council.example")
    verdicts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    times: list[tuple[float, str]] = []
    raised: list[str] = []
    readers = Readers()
    try:
        for path in _files(folder):
            judging = Judging(readers, MemoryOfMail(), observe=lambda _: None)
            given, started = _submission(path), time.perf_counter()
            try:
                judged = await judging.judge(given, options)
            except Exception as error:
                raised.append(f"{path.name}: {type(error).__name__}: {error}")
                continue
            times.append((time.perf_counter() - started, path.name))
            verdicts[judged.judgement.verdict] += 1
            reasons.update(map(str, (*judged.facts.damage, *judged.facts.closed)))
    finally:
        await readers.close()
    slowest = sorted(times, reverse=True)[:SLOWEST]
    print(f"{len(times)} files judged, {len(raised)} raised an exception. Verdicts: {dict(verdicts)}.")
    print(f"Damaged or closed: {dict(reasons.most_common())}.")
    print("Slowest:", ", ".join(f"{took:.2f} s{f' ({name})' if names else ''}" for took, name in slowest))
    for one in raised:
        print(one)
    return not raised and (not slowest or slowest[0][0] < 2)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--mail", type=Path)
    parser.add_argument("--own", default="")
    parser.add_argument("--files", type=Path)
    parser.add_argument("--names", action="store_true")
    arguments = parser.parse_args()
    if arguments.mail:
        outgoing(arguments.mail, arguments.own, names=arguments.names)
    if arguments.files:
        sys.exit(0 if asyncio.run(every_file(arguments.files, names=arguments.names)) else 1)
    if not arguments.mail:
        labelled()
