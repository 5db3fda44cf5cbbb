"""What kind of file a part is: told by its first octets, then by its media type and its name."""

from __future__ import annotations

import re
from enum import StrEnum


class Kind(StrEnum):
    """What a part is to those who look into it."""

    TEXT = "text"
    HTML = "html"
    CALENDAR = "calendar"
    MESSAGE = "message"
    """Another message, or only its header."""
    LIST = "list"
    """vCard, LDIF, CSV and other text that is there to list people."""
    PICTURE = "picture"
    """Pictures, sound, film and fonts: not looked into."""
    PGP = "pgp"
    OTHER = "other"
    """Anything else: searched as octets."""

    # Only a library opens these.
    TNEF = "tnef"
    OLE = "ole"
    """Compound file: .msg, .xls, .doc, .ppt, and encrypted documents."""
    ZIP = "zip"
    """Archives, and the documents that are made of one (OOXML, ODF)."""
    PDF = "pdf"
    TAR = "tar"
    GZIP = "gzip"
    BZIP2 = "bzip2"
    XZ = "xz"
    IWA = "iwa"
    """A member of a document of iWork."""
    CMS = "cms"
    """S/MIME, unless it is a detached signature."""
    CONTAINER = "container"
    """A container that we have no reader for (7z, RAR, CAB …)."""


OPENED_BY_LIBRARY = frozenset(
    {Kind.TNEF, Kind.OLE, Kind.ZIP, Kind.PDF, Kind.TAR, Kind.GZIP, Kind.BZIP2, Kind.XZ, Kind.IWA, Kind.CMS}
)


HEAD_OCTETS = 1024
"""So many first octets tell what a file is."""

_MAGIC = (
    (b"PK\x03\x04", Kind.ZIP),
    (b"PK\x05\x06", Kind.ZIP),
    (b"PK\x07\x08", Kind.ZIP),
    (b"\xd0\xcf\x11\xe0", Kind.OLE),
    (b"\x78\x9f\x3e\x22", Kind.TNEF),
    (b"%PDF-", Kind.PDF),
    (b"\x1f\x8b", Kind.GZIP),
    (b"\xfd7zXZ\x00", Kind.XZ),
    (b"7z\xbc\xaf\x27\x1c", Kind.CONTAINER),
    (b"Rar!\x1a\x07", Kind.CONTAINER),
    (b"MSCF\x00\x00\x00\x00", Kind.CONTAINER),
    (b"\x28\xb5\x2f\xfd", Kind.CONTAINER),  # Zstandard
    (b"\x04\x22\x4d\x18", Kind.CONTAINER),  # LZ4
    (b"\x1f\x9d", Kind.CONTAINER),  # compress
    (b"!BDN", Kind.CONTAINER),  # Outlook's own folders
    (b"\xed\xab\xee\xdb", Kind.CONTAINER),  # RPM
    (b"!<arch>\n", Kind.CONTAINER),
)
_FIRST_OCTETS = frozenset(magic[:1] for magic, _ in _MAGIC)
_BZIP2 = re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)")
# RFC 5652 4 and 5 to 6, RFC 5083, RFC 3274: the object identifier comes first.
_CMS = re.compile(
    rb"\x30[\x80-\x84].{0,4}?\x06(?:\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07[\x02\x03]"
    rb"|\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01[\x09\x17])",
    re.DOTALL,
)
_PICTURE = re.compile(
    rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|GIF8[79]a|BM.{4}\x00{4}|II\*\x00|MM\x00\*|RIFF.{4}(?:WEBP|WAVE|AVI )"
    rb"|\x00\x00[\x01\x02]\x00|ID3[\x02-\x04]|\xff[\xf2\xf3\xfa\xfb]|OggS\x00|fLaC\x00|wOF[F2](?:\x00\x01\x00\x00|OTTO)"
    rb"|\x00\x01\x00\x00\x00|OTTO\x00|\x1aE\xdf\xa3|8BPS\x00|\x00\x00\x00\x0cjP  |\x00\x00..ftyp|#!AMR",
    re.DOTALL,
)
_PROGRAM = re.compile(rb"MZ.{0,1018}?PE\x00\x00", re.DOTALL)
_PATTERNS = (
    (_PICTURE, Kind.PICTURE),
    (_BZIP2, Kind.BZIP2),
    (_CMS, Kind.CMS),
    (_PROGRAM, Kind.CONTAINER),  # archives that unpack themselves
)
_BEGINS_TEXT = ((b"BEGIN:VCALENDAR", Kind.CALENDAR), (b"BEGIN:VCARD", Kind.LIST), (b"{\\RTF", Kind.TEXT))
_USTAR_AT = 257
_MARKUP = re.compile(rb"<(?:!doctype|html|head|body|svg|\?xml|table|div|meta)\b", re.IGNORECASE)
_MBOX = re.compile(rb"From \S+ [^\n]*\d\d:\d\d[^\n]*\d{4}[^\n]*\n[!-9;-~]+[ \t]*:")
_SAVED_MESSAGE = re.compile(
    rb"(?:(?:Return-Path|Received|Delivered-To|From|To|Cc|Date|Subject|Message-ID|MIME-Version|X-[!-9;-~]+)[ \t]*:"
    rb"[^\n]*\n(?:[ \t][^\n]*\n)*){3}",
    re.IGNORECASE,
)
# A page saved with its pictures (RFC 2557), whatever its name says: Word and wikis call it .doc.
_SAVED_PAGE = re.compile(rb"(?:[!-9;-~]++[ \t]*+:[^\n]*+\n(?:[ \t][^\n]*+\n)*)*?MIME-Version[ \t]*+:", re.IGNORECASE)
_BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
# Tabulator, line ends, form feed and escape stand in text as well.
_NO_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")

_BY_TYPE = {
    **dict.fromkeys(("text/html", "text/x-amp-html", "text/watch-html", "text/enriched", "text/richtext"), Kind.HTML),
    **dict.fromkeys(("text/xml", "application/xml", "application/xhtml+xml", "image/svg+xml"), Kind.HTML),
    **dict.fromkeys(("text/calendar", "text/x-vcalendar", "application/ics"), Kind.CALENDAR),
    **dict.fromkeys(("text/vcard", "text/x-vcard", "text/directory", "text/csv", "text/x-csv", "text/ldif"), Kind.LIST),
    **dict.fromkeys(("application/csv", "text/tab-separated-values", "application/ldif", "text/x-ldif"), Kind.LIST),
    **dict.fromkeys(("message/rfc822", "message/global", "message/news", "application/mbox"), Kind.MESSAGE),
    # Drawings hold their text as text.
    **dict.fromkeys(("image/emf", "image/x-emf", "image/wmf", "image/x-wmf"), Kind.OTHER),
    **dict.fromkeys(("application/pkcs7-mime", "application/x-pkcs7-mime"), Kind.CMS),
    **dict.fromkeys(("application/pgp-encrypted", "application/pgp-signature", "application/pgp-keys"), Kind.PGP),
    **dict.fromkeys(("application/pgp",), Kind.PGP),
    **dict.fromkeys(("application/ms-tnef", "application/vnd.ms-tnef"), Kind.TNEF),
    **dict.fromkeys(("application/pdf", "application/x-pdf"), Kind.PDF),
    **dict.fromkeys(("application/zip", "application/x-zip-compressed", "application/x-zip"), Kind.ZIP),
    **dict.fromkeys(("application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint"), Kind.OLE),
    **dict.fromkeys(("application/vnd.ms-outlook", "application/x-ole-storage"), Kind.OLE),
    **dict.fromkeys(("application/x-tar", "application/tar"), Kind.TAR),
    **dict.fromkeys(("application/gzip", "application/x-gzip", "application/x-compressed-tar"), Kind.GZIP),
    **dict.fromkeys(("application/x-bzip2", "application/x-bzip"), Kind.BZIP2),
    **dict.fromkeys(("application/x-xz",), Kind.XZ),
    **dict.fromkeys(
        ("application/x-7z-compressed", "application/vnd.rar", "application/x-rar-compressed"), Kind.CONTAINER
    ),
    **dict.fromkeys(("application/x-rar", "application/vnd.ms-cab-compressed", "application/zstd"), Kind.CONTAINER),
    **dict.fromkeys(("application/mac-binhex40", "application/x-stuffit"), Kind.CONTAINER),
}
_BY_TYPE_PREFIX = (
    ("application/vnd.openxmlformats-officedocument.", Kind.ZIP),
    ("application/vnd.oasis.opendocument.", Kind.ZIP),
    ("message/", Kind.MESSAGE),
    ("text/", Kind.TEXT),
    ("image/", Kind.PICTURE),
    ("audio/", Kind.PICTURE),
    ("video/", Kind.PICTURE),
    ("font/", Kind.PICTURE),
)
_EXTENSIONS: dict[Kind, str] = {
    Kind.TEXT: "txt text log md markdown rtf json yaml yml ini cfg asp php py js css sql tex",
    Kind.HTML: "htm html xhtml shtml xht svg xml fods fodt mso",
    Kind.CALENDAR: "ics ical ifb vcs icalendar",
    Kind.LIST: "vcf vcard csv tsv tab ldif ldf contact skv",
    Kind.MESSAGE: "eml mbox mbx mht mhtml emlx nws",
    Kind.PICTURE: "png jpg jpeg gif bmp tif tiff webp ico heic mp3 mp4 m4a mov avi wav ogg flac mkv webm woff woff2",
    Kind.PGP: "asc pgp gpg",
    Kind.TNEF: "tnef",
    Kind.OLE: "msg xls doc ppt oft xlt dot pps",
    Kind.ZIP: "zip xlsx xlsm xlsb xltx docx docm dotx pptx pptm ppsx odt ods odp ott ots epub jar kmz numbers pages",
    Kind.PDF: "pdf fdf",
    Kind.TAR: "tar",
    Kind.GZIP: "gz tgz",
    Kind.BZIP2: "bz2 tbz tbz2",
    Kind.XZ: "xz txz",
    Kind.IWA: "iwa",
    Kind.CMS: "p7m p7z",
    Kind.CONTAINER: "7z rar cab ace arj lzh lha zst lz4 z iso dmg pst ost cpio rpm deb hqx sit sitx",
}
_BY_EXTENSION = {extension: kind for kind, names in _EXTENSIONS.items() for extension in names.split()}
_SIGNATURES = ("application/pkcs7-signature", "application/x-pkcs7-signature")
_SAID_BY_NAME = frozenset({Kind.CALENDAR, Kind.LIST, Kind.MESSAGE, Kind.HTML})
_BINARY = OPENED_BY_LIBRARY - {Kind.CMS} | {Kind.PICTURE}


def kind_of(head: bytes, media_type: str, name: str) -> Kind:
    """Return what kind of file this is. `head`: its first octets, transfer encoding undone; `HEAD_OCTETS` are enough.

    `media_type`: lower case, without parameters; may be empty, as may the file `name`. What the octets say goes before
    what is said about them: text that calls itself a picture or a document is text.
    """
    if media_type in _SIGNATURES:
        return Kind.OTHER
    head = head[:HEAD_OCTETS]
    if kind := _by_magic(head):
        return kind
    said = _said(media_type, name)
    if said is Kind.PDF and b"%PDF-" in head:
        return said  # readers of PDF allow other octets before it
    if said is not None and said not in _BINARY and said is not Kind.TEXT:
        return said
    plain = _plain(head)
    if _NO_TEXT.search(plain):
        return Kind.OTHER if said in (None, Kind.TEXT) else said
    return _kind_of_text(plain.lstrip(), said, media_type)


def _plain(head: bytes) -> bytes:
    """Return text without its mark of byte order, and UTF-16 without its NULs, which are about half of its octets."""
    for mark in _BYTE_ORDER_MARKS:
        if head.startswith(mark):
            return head.removeprefix(mark).replace(b"\x00", b"")
    return head.replace(b"\x00", b"") if 2 * head.count(b"\x00") >= len(head) - 1 else head


def _by_magic(head: bytes) -> Kind | None:
    if head[:1] in _FIRST_OCTETS:
        for magic, kind in _MAGIC:
            if head.startswith(magic):
                return kind
    for pattern, kind in _PATTERNS:
        if pattern.match(head):
            return kind
    if head.startswith(b"ustar", _USTAR_AT):
        return Kind.TAR
    return Kind.PGP if head.startswith(b"-----BEGIN PGP ") else None


def _said(media_type: str, name: str) -> Kind | None:
    _, dot, extension = name.rstrip(" .\"'").rpartition(".")
    by_name = _BY_EXTENSION.get(extension.lower()) if dot else None
    by_type = _BY_TYPE.get(media_type)
    if by_type is None:
        by_type = next((kind for prefix, kind in _BY_TYPE_PREFIX if media_type.startswith(prefix)), None)
    if by_name in _SAID_BY_NAME and by_type in (None, Kind.TEXT, Kind.OLE):
        return by_name  # lists are sent as plain text, and as what the spreadsheet calls its own
    return by_type or by_name


def _kind_of_text(plain: bytes, said: Kind | None, media_type: str) -> Kind:
    for begin, kind in _BEGINS_TEXT:
        if plain[: len(begin)].upper() == begin:
            return kind
    if said is not Kind.TEXT or media_type != "text/plain":
        if _MARKUP.match(plain):
            return Kind.HTML
        if _MBOX.match(plain) or (said is None and _SAVED_MESSAGE.match(plain)):
            return Kind.MESSAGE
        if said in (None, Kind.OLE) and _SAVED_PAGE.match(plain):
            return Kind.MESSAGE
    return Kind.LIST if said is Kind.OLE else Kind.TEXT
