"""The messages of the set that carry a file, each as subject, text, To and the file."""

from __future__ import annotations

from tests.corpus.making import archives, compound, crypto, office, pdf, tnef
from tests.corpus.people import families, offices

Letter = tuple[str, str, str, tuple[str, str, bytes]]
"""Subject, text, To, and the file: media type, name, octets."""

LAWYER = "To: Nadia <nadia@juniper-legal.example>"
BLIND = "To: clerk@council.example"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
ODS, ODT = (f"application/vnd.oasis.opendocument.{kind}" for kind in ("spreadsheet", "text"))
PRICES = ["Item", "Room 1, half a day", "Room 1, a day", "Caretaker, an hour"]
FIRMS, FEWER, PARENTS = offices(30), offices(29), families(12)
CSV = ("Firm;Address\r\n" + "".join(f"{n};{one}\r\n" for n, one in enumerate(FIRMS))).encode()
PARENTS_CSV = ("Child,Address\r\n" + "".join(f"{n},{one}\r\n" for n, one in enumerate(PARENTS))).encode()


def documents() -> dict[str, Letter]:
    """Those that show people, or cannot be looked into."""
    sheets = {"Prices": PRICES}
    return {
        "xlsx-plain-sheet": (
            "Room prices",
            "Please find our prices attached.",
            LAWYER,
            (XLSX, "prices.xlsx", office.xlsx({"Firms": FIRMS})),
        ),
        "xlsx-hidden-sheet": (
            "Room prices",
            "Please find our prices attached.",
            LAWYER,
            (XLSX, "prices.xlsx", office.xlsx(sheets | {"Bookings": FIRMS}, {"Bookings": "hidden"})),
        ),
        "xlsx-very-hidden-sheet": (
            "Room prices",
            "Please find our prices attached.",
            BLIND,
            (XLSX, "prices.xlsx", office.xlsx(sheets | {"Bookings": PARENTS}, {"Bookings": "veryHidden"})),
        ),
        "xlsx-hidden-column": (
            "Trip: who pays what",
            "Dear parents, the sums are in the sheet.",
            BLIND,
            (XLSX, "trip.xlsx", office.xlsx({"Trip": PARENTS}, hidden_column=True)),
        ),
        "xlsx-comments": (
            "Room prices",
            "Please find our prices attached.",
            LAWYER,
            (XLSX, "prices.xlsx", office.xlsx(sheets, comments=[f"asked by {one}" for one in FIRMS])),
        ),
        "xlsx-defined-name": (
            "Room prices",
            "Please find our prices attached.",
            LAWYER,
            (XLSX, "prices.xlsx", office.xlsx(sheets, names={"MailingList": ";".join(FIRMS)})),
        ),
        "xls-hidden-sheet": (
            "Room prices",
            "Please find our prices attached.",
            LAWYER,
            (
                "application/vnd.ms-excel",
                "prices.xls",
                compound.xls(sheets | {"Bookings": FIRMS}, frozenset({"Bookings"})),
            ),
        ),
        "ods-hidden-sheet": (
            "Preisliste",
            "Anbei unsere Raumpreise.",
            LAWYER,
            (ODS, "preise.ods", office.ods({"Preise": PRICES, "Kunden": FIRMS}, frozenset({"Kunden"}))),
        ),
        "docx-split-runs": (
            "Minutes of the supplier morning",
            "The minutes are attached.",
            LAWYER,
            (DOCX, "minutes.docx", office.docx(["Present:", *FIRMS], split=True)),
        ),
        "docx-mail-merge": (
            "Invitation to the carol service",
            "The invitation is attached.",
            BLIND,
            (
                DOCX,
                "invitation.docx",
                office.docx(["You are invited to the carol service."], more=office.mail_merge(PARENTS)),
            ),
        ),
        "docx-comments": (
            "Draft letter",
            "What do you think?",
            LAWYER,
            (
                DOCX,
                "draft.docx",
                office.docx(["Dear customer,"], more=office.word_comments([f"also to {one}" for one in FIRMS])),
            ),
        ),
        "docx-properties": (
            "Draft letter",
            "What do you think?",
            LAWYER,
            (DOCX, "draft.docx", office.docx(["Dear customer,"], more=office.custom_property("; ".join(FIRMS)))),
        ),
        "odt-spans": (
            "Protokoll",
            "Anbei das Protokoll.",
            LAWYER,
            (ODT, "protokoll.odt", office.odt(["Anwesend:", *FIRMS])),
        ),
        "pptx-notes": (
            "Slides of Friday",
            "The slides are attached.",
            LAWYER,
            (PPTX, "friday.pptx", office.pptx(["Supplier morning", "Agenda"], ["Invited:", *FIRMS])),
        ),
        "pdf-text": (
            "List of stall holders",
            "The list is attached.",
            LAWYER,
            ("application/pdf", "stalls.pdf", pdf.pdf(["Stall holders", *FIRMS])),
        ),
        "pdf-text-29": (
            "List of stall holders",
            "The list is attached.",
            LAWYER,
            ("application/pdf", "stalls.pdf", pdf.pdf(["Stall holders", *FEWER])),
        ),
        "pdf-links": (
            "Who to ask",
            "Click on a name in the list.",
            BLIND,
            ("application/pdf", "who.pdf", pdf.pdf(["Class 4, parents on duty"], links=PARENTS)),
        ),
        "pdf-form-fields": (
            "Registration form",
            "The form is attached.",
            LAWYER,
            ("application/pdf", "form.pdf", pdf.pdf(["Registered firms"], fields=FIRMS)),
        ),
        "pdf-metadata": (
            "Programme",
            "The programme is attached.",
            LAWYER,
            (
                "application/pdf",
                "programme.pdf",
                pdf.pdf(
                    ["Programme"],
                    metadata=f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><note>{" ".join(FIRMS)}</note></x:xmpmeta>',
                ),
            ),
        ),
        "pdf-attached-file": (
            "Invoice",
            "The invoice is attached.",
            LAWYER,
            ("application/pdf", "invoice.pdf", pdf.pdf(["Invoice 17"], files={"customers.csv": CSV})),
        ),
        "pdf-with-password": (
            "Your reports",
            "The password comes by post.",
            BLIND,
            ("application/pdf", "reports.pdf", pdf.pdf(["Reports", *PARENTS], password="larch-42")),
        ),
        "zip-list": (
            "Files",
            "The files are attached.",
            LAWYER,
            (
                "application/zip",
                "files.zip",
                archives.zipped({"readme.txt": b"Firms of this year\r\n", "firms.csv": CSV}),
            ),
        ),
        "zip-in-zip-sheet": (
            "Files",
            "The files are attached.",
            LAWYER,
            (
                "application/zip",
                "files.zip",
                archives.zipped({"2026.zip": archives.zipped({"firms.xlsx": office.xlsx({"Firms": FIRMS})})}),
            ),
        ),
        "zip-named-as-picture": (
            "Photographs",
            "Photographs of the fair.",
            BLIND,
            ("image/jpeg", "fair.jpg", archives.zipped({"parents.csv": PARENTS_CSV})),
        ),
        "zip-with-password": (
            "Class list",
            "The password comes by text message.",
            BLIND,
            ("application/zip", "class.zip", archives.zipped_with_password("class.csv", PARENTS_CSV, b"larch-42")),
        ),
        "zip-with-password-nine": (
            "Class list",
            "The password comes by text message.",
            BLIND,
            ("application/zip", "class.zip", archives.zipped_with_password("class.csv", PARENTS_CSV, b"larch-42")),
        ),
        "zip-nested-too-deep": (
            "Files",
            "The files are attached.",
            BLIND,
            ("application/zip", "files.zip", _nested(PARENTS_CSV, 20)),
        ),
        "zip-bomb": (
            "Files",
            "The files are attached.",
            BLIND,
            (
                "application/zip",
                "files.zip",
                archives.zipped(
                    {
                        "zeros.bin": archives.zipped({f"{n}.txt": bytes(1 << 22) for n in range(4)}),
                        "more.bin": bytes(8 << 20),
                    }
                ),
            ),
        ),
        "zip-broken": (
            "Files",
            "The files are attached.",
            BLIND,
            ("application/zip", "files.zip", archives.zipped({"class.csv": PARENTS_CSV * 4})[:150]),
        ),
        "gzip-list": (
            "Export",
            "The export is attached.",
            LAWYER,
            ("application/gzip", "export.csv.gz", archives.gzipped(CSV)),
        ),
        "tar-gz-list": (
            "Export",
            "The export is attached.",
            LAWYER,
            ("application/x-gtar", "export.tgz", archives.gzipped(archives.tarred({"export/firms.csv": CSV}))),
        ),
        "tar-list": (
            "Export",
            "The export is attached.",
            BLIND,
            ("application/x-tar", "export.tar", archives.tarred({"parents.csv": PARENTS_CSV})),
        ),
        "seven-zip": (
            "Class list",
            "The list is attached.",
            BLIND,
            ("application/x-7z-compressed", "class.7z", b"7z\xbc\xaf\x27\x1c\0\4" + crypto.noise("7z", 300)),
        ),
        "rar": (
            "Class list",
            "The list is attached.",
            BLIND,
            ("application/vnd.rar", "class.rar", b"Rar!\x1a\x07\x01\0" + crypto.noise("rar", 300)),
        ),
        "msg-recipients": (
            "FW: Supplier morning",
            "As attached.",
            LAWYER,
            (
                "application/vnd.ms-outlook",
                "Supplier morning.msg",
                compound.msg("Supplier morning", "On Friday at 10.", FIRMS),
            ),
        ),
        "msg-recipients-families": (
            "FW: Walking bus",
            "As attached.",
            BLIND,
            (
                "application/octet-stream",
                "Walking bus.msg",
                compound.msg("Walking bus", "It leaves at eight.", PARENTS),
            ),
        ),
        "msg-broken": (
            "FW: Walking bus",
            "As attached.",
            BLIND,
            (
                "application/vnd.ms-outlook",
                "Walking bus.msg",
                compound.msg("Walking bus", "It leaves at eight.", PARENTS)[:2000],
            ),
        ),
        "tnef-recipient-table": (
            "Walking bus",
            "The walking bus leaves at eight.",
            BLIND,
            ("application/ms-tnef", "winmail.dat", tnef.tnef("Walking bus", recipients=PARENTS)),
        ),
        "tnef-display-to": (
            "Walking bus",
            "The walking bus leaves at eight.",
            BLIND,
            ("application/ms-tnef", "winmail.dat", tnef.tnef("Walking bus", {tnef.DISPLAY_TO: "; ".join(PARENTS)})),
        ),
        "tnef-transport-headers": (
            "Supplier morning",
            "On Friday at 10.",
            LAWYER,
            (
                "application/ms-tnef",
                "winmail.dat",
                tnef.tnef(
                    "Supplier morning",
                    {
                        tnef.TRANSPORT_HEADERS: "From: events@council.example\r\nTo: "
                        + ",\r\n\t".join(FIRMS)
                        + "\r\nSubject: Supplier morning\r\n"
                    },
                ),
            ),
        ),
        "tnef-attached-list": (
            "Supplier morning",
            "On Friday at 10.",
            LAWYER,
            (
                "application/octet-stream",
                "winmail.dat",
                tnef.tnef("Supplier morning", {tnef.BODY: "On Friday at 10."}, attachments={"firms.csv": CSV}),
            ),
        ),
        "tnef-nested": (
            "Walking bus",
            "It leaves at eight.",
            BLIND,
            (
                "application/ms-tnef",
                "winmail.dat",
                tnef.tnef("Walking bus", attachments={"winmail.dat": tnef.tnef("Walking bus", recipients=PARENTS)}),
            ),
        ),
        "tnef-broken": (
            "Walking bus",
            "It leaves at eight.",
            BLIND,
            ("application/ms-tnef", "winmail.dat", tnef.tnef("Walking bus", recipients=PARENTS)[:400]),
        ),
    }


def _nested(data: bytes, depth: int) -> bytes:
    for level in range(depth):
        data = archives.zipped({f"level{level}.zip" if level else "class.csv": data})
    return data
