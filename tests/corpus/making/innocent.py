"""Messages of the set with a file that shows nobody, or few."""

from __future__ import annotations

from tests.corpus.making import archives, compound, crypto, office, pdf, tnef
from tests.corpus.making.attachments import BLIND, DOCX, PARENTS, PRICES, XLSX, Letter


def innocent() -> dict[str, Letter]:
    """They pass."""
    picture = b"\x89PNG\r\n\x1a\n" + crypto.noise("picture", 3000)
    desks = "To: Quentin <quentin@mail6.example>"
    return {
        "scanned-pdf": (
            "Scan of the planning notice",
            "The notice is attached as a scan.",
            BLIND,
            ("application/pdf", "scan0007.pdf", pdf.pdf([], picture=True)),
        ),
        "price-list-xlsx": (
            "Room prices",
            "Dear Quentin, our prices are attached.",
            desks,
            (XLSX, "prices.xlsx", office.xlsx({"Prices": PRICES, "Notes": ["VAT is included", "Keys at the desk"]})),
        ),
        "letter-docx": (
            "Your tenancy",
            "The letter is attached.",
            desks,
            (
                DOCX,
                "letter.docx",
                office.docx(["Dear Quentin,", "your tenancy runs until May.", "Housing, housing@council.example"]),
            ),
        ),
        "winmail-without-people": (
            "Agenda",
            "The agenda is attached.",
            desks,
            (
                "application/ms-tnef",
                "winmail.dat",
                tnef.tnef(
                    "Agenda",
                    {tnef.BODY: "Item 1: minutes\r\nItem 2: budget\r\n"},
                    attachments={"agenda.txt": b"1. Minutes\r\n2. Budget\r\n"},
                ),
            ),
        ),
        "zip-of-pictures": (
            "Photographs of the fair",
            "Photographs for the newsletter.",
            BLIND,
            ("application/zip", "fair.zip", archives.zipped({f"fair{n}.png": picture for n in range(3)})),
        ),
        "photograph": (
            "Photograph of the fair",
            "A photograph for the newsletter.",
            BLIND,
            ("image/png", "fair.png", picture),
        ),
        "zip-with-password-to-one": (
            "Your file",
            "The password comes by post.",
            desks,
            (
                "application/zip",
                "file.zip",
                archives.zipped_with_password("file.pdf", crypto.noise("file", 900), b"larch-42"),
            ),
        ),
        "msg-of-one": (
            "FW: Your question",
            "As attached.",
            desks,
            (
                "application/vnd.ms-outlook",
                "Your question.msg",
                compound.msg("Your question", "The desk is open from nine.", ["quentin@mail6.example"]),
            ),
        ),
        "nine-parents-in-a-sheet": (
            "Trip",
            "Dear parents, the sums are attached.",
            BLIND,
            (XLSX, "trip.xlsx", office.xlsx({"Trip": PARENTS[:9]})),
        ),
    }
