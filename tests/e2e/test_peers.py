"""The peers themselves: what the tests say of the relay rests on these promises."""

from __future__ import annotations

import smtplib

import pytest

from tests.e2e.sink import running_sink


def send(port: int, to: list[str], message: bytes, sender: str = "clerk@council.example"):
    with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
        return client.sendmail(sender, to, message)


def test_postfix_delivers_a_copy_to_each_recipient_and_keeps_every_field(postfix):
    people = [f"person{n}@d{n % 3}.example" for n in range(20)]
    message = b"Subject: peers-1\r\nBcc: hidden@d1.example\r\nX-Odd:  1\r\n\r\n.dot\r\nbody\r\n"
    send(postfix.port, people, message)
    copies = postfix.arrived("peers-1", len(people))
    assert sorted(copy.to for copy in copies) == sorted(people)
    assert {copy.message for copy in copies} == {message}
    assert {copy.sender for copy in copies} == {"clerk@council.example"}


def test_postfix_refuses_and_defers_the_two_it_should(postfix):
    to = ["ann@d1.example", "refused@d1.example", "later@d1.example"]
    refused = send(postfix.port, to, b"Subject: peers-2\r\n\r\nx\r\n")
    assert {who: code for who, (code, _) in refused.items()} == {"refused@d1.example": 550, "later@d1.example": 451}


def test_the_sink_shows_what_it_took_and_can_drop_the_connection():
    with running_sink("-q", ".") as sink:
        with pytest.raises(smtplib.SMTPServerDisconnected):
            send(sink.port, ["ann@d1.example"], b"Subject: peers-3\r\n\r\nx\r\n")
        [taken] = sink.taken()
    assert b"X-Rcpt-Args: <ann@d1.example>" in taken
    assert b"Subject: peers-3" in taken
