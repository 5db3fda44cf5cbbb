"""Writes those messages of the set whose attachments are no text: `python -m tests.corpus.make`, from the top folder."""

from __future__ import annotations

import base64
from pathlib import Path

from tests.corpus.making import crypto
from tests.corpus.making.attachments import BLIND, LAWYER, PARENTS, documents
from tests.corpus.making.innocent import innocent
from tests.corpus.making.writing import Part, attached, mail, multipart, text
from tests.corpus.people import offices

HERE = Path(__file__).parent
FROM = "From: Clerk to the Council <clerk@council.example>"


def sealed() -> dict[str, tuple[str, Part | bytes]]:
    """Name: header lines beside From, and the content."""
    smime = 'application/pkcs7-mime; smime-type="{}"; name="smime.p7m"'

    def wrapped(kind: str, octets: bytes) -> Part:
        lines = (f"Content-Type: {smime.format(kind)}", "Content-Transfer-Encoding: base64")
        return Part(
            (*lines, 'Content-Disposition: attachment; filename="smime.p7m"'),
            base64.encodebytes(octets).replace(b"\n", b"\r\n"),
        )

    def pgp_mime(recipients: int, *, hidden: bool = False) -> Part:
        version = Part(("Content-Type: application/pgp-encrypted",), b"Version: 1\r\n")
        armour = crypto.pgp(recipients, hidden=hidden).replace("\n", "\r\n").encode()
        message = Part(('Content-Type: application/octet-stream; name="encrypted.asc"',), armour)
        return multipart("encrypted", version, message, more='; protocol="application/pgp-encrypted"')

    listing = text("Dear all,\n\nwe are:\n\n" + "".join(f"{one}\n" for one in offices(50))).octets
    quiet = text("Dear all,\n\nthe hall is closed on Friday.\n").octets
    letter = text("Dear Quentin,\n\nyour appointment is on Tuesday at ten.\n").octets
    entity = text("Dear parents,\n\nthe class photograph is taken on Wednesday.\n")
    return {
        "crypto/smime-enveloped-to-twelve": (
            f"{BLIND}\nSubject: Class photograph",
            wrapped("enveloped-data", crypto.enveloped(13)),
        ),
        "crypto/smime-named-as-octets": (
            f"{BLIND}\nSubject: Class photograph",
            multipart(
                "mixed",
                text("See the attachment.\n"),
                attached(crypto.enveloped(13), "application/octet-stream", "smime.p7m"),
            ),
        ),
        "crypto/pgp-mime-to-twelve": (f"{BLIND}\nSubject: ...", pgp_mime(13)),
        "crypto/pgp-mime-hidden-keys-to-twelve": (f"{BLIND}\nSubject: ...", pgp_mime(13, hidden=True)),
        "crypto/pgp-inline-to-twelve": (f"{BLIND}\nSubject: Class list", text(crypto.pgp(13))),
        "crypto/pgp-mime-within-forward": (
            f"{BLIND}\nSubject: Fwd: ...",
            multipart("mixed", text("Forwarded as it came.\n"), pgp_mime(2)),
        ),
        "crypto/opaque-signed-list": (f"{LAWYER}\nSubject: Our firms", wrapped("signed-data", crypto.signed(listing))),
        "crypto/signed-to-families": (_families_in_to("Class photograph"), _signed(entity)),
        "innocent/opaque-signed-to-twelve": (
            f"{BLIND}\nSubject: Hall closed",
            wrapped("signed-data", crypto.signed(quiet)),
        ),
        "innocent/clear-signed-to-one": (
            "To: Quentin <quentin@mail6.example>\nSubject: Your appointment",
            _signed(Part(("Content-Type: text/plain",), letter.partition(b"\r\n\r\n")[2])),
        ),
        "innocent/encrypted-to-one": ("To: Quentin <quentin@mail6.example>\nSubject: ...", pgp_mime(2)),
        "innocent/smime-encrypted-to-one": (
            "To: Quentin <quentin@mail6.example>\nSubject: Your file",
            wrapped("enveloped-data", crypto.enveloped(2)),
        ),
        "thresholds/encrypted-to-nine": (
            f"{BLIND}\nSubject: Class photograph",
            wrapped("enveloped-data", crypto.enveloped(10)),
        ),
        "thresholds/encrypted-to-ten": (
            f"{BLIND}\nSubject: Class photograph",
            wrapped("enveloped-data", crypto.enveloped(11)),
        ),
    }


def _families_in_to(subject: str) -> str:
    return "To: " + ",\n ".join(PARENTS) + f"\nSubject: {subject}"


def _signed(entity: Part) -> Part:
    signature = attached(crypto.signed(None), "application/pkcs7-signature", "smime.p7s")
    return multipart("signed", entity, signature, more='; protocol="application/pkcs7-signature"; micalg=sha-256')


def messages() -> dict[str, bytes]:
    """Every message that is made here, by name."""
    made = {}
    for group, table in (("attached", documents()), ("innocent", innocent())):
        for short, (subject, said, to, (media_type, name, octets)) in table.items():
            content = multipart("mixed", text(f"{said}\n\nRegards\nClerk\n"), attached(octets, media_type, name))
            made[f"{group}/{short}"] = mail(f"{FROM}\n{to}\nSubject: {subject}", content, identifier=f"{group}/{short}")
    for name, (header, part) in sealed().items():
        made[name] = mail(f"{FROM}\n{header}", part, identifier=name)
    return made


def main() -> None:
    for name, octets in messages().items():
        path = HERE / f"{name}.eml"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(octets)


if __name__ == "__main__":
    main()
