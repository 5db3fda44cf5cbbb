"""What kind of file a part is: told by its first octets, then by its media type and its name."""

from __future__ import annotations

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
    CMS = "cms"
    """S/MIME, unless it is a detached signature."""
    CONTAINER = "container"
    """A container that we have no reader for (7z, RAR, CAB …)."""


OPENED_BY_LIBRARY = frozenset(
    {Kind.TNEF, Kind.OLE, Kind.ZIP, Kind.PDF, Kind.TAR, Kind.GZIP, Kind.BZIP2, Kind.XZ, Kind.CMS}
)
