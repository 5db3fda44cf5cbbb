"""The independent checker sees what it must: otherwise the properties built on it could not fail."""

from __future__ import annotations

import base64

import pytest

from tests.reader import seen

ANNA = "anna@family-mail.example"


@pytest.mark.parametrize(
    "header",
    [
        b"To: anna@family-mail.example\r\n",
        b"X-Any: ANNA@Family-Mail.Example;\r\n",
        b"To: =?utf-8?q?anna=40family-mail=2Eexample?= <b@council.example>\r\n",
        b"To: =?utf-8?b?" + base64.b64encode(ANNA.encode()) + b"?=\r\n",
        b"To: =?utf-8?q?anna=40family?=\r\n =?utf-8?q?-mail.example?=\r\n",
        b"To: anna&#64;family-mail.example\r\n",
        b"To: anna%40family-mail.example\r\n",
        b"To: anna (at) family-mail.example\r\n",
        "To: anna＠family-mail.example\r\n".encode(),
        b"To: anna@\r\n family-mail.example\r\n",
        b"To: anna(her)@family-mail.example\r\n",
        b"X-Data: " + base64.b64encode(b'{"to": "anna@family-mail.example"}') + b"\r\n",
    ],
)
def test_an_address_is_seen_in_every_form(header: bytes) -> None:
    assert seen(header, [ANNA, "ben@family-mail.example"]) == {ANNA}


def test_an_international_domain_is_seen_in_both_forms() -> None:
    for text in ("jo@bücher.example", "jo@xn--bcher-kva.example"):
        assert seen(f"To: {text}\r\n".encode(), ["jo@bücher.example", "jo@xn--bcher-kva.example"]) != set()
        assert len(seen(f"To: {text}\r\n".encode(), ["jo@bücher.example", "jo@xn--bcher-kva.example"])) == 2


@pytest.mark.parametrize("text", [b"joanna@family-mail.example", b"anna@family-mail.example.org", b"anna@family-mail"])
def test_another_address_is_not_taken_for_it(text: bytes) -> None:
    assert seen(b"To: " + text + b"\r\n", [ANNA]) == set()
