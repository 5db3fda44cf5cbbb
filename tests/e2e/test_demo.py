"""`demo`: the story of the 500 families, played by the real program."""

from __future__ import annotations

import json
import re
import signal
import smtplib
import subprocess
import sys

import pytest

pytestmark = pytest.mark.e2e

DEMO = (sys.executable, "-m", "bcc_relay", "demo")


def test_the_story_ends_with_500_delivered_and_nobody_disclosed() -> None:
    played = subprocess.run([*DEMO, "--once", "--json"], capture_output=True, text=True, timeout=120, check=False)
    assert played.returncode == 0, played.stderr
    told = json.loads(played.stdout)
    assert told.pop("seconds") > 0
    assert told == {"families": 500, "delivered": 500, "disclosed": 0, "held": 1}


def test_the_story_is_told_to_people_with_what_left() -> None:
    played = subprocess.run([*DEMO, "--once"], capture_output=True, text=True, timeout=120, check=False)
    assert played.returncode == 0, played.stderr
    assert "To: Education office <education@council.example>" in played.stdout
    assert "family001@" in played.stdout
    assert re.search(r"^500 delivered, 0 addresses disclosed, 1 message held for review", played.stdout, re.MULTILINE)


def test_without_once_the_relay_stays_up_for_a_mail_client_until_it_is_ended() -> None:
    with subprocess.Popen([*DEMO], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as playing:
        try:
            assert playing.stdout is not None
            lines = []
            for line in playing.stdout:
                lines.append(line)
                if "Ctrl-C" in line:
                    break
            port = int(re.search(r"port (\d+)", "".join(lines))[1])
            with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
                client.sendmail("clerk@council.example", ["you@family-mail.example"], "Subject: hello\r\n\r\nhello\r\n")
            playing.send_signal(signal.SIGINT)
            assert playing.wait(60) == 0
        finally:
            playing.kill()
