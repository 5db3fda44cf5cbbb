"""The checker finds what is planted, in every disguise; else its silence would mean nothing."""

from __future__ import annotations

import base64

import pytest

from tests.e2e.disclosure import addresses_shown


@pytest.mark.parametrize(
    "octets",
    [
        b"To: Ann <ann@one.example>\r\n\r\n",
        b"X-Odd: ANN@One.Example\r\n\r\n",
        b"To: ann@one\r\n .example\r\n\r\n",
        b"To: =?utf-8?q?ann=40one=2Eexample?= <x@y.example>\r\n\r\n",
        b"To: =?utf-8?b?" + base64.b64encode(b"Ann ann@one.example") + b"?=\r\n\r\n",
        b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.b64encode(b"Hello ann@one.example") + b"\r\n",
        b"\r\nann=40one.example\r\n",
        b"\r\n<a href='mailto:ann%40one.example'>\r\n",
        b"\r\nann&#64;one.example\r\n",
        "\r\nann＠one.example\r\n".encode(),
    ],
)
def test_an_address_is_found_in_every_disguise(octets):
    if "＠".encode() in octets:
        octets = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n" + octets
    assert "ann@one.example" in addresses_shown(octets)


def test_a_mail_without_addresses_shows_none():
    assert addresses_shown(b"Subject: half past six\r\n\r\nmeet me (at) the gate\r\n") == set()
