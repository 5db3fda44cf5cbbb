"""The walk: every place of a body where an address can be read is seen, in its channel, and what cannot be is said."""

from __future__ import annotations

import base64
import binascii
import mmap
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bcc_relay.core.address import known
from bcc_relay.core.contents.budget import Budget, Limits
from bcc_relay.core.contents.found import Contents, Looked, Part
from bcc_relay.core.contents.kinds import Kind
from bcc_relay.core.contents.look import look, look_at
from bcc_relay.core.damage import Closed, Damage
from bcc_relay.core.header import split_message
from bcc_relay.core.model import Body, Channel, Message

plain = settings(deadline=None, max_examples=100, derandomize=True, database=None)

ANNA, BEN = "anna@family-mail.example", "ben@family-mail.example"
BOTH = frozenset({ANNA, BEN})
TWO = f"{ANNA}, {BEN}".encode()
NAMES = known(BOTH)
HEAD = b"From: clerk@council.example\r\nMessage-ID: <1@council.example>\r\nMIME-Version: 1.0\r\n"


def whole(content_type: bytes, body: bytes, more: bytes = b"") -> Message:
    """A message of this type; `more` are further lines of its header."""
    return split_message(HEAD + b"Content-Type: " + content_type + b"\r\n" + more + b"\r\n" + body)


def part(content_type: bytes, body: bytes, more: bytes = b"") -> bytes:
    return b"Content-Type: " + content_type + b"\r\n" + more + b"\r\n" + body + b"\r\n"


def several(*parts: bytes, kind: bytes = b"mixed", boundary: bytes = b"=_1", before: bytes = b"") -> Message:
    return whole(b"multipart/%s; boundary=%s" % (kind, boundary), joined(*parts, boundary=boundary, before=before))


def joined(*parts: bytes, boundary: bytes, before: bytes = b"", after: bytes = b"") -> bytes:
    return before + b"".join(b"--%s\r\n%s" % (boundary, one) for one in parts) + b"--%s--\r\n%s" % (boundary, after)


def at(message: Message, **limits: int) -> Looked:
    return look(message, NAMES, Budget(Limits(**limits)))


def shown(message: Message) -> dict[Channel, frozenset[str]]:
    return dict(at(message).contents.shown)


FILE = b'; name="x"\r\nContent-Disposition: attachment; filename="%s"'
FORWARDED = (
    b"Hello\r\n\r\n-----Original Message-----\r\nFrom: x@club.example\r\nTo: " + TWO + b"\r\nSubject: s\r\n\r\nText\r\n"
)
ATTACHED = (
    b"From: x@club.example\r\nTo: %s\r\nMessage-ID: <9@club.example>\r\nReferences: <8@club.example>\r\n\r\nText\r\n"
)
CALENDAR = (
    b"BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:4711@club.example\r\n"
    b"ATTENDEE;CN=Anna;ROLE=REQ-PARTICIPANT:mailto:anna@fam\r\n ily-mail.example\r\n"
    b"ATTENDEE;EMAIL=ben@family-mail.example:urn:uuid:1\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)
CARDS = b"BEGIN:VCARD\r\nEMAIL;TYPE=WORK:%s\r\nEND:VCARD\r\n"
REPORT = b"Reporting-MTA: dns; x\r\n\r\nFinal-Recipient: rfc822;%s\r\nOriginal-Envelope-Id: x\r\n\r\nFinal-Recipient: rfc822;%s\r\n"

# One row for each channel that core reads by itself.
CHANNELS: dict[str, tuple[Message, Channel]] = {
    "C1-quoted-block": (whole(b"text/plain", FORWARDED), Channel.QUOTED_HEADER),
    "C2-text": (whole(b"text/plain", b"Write to " + TWO), Channel.BODY),
    "C2-no-type": (split_message(HEAD + b"\r\n" + TWO), Channel.BODY),
    "C2-html": (whole(b"text/html", b"<p>" + TWO.replace(b", ", b"<br>")), Channel.BODY),
    "C2-link": (
        whole(b"text/html", f'<a href="mailto:{ANNA}?cc={BEN}">mail</a>'.encode()),
        Channel.BODY,
    ),
    "C2-entities": (whole(b"text/html", TWO.replace(b"@", b"&#64;")), Channel.BODY),
    "C2-hidden": (whole(b"text/html", b'<span style="display:none">' + TWO + b"</span>"), Channel.BODY),
    "C2-comment": (whole(b"text/html", b"<!-- " + TWO + b" -->"), Channel.BODY),
    "C2-spelt-out": (whole(b"text/html", TWO.replace(b"@", b" (<i>at</i>) ")), Channel.BODY),
    "C2-wide-sign": (whole(b"text/html; charset=utf-8", TWO.decode().replace("@", "\uff20").encode()), Channel.BODY),
    "C2-plain-of-two": (several(part(b"text/plain", TWO), part(b"text/html", b"x"), kind=b"alternative"), Channel.BODY),
    "C2-html-of-two": (several(part(b"text/plain", b"x"), part(b"text/html", TWO), kind=b"alternative"), Channel.BODY),
    "C2-format-flowed": (
        whole(b"text/plain; format=flowed; delsp=yes", b"anna@family- \r\nmail.example ben@ \r\nfamily-mail.example"),
        Channel.BODY,
    ),
    "C3-calendar": (whole(b"text/calendar; method=REQUEST", CALENDAR), Channel.CALENDAR),
    "C3-ics": (several(part(b"application/octet-stream" + FILE % b"a.ics", CALENDAR)), Channel.CALENDAR),
    "C5-message": (several(part(b"message/rfc822", ATTACHED % TWO)), Channel.ATTACHED_MESSAGE),
    "C5-message-body": (several(part(b"message/rfc822", b"Subject: s\r\n\r\n" + TWO)), Channel.ATTACHED_MESSAGE),
    "C5-global": (several(part(b"message/global", ATTACHED % TWO)), Channel.ATTACHED_MESSAGE),
    "C5-base64": (
        several(
            part(b"message/rfc822", base64.encodebytes(ATTACHED % TWO), b"Content-Transfer-Encoding: base64\r\n"),
        ),
        Channel.ATTACHED_MESSAGE,
    ),
    "C5-eml": (several(part(b"application/octet-stream" + FILE % b"a.eml", ATTACHED % TWO)), Channel.ATTACHED_MESSAGE),
    "C5-mbox": (
        several(
            part(
                b"application/mbox" + FILE % b"a",
                b"".join(b"From x Sat Nov 22 10:00:00 2026\n" + ATTACHED % one for one in TWO.split(b", ")),
            )
        ),
        Channel.ATTACHED_MESSAGE,
    ),
    "C5-digest": (
        several(*(b"\r\n" + ATTACHED % one for one in TWO.split(b", ")), kind=b"digest"),
        Channel.ATTACHED_MESSAGE,
    ),
    "C5-quoted-block-within": (
        several(part(b"message/rfc822", b"Subject: s\r\n\r\n" + FORWARDED)),
        Channel.ATTACHED_MESSAGE,
    ),
    "C5-encoded-words": (
        several(part(b"message/rfc822", b"To: =?utf-8?b?" + base64.b64encode(TWO) + b"?=\r\n\r\nx")),
        Channel.ATTACHED_MESSAGE,
    ),
    "C7-cards": (
        several(part(b"text/vcard", b"".join(CARDS % one for one in TWO.split(b", ")))),
        Channel.ATTACHED_LIST,
    ),
    "C7-ldif": (
        several(
            part(
                b"text/plain" + FILE % b"a.ldif",
                b"dn: x\r\nmail:: " + base64.b64encode(ANNA.encode()) + b"\r\nmail: " + BEN.encode(),
            ),
        ),
        Channel.ATTACHED_LIST,
    ),
    "C8-csv": (several(part(b"text/csv", TWO.replace(b", ", b";x\r\n"))), Channel.ATTACHED_LIST),
    "C8-csv-as-spreadsheet": (
        several(part(b"application/vnd.ms-excel" + FILE % b"a.csv", TWO.decode().replace(", ", "\t").encode("utf-16"))),
        Channel.ATTACHED_LIST,
    ),
    "C8-txt": (several(part(b"text/plain" + FILE % b"a.txt", TWO)), Channel.ATTACHED_LIST),
    "C8-attached-without-a-name": (
        several(part(b"text/plain", TWO, b"Content-Disposition: attachment\r\n")),
        Channel.ATTACHED_LIST,
    ),
    "C8-called-a-picture": (several(part(b"image/png" + FILE % b"a.png", TWO)), Channel.ATTACHED_LIST),
    "C8-octets-without-a-name": (several(part(b"application/octet-stream", TWO)), Channel.ATTACHED_LIST),
    "C9-any-octets": (
        several(part(b"application/octet-stream" + FILE % b"a.bin", b"\x00\x01" + TWO + b"\x00\xff")),
        Channel.ATTACHED_LIST,
    ),
    "C13-piece-of-a-message": (whole(b"message/partial; id=1", ATTACHED % TWO), Channel.ATTACHED_MESSAGE),
    "C14-file-name": (several(part(b'text/plain; name="' + TWO + b'"', b"x")), Channel.ATTACHED_LIST),
    "C14-continued-file-name": (
        several(
            part(
                b"application/pdf",
                b"%PDF-1.7",
                b"Content-Disposition: attachment; filename*0*=utf-8''anna%40fam; filename*1=\"ily-mail.example,\";\r\n"
                b' filename*2=ben@family; filename*3="-mail.example"\r\n',
            )
        ),
        Channel.ATTACHED_LIST,
    ),
    "C14-description": (several(part(b"text/plain", b"x", b"Content-Description: " + TWO + b"\r\n")), Channel.BODY),
    "C14-preamble": (several(part(b"text/plain", b"x"), before=TWO + b"\r\n"), Channel.BODY),
    "C14-epilogue": (
        whole(b"multipart/mixed; boundary=b", joined(part(b"text/plain", b"x"), boundary=b"b", after=TWO)),
        Channel.BODY,
    ),
    "C15-delivery-status": (
        several(part(b"message/delivery-status", REPORT % (ANNA.encode(), BEN.encode()))),
        Channel.ATTACHED_MESSAGE,
    ),
    "C15-disposition": (
        several(part(b"message/disposition-notification", b"Original-Message-ID: <7@club.example>\r\nX: " + TWO)),
        Channel.ATTACHED_MESSAGE,
    ),
    "C15-returned-header": (several(part(b"text/rfc822-headers", ATTACHED % TWO)), Channel.ATTACHED_MESSAGE),
    "C15-amp": (several(part(b"text/x-amp-html", TWO)), Channel.BODY),
    "C15-markdown": (several(part(b"text/markdown", TWO)), Channel.BODY),
    "D1-protected-headers": (
        several(
            part(b'text/plain; protected-headers="v1"', b"x", b"Subject: s\r\nTo: " + TWO + b"\r\n"), kind=b"signed"
        ),
        Channel.PROTECTED_HEADER,
    ),
    "D1-hp": (
        several(part(b'text/plain; hp="clear"', b"x", b"X-Any: " + TWO + b"\r\n"), kind=b"signed"),
        Channel.PROTECTED_HEADER,
    ),
    "D1-outer-fields": (
        several(part(b"text/plain", b"x", b"HP-Outer: To: " + TWO + b"\r\n"), kind=b"signed"),
        Channel.PROTECTED_HEADER,
    ),
    "D1-unmarked": (
        several(part(b"text/plain", b"x", b"Cc: " + TWO + b"\r\n"), kind=b"signed"),
        Channel.PROTECTED_HEADER,
    ),
    "D1-wrapped": (
        several(
            part(b"message/rfc822; forwarded=no", b"To: " + TWO + b"\r\nContent-Type: text/plain\r\n\r\nx"),
            kind=b"signed",
        ),
        Channel.PROTECTED_HEADER,
    ),
    "D5-signed": (
        several(part(b"text/plain", TWO), part(b"application/pkcs7-signature", b"\x30\x80"), kind=b"signed"),
        Channel.BODY,
    ),
    "uuencoded": (
        whole(
            b"text/plain",
            b"See\r\nbegin 644 a.txt\r\n" + b"".join(map(binascii.b2a_uu, (TWO[:45], TWO[45:]))) + b"end\r\n",
        ),
        Channel.ATTACHED_LIST,
    ),
    "markdown": (whole(b"text/plain", TWO.replace(b"@", rb"\@").replace(b"-", rb"\-")), Channel.BODY),
    "json": (
        several(
            part(
                b"application/json",
                rb'{"to": "Anna \u003c' + TWO.replace(b", ", rb"\u003e\n").replace(b"@", rb"\u0040") + rb'"}',
            )
        ),
        Channel.ATTACHED_LIST,
    ),
    "script": (
        whole(b"text/html", b"<script>a='" + TWO.replace(b"@", rb"\x40") + b"'</script><p>x</p>"),
        Channel.BODY,
    ),
    "style": (
        whole(b"text/html", b"<style>p::after{content:'" + TWO.replace(b"@", rb"\40 ") + b"'}</style><p>x</p>"),
        Channel.BODY,
    ),
    "list-in-a-link": (
        whole(b"text/html", b'<p>x</p><a href="data:text/csv;base64,' + base64.b64encode(TWO) + b'">list</a>'),
        Channel.BODY,
    ),
    "list-in-a-calendar": (
        several(
            part(
                b"text/calendar",
                b"BEGIN:VCALENDAR\r\nATTACH;ENCODING=BASE64;VALUE=BINARY:\r\n "
                + base64.b64encode(TWO)[:30]
                + b"\r\n "
                + base64.b64encode(TWO)[30:]
                + b"\r\nEND:VCALENDAR\r\n",
            )
        ),
        Channel.CALENDAR,
    ),
    "table-of-a-database": (
        several(
            part(
                b"application/vnd.sqlite3",
                b"SQLite format 3\x00"
                + bytes(99)
                + b"Jones"
                + ANNA.encode()
                + b"01234\x00\x03Smith"
                + BEN.encode()
                + b"\x00",
            )
        ),
        Channel.ATTACHED_LIST,
    ),
    "rich-text": (
        several(part(b"application/rtf" + FILE % b"a.rtf", b"{\\rtf1 {an}{na}" + TWO[4:].replace(b"@", b"}{@") + b"}")),
        Channel.ATTACHED_LIST,
    ),
    "rich-text-called-a-document": (
        several(part(b"application/msword" + FILE % b"a.doc", b"{\\rtf1 " + TWO.replace(b"@", b"\\'40") + b"}")),
        Channel.ATTACHED_LIST,
    ),
    "pgp-clear-signed-file": (
        several(
            part(
                b"application/octet-stream" + FILE % b"list.txt.asc",
                b"-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA256\r\n\r\n"
                + TWO
                + b"\r\n-----BEGIN PGP SIGNATURE-----",
            )
        ),
        Channel.ATTACHED_LIST,
    ),
    "pgp-signed-file": (
        several(
            part(
                b"application/octet-stream" + FILE % b"list.gpg",
                b"\xcb" + bytes((6 + len(TWO),)) + b"t" + bytes(5) + TWO,
            )
        ),
        Channel.ATTACHED_LIST,
    ),
    "text-called-asc": (
        several(part(b"application/octet-stream" + FILE % b"list.asc", TWO)),
        Channel.ATTACHED_LIST,
    ),
    "key-of-a-person": (
        several(
            part(
                b"application/pgp-keys",
                b"-----BEGIN PGP PUBLIC KEY BLOCK-----\r\n\r\n"
                + base64.b64encode(b"\x99\x00\x00" + b"Anna <" + ANNA.encode() + b">\x00 <" + BEN.encode() + b">\x00")
                + b"\r\n=abcd\r\n-----END PGP PUBLIC KEY BLOCK-----\r\n",
            )
        ),
        Channel.ATTACHED_LIST,
    ),
}


@pytest.mark.parametrize(("message", "channel"), CHANNELS.values(), ids=CHANNELS)
def test_every_channel_shows_its_addresses(message: Message, channel: Channel) -> None:
    looked = at(message)
    assert dict(looked.contents.shown).get(channel) is not None
    assert dict(looked.contents.shown)[channel] >= BOTH
    everybody = frozenset[str]().union(*(keys for _, keys in looked.contents.shown))
    assert everybody <= BOTH | {"x@club.example"}, "identifiers are no addresses"
    assert looked.contents.damage == frozenset()


@pytest.mark.parametrize(("message", "channel"), CHANNELS.values(), ids=CHANNELS)
def test_within_an_archive_everything_counts_there(message: Message, channel: Channel) -> None:
    body = message.body
    octets = message.header + message.separator + body.content[body.start :]
    looked = look_at(Part(Channel.ARCHIVE, Kind.MESSAGE, "a.eml", octets, 1), NAMES, Budget())
    told = dict(looked.contents.shown)
    assert set(told) == {Channel.ARCHIVE}
    assert told[Channel.ARCHIVE] >= BOTH


@pytest.mark.parametrize(("message", "channel"), CHANNELS.values(), ids=CHANNELS)
def test_what_a_message_was_wrapped_in_shows_the_same_as_the_message(message: Message, channel: Channel) -> None:
    body = message.body
    octets = message.header + message.separator + body.content[body.start :]
    looked = look_at(Part(Channel.BODY, Kind.MESSAGE, "", octets, 0), NAMES, Budget())
    assert dict(looked.contents.shown)[channel] >= BOTH


def test_what_a_quoted_header_shows_is_not_the_body_s_as_well_save_where_it_stands_there_too() -> None:
    link = '<a href="mailto:%s">%s</a>'
    people = "; ".join(link % (one, one) for one in (ANNA, BEN))
    html = f"<p><b>From:</b> x<br><b>Sent:</b> 1 May 2026<br><b>To:</b> {people}<br><b>Subject:</b> s</p><p>Text</p>"
    assert shown(whole(b"text/html", html.encode())) == {Channel.QUOTED_HEADER: BOTH}
    html = f"<p>Ask {ANNA}.</p>" + html
    assert shown(whole(b"text/html", html.encode())) == {Channel.QUOTED_HEADER: BOTH, Channel.BODY: {ANNA}}
    assert shown(whole(b"text/plain", ANNA.encode() + b"\r\n" + FORWARDED))[Channel.BODY] == {ANNA}


def test_the_message_s_own_header_is_not_the_body_s() -> None:
    assert shown(split_message(HEAD + b"To: " + TWO + b"\r\n\r\nHello")) == {}
    wrapped = b"To: " + TWO + b"\r\nContent-Type: text/plain\r\n\r\nHello"
    looked = look_at(Part(Channel.BODY, Kind.MESSAGE, "", wrapped, 0), NAMES, Budget())
    assert dict(looked.contents.shown) == {Channel.PROTECTED_HEADER: BOTH}


def test_an_ordinary_message_shows_nothing() -> None:
    picture = part(
        b"image/png; name=logo.png",
        base64.encodebytes(b"\x89PNG\r\n\x1a\n" + TWO),
        b"Content-Transfer-Encoding: base64\r\nContent-ID: <logo@01DC5B8F.example>\r\n",
    )
    looked = at(several(part(b"text/plain", b"Dear all, the term begins on Monday."), picture, kind=b"related"))
    assert looked == Looked(Contents(gist=looked.contents.gist))


@pytest.mark.parametrize(
    "line",
    [
        b"Content-ID: <anna@family-mail.example>\r\n",
        b"Message-ID: <anna@family-mail.example>\r\n",
        b"X-MS-Exchange-CrossTenant-Network-Message-Id: anna@family-mail.example\r\n",
    ],
)
def test_identifiers_of_parts_are_no_addresses(line: bytes) -> None:
    assert shown(several(part(b"text/plain", b"x", line))) == {}


def test_a_trace_of_an_attached_message_shows_whom_it_was_for() -> None:
    inner = (
        b"Received: from a (x@1.2.3.4.example) by b with SMTP id 5@b.example for <zoe@club.example>; now\r\n"
        b"DKIM-Signature: i=@club.example; x=anna@family-mail.example\r\n\r\nText"
    )
    assert shown(several(part(b"message/rfc822", inner))) == {Channel.ATTACHED_MESSAGE: {"zoe@club.example", ANNA}}


def test_a_makers_address_in_a_certificate_is_not_shown_to_anybody() -> None:
    octets = b"\x30\x80\x00ca@trust.example\x00\x01" + ANNA.encode() + b"\x00"
    assert shown(several(part(b"application/pkcs7-signature", octets))) == {Channel.ATTACHED_LIST: {ANNA}}


# --- closed parts ----------------------------------------------------------------------------------------------------

ENVELOPED = b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03\xa0\x80"
SIGNED = ENVELOPED.replace(b"\x07\x03", b"\x07\x02")
PGP = (
    b"-----BEGIN PGP MESSAGE-----\r\n\r\n"
    + base64.b64encode(b"\xd2\x10" + b"\x01" * 16)
    + b"\r\n-----END PGP MESSAGE-----\r\n"
)
CLOSED: dict[str, tuple[Message, set[Closed], list[Kind]]] = {
    "C12-rar": (several(part(b"application/x-rar", b"Rar!\x1a\x07\x00")), {Closed.UNKNOWN_FORMAT}, []),
    "C13-partial": (whole(b"message/partial; id=1; number=2", b"Text"), {Closed.PARTIAL}, []),
    "C13-elsewhere": (several(part(b"message/external-body", b"Content-Type: a/b\r\n\r\n")), {Closed.ELSEWHERE}, []),
    "D2-pgp": (several(part(b"text/plain", b"x"), kind=b"encrypted"), {Closed.ENCRYPTED}, []),
    "D2-pgp-nested": (
        several(
            part(
                b"multipart/encrypted; boundary=b",
                joined(part(b"application/pgp-encrypted", b"Version: 1"), boundary=b"b"),
            )
        ),
        {Closed.ENCRYPTED},
        [],
    ),
    "D2-inline-pgp": (whole(b"text/plain", b"Hello\r\n" + PGP), {Closed.ENCRYPTED}, []),
    "D2-attached-pgp": (several(part(b"application/octet-stream" + FILE % b"a.asc", PGP)), {Closed.ENCRYPTED}, []),
    "D3-enveloped": (whole(b"application/pkcs7-mime", ENVELOPED), {Closed.ENCRYPTED}, [Kind.CMS]),
    "D3-said-enveloped": (
        whole(b"application/pkcs7-mime; smime-type=authEnveloped-data", b"x"),
        {Closed.ENCRYPTED},
        [Kind.CMS],
    ),
    "D3-said-nothing": (whole(b"application/x-pkcs7-mime", b"x"), {Closed.ENCRYPTED}, [Kind.CMS]),
    "D3-said-signed-but-is-not": (
        whole(b"application/pkcs7-mime; smime-type=signed-data", ENVELOPED),
        {Closed.ENCRYPTED},
        [Kind.CMS],
    ),
    "signed": (whole(b"application/pkcs7-mime; smime-type=signed-data", b"x"), set(), [Kind.CMS]),
    "signed-by-its-octets": (
        several(part(b"application/octet-stream" + FILE % b"smime.p7m", SIGNED)),
        set(),
        [Kind.CMS],
    ),
    "detached": (
        several(part(b"text/plain", b"x"), part(b"application/pkcs7-signature", SIGNED), kind=b"signed"),
        set(),
        [],
    ),
    "detached-pgp": (
        several(part(b"application/pgp-signature", b"-----BEGIN PGP SIGNATURE-----\r\n\r\nwsBz\r\n"), kind=b"signed"),
        set(),
        [],
    ),
    "words-about-pgp": (whole(b"text/plain", b"BEGIN PGP MESSAGE stands before it"), set(), []),
}


@pytest.mark.parametrize(("message", "closed", "kinds"), CLOSED.values(), ids=CLOSED)
def test_what_cannot_be_looked_into_is_said(message: Message, closed: set[Closed], kinds: list[Kind]) -> None:
    looked = at(message)
    assert looked.contents.closed == closed
    assert [one.kind for one in looked.unopened] == kinds


def test_a_picture_in_a_link_is_passed_over_and_an_archive_is_handed_back() -> None:
    packed = base64.b64encode(b"PK\x03\x04" + TWO)
    link = (
        b'<a href="data:application/zip;base64,' + packed + b'">x</a><img src="data:image/png;base64,' + packed + b'">'
    )
    looked = at(whole(b"text/html", link))
    assert [(one.kind, one.octets) for one in looked.unopened] == [(Kind.ZIP, b"PK\x03\x04" + TWO)]


def test_a_document_in_rich_text_is_handed_back() -> None:
    rich = b"{\\rtf1{\\object{\\*\\objdata 0105" + b"\xd0\xcf\x11\xe0".hex().encode() + b"}}}"
    [one] = at(several(part(b"application/rtf", rich))).unopened
    assert (one.kind, one.octets, one.depth) == (Kind.OLE, b"\xd0\xcf\x11\xe0", 2)


LIBRARY = {
    Kind.ZIP: b"PK\x03\x04",
    Kind.OLE: b"\xd0\xcf\x11\xe0",
    Kind.TNEF: b"\x78\x9f\x3e\x22",
    Kind.PDF: b"%PDF-1.7",
    Kind.GZIP: b"\x1f\x8b\x08",
    Kind.BZIP2: b"BZh91AY&SY",
    Kind.XZ: b"\xfd7zXZ\x00",
}


@pytest.mark.parametrize(("kind", "magic"), LIBRARY.items(), ids=LIBRARY)
def test_what_a_library_opens_is_handed_back_with_its_encoding_undone(kind: Kind, magic: bytes) -> None:
    octets = magic + bytes(range(256))
    coded = base64.encodebytes(octets).replace(b"\n", b"\r\n")
    told = FILE % b"=?utf-8?q?J=C3=B6rg?=.dat"
    looked = at(several(part(b"application/octet-stream" + told, coded, b"Content-Transfer-Encoding: base64\r\n")))
    [one] = looked.unopened
    assert (one.kind, one.octets, one.name, one.depth) == (kind, octets, "Jörg.dat", 1)
    assert one.channel is (Channel.TNEF if kind is Kind.TNEF else Channel.ATTACHED_LIST)
    assert looked.contents.shown == ()


def test_what_a_library_opens_keeps_the_channel_it_lies_in() -> None:
    inner = ATTACHED % TWO + b"".join((b"\r\nbegin 644 a.zip\r\n", binascii.b2a_uu(b"PK\x03\x04"), b"end\r\n"))
    [one] = at(several(part(b"message/rfc822", inner))).unopened
    assert (one.channel, one.depth, one.name) == (Channel.ATTACHED_MESSAGE, 3, "a.zip")
    again = look_at(replace(one, channel=Channel.ARCHIVE), NAMES, Budget())
    assert [(part.channel, part.kind) for part in again.unopened] == [(Channel.ARCHIVE, Kind.ZIP)]


# --- what readers see differently ------------------------------------------------------------------------------------

HTML = part(b"text/html", base64.b64encode(TWO), b"Content-Transfer-Encoding: base64\r\n")
LENIENT: dict[str, Message] = {
    "no-closing-line": whole(b"multipart/mixed; boundary=b", b"--b\r\n" + HTML),
    "no-boundary-parameter": whole(b"multipart/mixed", b"--b\r\nContent-Type: text/plain\r\n\r\n" + TWO),
    "no-boundary-parameter-encoded": whole(b"multipart/mixed", joined(HTML, boundary=b"b")),
    "no-boundary-at-all": whole(b"multipart/mixed; boundary=b", TWO),
    "another-boundary": whole(b"multipart/mixed; boundary=a", joined(HTML, boundary=b"b")),
    "space-behind-boundary": whole(b"multipart/mixed; boundary=b", b"--b \t\r\n" + HTML + b"--b-- \r\n"),
    "boundary-with-a-space": whole(b'multipart/mixed; boundary="a b"', joined(HTML, boundary=b"a b")),
    "unquoted-boundary-with-a-space": whole(b"multipart/mixed; boundary=a b", joined(HTML, boundary=b"a b")),
    "boundary-with-a-comment": whole(b"multipart/mixed; boundary=b (note)", joined(HTML, boundary=b"b")),
    "continued-boundary": whole(b"multipart/mixed; boundary*0=a; boundary*1=b", joined(HTML, boundary=b"ab")),
    "line-feeds-alone": whole(b"multipart/mixed; boundary=b", joined(HTML, boundary=b"b").replace(b"\r\n", b"\n")),
    "encoded-multipart": whole(
        b"multipart/mixed; boundary=b",
        base64.encodebytes(joined(HTML, boundary=b"b")),
        b"Content-Transfer-Encoding: base64\r\n",
    ),
    "multipart-without-subtype": whole(b"multipart; boundary=b", joined(HTML, boundary=b"b")),
    "boundary-that-begins-another": several(
        b"Content-Type: multipart/alternative; boundary=bb\r\n\r\n" + joined(HTML, boundary=b"bb"), boundary=b"b"
    ),
    "closed-too-early": whole(b"multipart/mixed; boundary=b", b"--b\r\n\r\nx\r\n--b--\r\n--b\r\n" + HTML),
    "closed-too-early-no-line": whole(b"multipart/mixed; boundary=b", b"--b\r\n\r\nx\r\n--b--\r\n" + HTML),
    "no-blank-line": several(b"Content-Type: text/plain\r\n" + TWO + b"\r\n"),
    "white-space-for-a-blank-line": several(HTML.replace(b"\r\n\r\n", b"\r\n \t\r\n")),
    "odd-line-in-a-header": several(b"Odd\r\n" + HTML),
    "no-fields": several(TWO + b"\r\n"),
    "unknown-encoding": whole(b"text/plain", base64.encodebytes(TWO), b"Content-Transfer-Encoding: utf-8\r\n"),
    "unknown-encoding-quoted": whole(
        b"text/plain", TWO.replace(b"@", b"=40"), b"Content-Transfer-Encoding: unknown\r\n"
    ),
    "unknown-encoding-plain": whole(b"text/plain", TWO, b"Content-Transfer-Encoding: base-85\r\n"),
    "not-encoded-at-all": whole(b"text/plain", TWO, b"Content-Transfer-Encoding: base64\r\n"),
    "text-behind-base64": whole(
        b"text/plain",
        base64.b64encode(b"Hello, this is a longer text") + b"\r\n\r\n_____\r\nlist of " + TWO,
        b"Content-Transfer-Encoding: base64\r\n",
    ),
    "garbage-in-base64": whole(
        b"text/plain", base64.b64encode(TWO).replace(b"Y", b"!Y\xff"), b"Content-Transfer-Encoding: base64\r\n"
    ),
    "message-not-encoded-at-all": several(
        part(b"message/rfc822", b"Content-Type: text/plain\r\n\r\n" + TWO, b"Content-Transfer-Encoding: base64\r\n")
    ),
    "unknown-charset": whole(b"text/plain; charset=x-nobody", TWO),
    "charset-that-lies": whole(b"text/plain; charset=utf-8", TWO.decode().encode("utf-16-le")),
    "utf-16-whose-line-ends-were-mended": whole(
        b"text/plain; charset=utf-16le",
        f"Hello\n{ANNA}\n{BEN}\n".encode("utf-16-le").replace(b"\n", b"\r\n"),
    ),
    "charset-that-lies-the-other-way": whole(b"text/plain; charset=utf-16", TWO),
    "space-before-the-colon": split_message(
        HEAD + b"Content-Type : multipart/mixed; boundary=b\r\n\r\n" + joined(HTML, boundary=b"b")
    ),
    "folded": split_message(
        HEAD + b"content-type:\r\n multipart/mixed;\r\n\tboundary=b\r\n\r\n" + joined(HTML, boundary=b"b")
    ),
}


@pytest.mark.parametrize("message", LENIENT.values(), ids=LENIENT)
def test_whatever_a_reader_would_make_of_it_the_addresses_are_seen_and_it_is_no_damage(message: Message) -> None:
    contents = at(message).contents
    assert frozenset[str]().union(*(keys for _, keys in contents.shown)) >= BOTH
    assert (contents.damage, contents.closed) == (frozenset(), frozenset())


AMBIGUOUS: dict[str, Message] = {
    "two-types": split_message(HEAD + b"Content-Type: text/plain\r\n" + b"Content-Type: text/html\r\n\r\n" + TWO),
    "two-types-of-a-part": several(b"Content-Type: text/html\r\n" + HTML.replace(b"/html", b"/plain")),
    "a-type-and-a-multipart": whole(
        b"text/plain", joined(HTML, boundary=b"b"), b"Content-Type: multipart/mixed; boundary=b\r\n"
    ),
    "two-encodings": whole(
        b"text/plain",
        base64.b64encode(TWO),
        b"Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: base64\r\n",
    ),
    "two-boundaries": whole(
        b"multipart/mixed; boundary=a; boundary=b", joined(HTML, boundary=b"b") + joined(HTML, boundary=b"a")
    ),
    "two-readings-of-a-boundary": whole(
        b"multipart/mixed; boundary=a;\r\n boundary*=x''b", joined(HTML, boundary=b"b") + joined(HTML, boundary=b"a")
    ),
    "two-charsets": whole(b"text/plain; charset=utf-16", TWO, b"Content-Type: text/plain; charset=utf-8\r\n"),
}


@pytest.mark.parametrize("message", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_where_readers_really_differ_it_is_damage_and_all_readings_are_read(message: Message) -> None:
    contents = at(message).contents
    assert contents.damage == {Damage.AMBIGUOUS_MIME}
    assert frozenset[str]().union(*(keys for _, keys in contents.shown)) >= BOTH


@pytest.mark.parametrize(
    "message",
    [
        whole(b"text/plain", TWO, b"Content-Type: TEXT/plain ; charset=utf-8\r\n"),
        whole(b"text/plain", TWO, b"Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: 8bit\r\n"),
        whole(b"multipart/mixed; boundary=a; boundary=b", joined(HTML, boundary=b"b")),
    ],
    ids=["the-same-type-twice", "the-same-encoding-twice", "a-boundary-that-is-nowhere"],
)
def test_a_difference_that_makes_none_is_no_damage(message: Message) -> None:
    assert at(message).contents.damage == frozenset()


# --- budget ----------------------------------------------------------------------------------------------------------


SUBTYPES = (b"plain", b"html", b"enriched", b"x-one", b"x-two")


def nested(levels: int) -> Message:
    body = TWO
    for level in reversed(range(levels)):
        body = joined(part(b"multipart/mixed; boundary=b%d." % (level + 1), body), boundary=b"b%d." % level)
    return whole(b"multipart/mixed; boundary=b0.", body)


def test_what_is_too_deep_is_closed_and_what_is_plainly_in_it_still_counts() -> None:
    assert at(nested(12)).contents.closed == frozenset()
    contents = at(nested(13)).contents
    assert contents.closed == {Closed.OVER_BUDGET}
    assert dict(contents.shown)[Channel.BODY] == BOTH
    assert at(nested(1000)).contents.closed == {Closed.OVER_BUDGET}


def test_a_body_that_says_to_be_many_things_is_read_in_some_ways_and_closed() -> None:
    types = b"".join(b"Content-Type: text/%s; charset=utf-%d\r\n" % (name, n) for name in SUBTYPES for n in (8, 16))
    encodings = b"".join(b"Content-Transfer-Encoding: %s\r\n" % name for name in (b"7bit", b"quoted-printable"))
    contents = at(whole(b"text/plain", TWO, types + encodings)).contents
    assert contents.closed == {Closed.OVER_BUDGET}
    assert dict(contents.shown)[Channel.BODY] == BOTH


def test_messages_within_messages_have_the_same_bound() -> None:
    deep = b"Content-Type: message/rfc822\r\n\r\n" * 1000 + b"To: " + TWO + b"\r\n\r\nx"
    contents = at(whole(b"message/rfc822", deep)).contents
    assert contents.closed == {Closed.OVER_BUDGET}
    assert dict(contents.shown)[Channel.ATTACHED_MESSAGE] == BOTH


def test_more_parts_than_the_budget_has_are_closed_and_still_searched() -> None:
    parts = [part(b"text/plain", b"x")] * 5 + [part(b"text/plain", TWO)]
    assert at(several(*parts), parts=6).contents.closed == frozenset()
    contents = at(several(*parts), parts=5).contents
    assert contents.closed == {Closed.OVER_BUDGET}
    assert dict(contents.shown)[Channel.BODY] == BOTH


@pytest.mark.parametrize(
    "message",
    [
        whole(b"text/plain", b"begin 644 x\n#86)C\nend\n" * 9),
        whole(b"application/mbox", b"From x Sat Nov 22\nTo: x\n\nText\n" * 9),
        several(*[b"\r\nTo: x\r\n\r\n"] * 9, kind=b"digest"),
    ],
    ids=["uuencoded", "mbox", "digest"],
)
def test_every_kind_of_part_counts_for_the_budget(message: Message) -> None:
    assert at(message, parts=20).contents.closed == frozenset()
    assert at(message, parts=5).contents.closed == {Closed.OVER_BUDGET}


def test_a_file_that_comes_out_too_deep_is_closed() -> None:
    one = Part(Channel.ARCHIVE, Kind.ZIP, "a.zip", b"PK\x03\x04" + TWO, 13)
    looked = look_at(one, NAMES, Budget())
    assert (looked.contents.closed, looked.unopened) == ({Closed.OVER_BUDGET}, ())


def test_a_text_that_is_all_addresses_is_read_up_to_a_bound() -> None:
    lines = b"".join(b"a%d@club.example\r\n" % number for number in range(50_001))
    contents = at(whole(b"text/plain", lines)).contents
    assert contents.closed == {Closed.OVER_BUDGET}
    assert len(dict(contents.shown)[Channel.BODY]) >= 49_999


def test_a_large_file_that_is_no_text_is_searched_to_its_end() -> None:
    octets = bytes(range(256)) * 60_000 + ANNA.encode() + b"\x00"
    contents = at(several(part(b"application/octet-stream" + FILE % b"a.bin", octets))).contents
    assert (contents.shown, contents.closed) == (((Channel.ATTACHED_LIST, frozenset({ANNA})),), frozenset())


def test_a_mapped_body_is_read_where_it_lies() -> None:
    octets = joined(part(b"text/plain", TWO), HTML, boundary=b"b")
    with mmap.mmap(-1, len(octets)) as mapped:
        mapped.write(octets)
        header = HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n"
        looked = at(Message(header, b"\r\n", Body(mapped)))
    assert dict(looked.contents.shown) == {Channel.BODY: BOTH}


# --- files that came out of others -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("channel", "kind", "counts_in"),
    [
        (Channel.BODY, Kind.TEXT, Channel.BODY),
        (Channel.ATTACHED_LIST, Kind.TEXT, Channel.ATTACHED_LIST),
        (Channel.ATTACHED_LIST, Kind.CALENDAR, Channel.CALENDAR),
        (Channel.ATTACHED_LIST, Kind.MESSAGE, Channel.ATTACHED_MESSAGE),
        (Channel.TNEF, Kind.HTML, Channel.TNEF),
        (Channel.TNEF, Kind.CALENDAR, Channel.TNEF),
        (Channel.ATTACHED_MESSAGE, Kind.LIST, Channel.ATTACHED_MESSAGE),
        (Channel.ARCHIVE, Kind.OTHER, Channel.ARCHIVE),
        (Channel.ARCHIVE, Kind.MESSAGE, Channel.ARCHIVE),
    ],
)
def test_a_file_counts_where_it_came_from_or_where_its_kind_does(
    channel: Channel, kind: Kind, counts_in: Channel
) -> None:
    looked = look_at(Part(channel, kind, "x", b"To: " + TWO, 1), NAMES, Budget())
    assert dict(looked.contents.shown) == {counts_in: BOTH}


def test_the_name_of_a_file_may_be_an_address() -> None:
    looked = look_at(Part(Channel.ARCHIVE, Kind.PICTURE, f"{ANNA}.png", b"", 1), NAMES, Budget())
    assert dict(looked.contents.shown) == {Channel.ARCHIVE: {ANNA}}


def test_the_gist_is_that_of_the_first_text_people_read() -> None:
    words = b"The autumn term begins on Monday, and everybody is welcome in the great hall."
    alone = at(whole(b"text/plain", words)).contents.gist
    assert alone
    assert (
        at(several(part(b"text/plain" + FILE % b"a", b"y" + words), part(b"text/plain", words))).contents.gist == alone
    )
    assert at(several(part(b"text/html", b"<p>" + words))).contents.gist == alone
    assert at(several(part(b"message/rfc822", b"Subject: s\r\n\r\n" + words))).contents.gist == b""


# --- whatever comes --------------------------------------------------------------------------------------------------


@plain
@given(st.binary(max_size=400), st.sampled_from([b"multipart/mixed; boundary=b", b"text/html", b"message/rfc822", b""]))
def test_looking_never_raises(octets: bytes, content_type: bytes) -> None:
    at(whole(content_type, octets))
    for kind in Kind:
        look_at(Part(Channel.ARCHIVE, kind, "a", octets, 1), NAMES, Budget())


ENCODINGS = {
    b"7bit": lambda octets: octets,
    b"base64": lambda octets: base64.encodebytes(octets).replace(b"\n", b"\r\n"),
    b"quoted-printable": lambda octets: binascii.b2a_qp(octets, istext=False).replace(b"=\n", b"=\r\n"),
    b"x-uuencode": lambda octets: (
        b"begin 644 x\r\n"
        + b"".join(binascii.b2a_uu(octets[at : at + 45]) for at in range(0, len(octets), 45))
        + b"end\r\n"
    ),
}
CHARSETS = [
    "us-ascii",
    "utf-8",
    "iso-8859-1",
    "windows-1252",
    "utf-16",
    "utf-16le",
    "utf-7",
    "iso-2022-jp",
    "koi8-r",
    "x-nobody",
]
TYPES = [b"text/plain", b"text/html", b"text/csv", b"text/markdown", b"text/vcard", b"text/calendar", b"text/x-unknown"]


@plain
@given(
    st.sampled_from(sorted(ENCODINGS)),
    st.sampled_from(CHARSETS),
    st.sampled_from(TYPES),
    st.lists(st.sampled_from(["mixed", "message", "alternative", "digest"]), max_size=4),
)
def test_an_address_is_seen_in_every_encoding_charset_and_depth(
    encoding: bytes, charset: str, media_type: bytes, wrapping: list[str]
) -> None:
    codec = "latin-1" if charset == "x-nobody" else charset
    text = f"BEGIN:X\r\nATTENDEE:mailto:{ANNA}\r\nWe write to you.\r\n".encode(codec)
    header = b"Content-Type: %s; charset=%s\r\nContent-Transfer-Encoding: %s\r\n" % (
        media_type,
        charset.encode(),
        encoding,
    )
    octets = header + b"\r\n" + ENCODINGS[encoding](text)
    for level, around in enumerate(wrapping):
        if around == "message":
            octets = b"Content-Type: message/rfc822\r\n\r\n" + octets
        elif around == "digest":
            boundary = b"d%d." % level
            octets = b"Content-Type: multipart/digest; boundary=%s\r\n\r\n" % boundary + joined(
                b"\r\n" + octets + b"\r\n", boundary=boundary
            )
        else:
            boundary = b"b%d." % level
            octets = b"Content-Type: multipart/%s; boundary=%s\r\n\r\n" % (around.encode(), boundary) + joined(
                part(b"text/plain", b"x"), octets + b"\r\n", boundary=boundary
            )
    looked = at(split_message(HEAD + octets))
    seen = frozenset[str]().union(*(keys for _, keys in looked.contents.shown))
    assert seen == {ANNA}
    assert (looked.contents.closed, looked.contents.damage) == (frozenset(), frozenset())
