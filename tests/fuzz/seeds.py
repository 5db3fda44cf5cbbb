"""First inputs for the harnesses, from the labelled set. Nothing of the product is imported here."""

from __future__ import annotations

from email import message_from_bytes
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

CORPUS = Path(__file__).parents[1] / "corpus"
WORDS = (
    b"\r\n", b"\n", b"\r\n\r\n", b"--", b"\r\n--b\r\n", b"\r\n--b--\r\n",
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n", b"Content-Type: multipart/digest; boundary=b\r\n",
    b"Content-Type: text/plain; charset=utf-16\r\n", b"Content-Type: text/html\r\n", b"Content-Type: text/calendar\r\n",
    b"Content-Type: message/rfc822\r\n\r\n", b"Content-Type: message/partial\r\n", b"Content-Type: text/vcard\r\n",
    b"Content-Type: application/pkcs7-mime; smime-type=enveloped-data\r\n", b"; forwarded=no", b"; hp=clear",
    b"Content-Disposition: attachment; filename*0*=utf-8''a%40; filename*1=b.eml\r\n",
    b"Content-Transfer-Encoding: base64\r\n", b"Content-Transfer-Encoding: quoted-printable\r\n",
    b"Content-Transfer-Encoding: x-uuencode\r\n", b"begin 644 a.csv\r\n", b"\r\nend\r\n", b"BEGIN:VCALENDAR\r\n",
    b"ATTENDEE:mailto:", b"BEGIN:VCARD\r\n", b"-----BEGIN PGP MESSAGE-----\r\n", b"From x Sat Nov 22 10:00:00 2026\r\n",
    b"-----Original Message-----\r\n", b"\r\n> ", b"From: ", b"To: ", b"Cc: ", b"Bcc: ", b"Resent-To: ", b"Received: ",
    b" for <", b"Subject: ", b"Reply-To: ", b"X-SMTPAPI: ", b"DKIM-Signature: d=club.example; h=To", b"=?utf-8?q?",
    b"=?utf-8?b?", b"=?utf-16?b?", b"?=", b"=40", b"%40", b"&#64;", b"&commat;", b" (at) ", b"\xef\xbc\xa0", b"@", b"<",
    b">", b'"', b"(", b")", b"<!--", b"-->", b"<a href='mailto:", b"<pre>", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf",
    b"\x1b$B", b"+AEA-", b"xn--", b"\xe2\x80\x8b", b"amelia@mail0.example", b"ben@mail1.example", b"@mail2.example",
)  # fmt: skip
"""Pieces of mail in which readers see more than stands there."""


def messages(longest_bytes: int = 16 * 1024) -> Iterator[bytes]:
    """Yield every message of the labelled set that is no longer than this, in order of name."""
    for path in sorted(CORPUS.rglob("*.eml")):
        octets = path.read_bytes()
        if len(octets) <= longest_bytes:
            yield octets


def attachments(*endings: str) -> list[bytes]:
    """Return the attachments of the labelled set whose names or media types end so, decoded, each once."""
    found = (octets for name, media_type, octets in _files() if name.endswith(endings) or media_type in endings)
    return list(dict.fromkeys(found))


@cache
def _files() -> list[tuple[str, str, bytes]]:
    """Return name, media type and octets of every part of the labelled set that is not made of others."""
    parts = (part for path in sorted(CORPUS.rglob("*.eml")) for part in message_from_bytes(path.read_bytes()).walk())
    files = ((part.get_filename() or "", part.get_content_type(), part.get_payload(decode=True)) for part in parts)
    return [(name.lower(), media_type, octets) for name, media_type, octets in files if octets]
