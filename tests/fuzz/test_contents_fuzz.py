"""Bodies as they really come, damaged at random: looking never raises, and what is plainly there is always seen."""

from __future__ import annotations

import base64
import quopri

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bcc_relay.core.address import known
from bcc_relay.core.contents.budget import Budget, Limits
from bcc_relay.core.contents.found import Part, merged
from bcc_relay.core.contents.kinds import Kind, kind_of
from bcc_relay.core.contents.look import look, look_at
from bcc_relay.core.contents.parameters import content_type
from bcc_relay.core.header import split_message
from bcc_relay.core.model import Channel

many = settings(
    deadline=None, max_examples=200, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)

ANNA = "anna@family-mail.example"
NAMES = known(frozenset({ANNA}))
PIECES = (
    b"\r\n",
    b"\n",
    b"\r\n\r\n",
    b"--",
    b"--b",
    b"\r\n--b\r\n",
    b"\r\n--b--\r\n",
    b"\r\n--bb\r\n",
    b"Content-Type: multipart/mixed; boundary=b\r\n",
    b"Content-Type: multipart/digest; boundary=bb\r\n\r\n",
    b'Content-Type: text/plain; charset="utf-16"\r\n\r\n',
    b"Content-Type: text/html\r\n",
    b"Content-Type: message/rfc822\r\n\r\n",
    b"Content-Type: text/calendar\r\n\r\n",
    b"Content-Type: application/pkcs7-mime\r\n",
    b"Content-Disposition: attachment; filename*0*=utf-8''a%40; filename*1=\"b.eml\"\r\n",
    b"Content-Transfer-Encoding: base64\r\n",
    b"Content-Transfer-Encoding: quoted-printable\r\n\r\n",
    b"Content-Transfer-Encoding: x-uuencode\r\n\r\n",
    b"begin 644 a.csv\r\n",
    b"BEGIN:VCALENDAR\r\n",
    b"BEGIN:VCARD\r\n",
    b"-----BEGIN PGP MESSAGE-----\r\n",
    b"From x Sat Nov 22 10:00:00 2026\r\n",
    b"To: =?utf-8?b?YUBi?=\r\n",
    b"<p>&#64;<!--",
    b"=40=",
    b"\x00",
    b"\xff\xfe",
    b"PK\x03\x04",
    b"@",
    b"(at)",
    ANNA.encode(),
    base64.b64encode(ANNA.encode()),
)
soup = st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=6)), max_size=40).map(b"".join)


@many
@given(soup, soup, st.integers(0, 12), st.integers(0, 30))
def test_no_body_is_too_much(header: bytes, body: bytes, depth: int, parts: int) -> None:
    header = header.replace(b"\r\n\r\n", b"\r\n").replace(b"\n\n", b"\n")
    message = split_message(b"From: clerk@council.example\r\n" + header + b"\r\n\r\n" + body)
    limits = Limits(depth=depth, parts=parts)
    looked = look(message, NAMES, Budget(limits))
    for part in looked.unopened:
        assert look_at(part, NAMES, Budget(limits)).unopened in ((part,), ()) or part.depth <= depth


@many
@given(soup, st.sampled_from(list(Kind)), st.sampled_from(list(Channel)))
def test_no_file_is_too_much(octets: bytes, kind: Kind, channel: Channel) -> None:
    looked = look_at(Part(channel, kind, "a.eml", octets, 1), NAMES, Budget())
    assert looked.contents == merged([looked.contents])
    assert kind_of(octets, "image/png", "a.png") in Kind
    content_type(octets)


CODES = (
    (b"8bit", bytes),
    (b"base64", base64.encodebytes),
    (b"quoted-printable", lambda octets: quopri.encodestring(octets, quotetabs=True)),
)


@many
@given(
    soup,
    soup,
    st.sampled_from(CODES),
    st.sampled_from([b"text/plain", b"text/html", b"text/csv", b"application/octet-stream", b"message/rfc822"]),
)
def test_a_sound_part_is_seen_whatever_stands_around_it(before: bytes, after: bytes, code, media_type: bytes) -> None:
    name, encode = code
    inner = b"\r\n" if media_type == b"message/rfc822" else b""
    coded = encode(inner + b"Dear all, write to " + ANNA.encode() + b" today.\r\n").replace(b"\r\n", b"\n")
    body = (
        before
        + b"\r\n--=_sound\r\nContent-Type: %s\r\nContent-Transfer-Encoding: %s\r\n\r\n" % (media_type, name)
        + coded.replace(b"\n", b"\r\n")
        + b"\r\n--=_sound\r\n"
        + after
    )
    message = split_message(b"Content-Type: multipart/mixed; boundary==_sound\r\n\r\n" + body)
    contents = look(message, NAMES, Budget()).contents
    assert ANNA in frozenset[str]().union(*(keys for _, keys in contents.shown))


@many
@given(st.lists(st.tuples(st.integers(0, 600), st.sampled_from(PIECES)), max_size=3), st.sampled_from(CODES))
def test_a_text_that_is_not_touched_is_seen_whatever_is_put_elsewhere(changes, code) -> None:
    """Pieces put before the last part, whose text stands as it is, at most hide it in the boundary line itself."""
    head = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nHello\r\n"
    for at, piece in changes:
        place = 44 + at % (len(head) - 44)
        head = head[:place] + piece + head[place:]
    octets = head + b"\r\n--b\r\nContent-Type: text/plain\r\n\r\nDear " + ANNA.encode() + b"\r\n--b--\r\n"
    contents = look(split_message(octets), NAMES, Budget()).contents
    assert ANNA in frozenset[str]().union(*(keys for _, keys in contents.shown))
