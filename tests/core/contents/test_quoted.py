"""Quoted and forwarded header blocks: told apart from text in every layout, and nothing lost between the two."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcc_relay.core.address import known
from bcc_relay.core.contents.quoted import split_quoted
from bcc_relay.core.contents.text import find_in_text

NOBODY = known(frozenset())


def split(text: str) -> tuple[str, str]:
    outside, blocks = split_quoted(text)
    return outside, "\n".join(block.text for block in blocks)


OWN = "own@council.example"
AFTER = "after@council.example"

BLOCKS = {
    "outlook-english": """\
From: Anna Adams <anna@x.example>
Sent: Monday, 3 August 2026 10:00
To: Ben <ben@y.example>; Cem <cem@z.example>
Cc: dora@w.example
Subject: Term dates
""",
    "outlook-rule": """\
________________________________
From: anna@x.example
To: ben@y.example
""",
    "outlook-original": """\
-----Original Message-----
From:\tAnna Adams [mailto:anna@x.example]
Sent:\tMonday, August 03, 2026 10:00 AM
To:\tBen; cem@z.example
Cc:\tdora@w.example; ben@y.example;
\tegon@v.example
Subject:\tTerm dates
Importance:\tHigh
""",
    "outlook-german": """\
-----Ursprüngliche Nachricht-----
Von: Anna Adams <anna@x.example>
Gesendet: Montag, 3. August 2026 10:00
An: Ben <ben@y.example>
Cc: cem@z.example
Betreff: Termine
""",
    "outlook-french": """\
De\u00a0: Anna Adams <anna@x.example>
Envoyé\u00a0: lundi 3 août 2026 10:00
À\u00a0: Ben <ben@y.example>
Cc\u00a0: cem@z.example
Objet\u00a0: Dates
""",
    "outlook-spanish": """\
De: Anna Adams <anna@x.example>
Enviado: lunes, 3 de agosto de 2026 10:00
Para: Ben <ben@y.example>
CC: cem@z.example
Asunto: Fechas
""",
    "outlook-welsh": """\
Oddi wrth: Anna Adams <anna@x.example>
Anfonwyd: 03 Awst 2026 10:00
At: Ben <ben@y.example>
Pwnc: Dyddiadau
""",
    "outlook-japanese": """\
差出人: Anna <anna@x.example>
送信日時: 2026年8月3日 10:00
宛先: Ben <ben@y.example>
CC: cem@z.example
件名: 新学期
""",
    "outlook-japanese-full-width-colon": """\
差出人：Anna <anna@x.example>
宛先：ben@y.example
件名：新学期
""",
    "apple": """\
Begin forwarded message:

From: Anna <anna@x.example>
Subject: Term dates
Date: 3 August 2026 at 10:00:00 BST
To: Ben <ben@y.example>, Cem <cem@z.example>
""",
    "apple-quoted-and-bold": """\
> Begin forwarded message:
>\u00a0
> *From: *Anna <anna@x.example>
> *To: *Ben <ben@y.example>
> *Subject: **Term dates*
""",
    "gmail": """\
---------- Forwarded message ---------
From: Anna <anna@x.example>
Date: Mon, 3 Aug 2026 at 10:00
Subject: Term dates
To: <ben@y.example>, <cem@z.example>,
  <dora@w.example>
""",
    "gmail-bold": """\
**From:** Anna <anna@x.example>
**To:** ben@y.example
""",
    "thunderbird": """\
-------- Forwarded Message --------
Subject: \tTerm dates
Date: \tMon, 3 Aug 2026 10:00:00 +0100
From: \tAnna <anna@x.example>
To: \tBen <ben@y.example>
CC: \tCem <cem@z.example>
""",
    "lotus": """\
---------------------- Forwarded by Anna Adams/XYZ/Example on 03/08/2026 10:00
AM ---------------------------


Anna Adams <anna@x.example> on 03/08/2026 09:00:00 AM
Please respond to anna@w.example
To:\tBen Brown/XYZ/Example@Example, cem@z.example
cc:\tdora@w.example (bcc: Egon/XYZ)
Subject:\tTerm dates
""",
    "lotus-sent-by": """\
\tAnna Adams <anna@x.example>
\tSent by: ben@y.example
\t03/08/2026 10:00 AM
\t\t
\t\t To: Cem/XYZ/Example@Example, dora@w.example, Egon
Evans/XYZ/Example@Example, egon@v.example
\t\t cc:
\t\t Subject: Term dates
""",
    "lotus-one-line": """\
\tAnna Adams Sent by: Ben 03/08/2026 10:00 AM \t  To: cem@z.example, Dora  cc: dora@w.example  Subject: Re: \t
""",
    "lotus-without-colons": """\
Anna Adams/XYZ/Example
03/08/2026 10:00 AM

To
ben@y.example
cc

Subject
Term dates
""",
    "long-recipient-list": "From: anna@x.example\nTo: "
    + ",\n ".join(f"name{i}@mail.example" for i in range(300))
    + "\nSubject: x\n",
    "list-to-the-end": "Subject: x\nTo: ben@y.example,\ncem@z.example, dora@w.example\negon@v.example\n",
    "deeply-quoted": "> > > From: anna@x.example\n> > > Sent: Monday\n> > > To: ben@y.example,\n> > > cem@z.example\n",
    "bars": "| From: anna@x.example\n| To: ben@y.example\n",
    "blank-lines-between": "From: anna@x.example\n\nSent: Monday\n\nTo: ben@y.example\n",
    "wrote": "On Mon, 3 Aug 2026 at 10:00, Anna <anna@x.example> wrote:\n",
    "wrote-wrapped": "On Monday, 3 August 2026 at 10:00, Anna Adams of the office\n<anna@x.example> wrote:\n",
    "wrote-german": "Am 03.08.26 um 10:00 schrieb Anna <anna@x.example>:\n",
    "wrote-french": "Le lun. 3 août 2026 à 10:00, Anna <anna@x.example> a écrit\u00a0:\n",
    "wrote-spanish": "El lun, 3 ago 2026 a las 10:00, Anna (<anna@x.example>) escribió:\n",
    "wrote-welsh": "Ar Llun, 3 Awst 2026 am 10:00 ysgrifennodd Anna <anna@x.example>:\n",
    "wrote-japanese": "2026年8月3日(月) 10:00 Anna <anna@x.example>:\n",
}


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS)
def test_a_header_block_is_recognised_whole_and_alone(block: str, line_end: str) -> None:
    text = f"Please see below, and write to {OWN}.\n\nThe clerk\n\n\n{block}\nDear Ben,\n{AFTER} knows more.\n"
    outside, inside = split(text.replace("\n", line_end))
    assert find_in_text(outside, NOBODY) == {OWN, AFTER}
    assert find_in_text(inside, NOBODY) == find_in_text(block, NOBODY) != set()


def test_several_blocks_are_each_recognised() -> None:
    blocks = [block for block in BLOCKS.values() if "@" in block]
    outside, inside = split("\n".join(f"{block}\nSome text by {OWN} in between.\n" for block in blocks))
    assert find_in_text(outside, NOBODY) == {OWN}
    assert find_in_text(inside, NOBODY) == set().union(*(find_in_text(block, NOBODY) for block in blocks))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "No label at all, and anna@x.example.",
        "To: anna@x.example, ben@y.example, cem@z.example\n",
        "To: anna@x.example\nTo: ben@y.example\n",
        "Please write to: anna@x.example\nYours from: here\n",
        "Cc: anna@x.example\n" + "text\n" * 20 + "Subject: x\n",
        "She wrote:\nanna@x.example\n",
        "Meeting at 10:00:\nanna@x.example\n",
        "Anna: anna@x.example\nBen: ben@y.example\n",
        "https://x.example/a:b\nmailto:anna@x.example\n",
    ],
)
def test_what_is_no_block_stays_outside(text: str) -> None:
    assert split(text) == (text, "")


def test_text_between_two_messages_is_in_no_block() -> None:
    block = "From: anna@x.example\nSent: Monday\nTo: ben@y.example\nSubject: x\n"
    outside, _ = split(f"{block}\n{OWN} says no.\n\n{block}")
    assert find_in_text(outside, NOBODY) == {OWN}


LINES = st.sampled_from(
    [*(line for block in BLOCKS.values() for line in block.split("\n")[:8]), "", "", "Dear all,", "own@council.example", "To:",
     "> To: a@x.example", "-- ", "10:00", "x: y", ",,,", "Cc: b@y.example,"]
)  # fmt: skip


@given(st.lists(LINES, max_size=30), st.sampled_from(["\n", "\r\n"]))
def test_every_line_and_every_address_is_in_one_of_the_two(lines: list[str], line_end: str) -> None:
    text = line_end.join(lines)
    outside, inside = split(text)
    assert sorted(re.findall(r"\S+", outside + "\n" + inside)) == sorted(re.findall(r"\S+", text))
    assert find_in_text(outside, NOBODY) | find_in_text(inside, NOBODY) >= {
        key for line in lines for key in find_in_text(line, NOBODY)
    }


@given(st.text(alphabet="FfroTtoCcSubject:\n\r >@.x,;<-\uff1a\u00a0宛先 01/", max_size=200))
def test_splitting_never_raises_and_loses_no_word(text: str) -> None:
    outside, inside = split(text)
    assert sorted(re.findall(r"\S", outside + inside)) == sorted(re.findall(r"\S", text))


@pytest.mark.parametrize(
    "unit",
    [":", "To:", "To:  ", "To: a@b.example\n", "To: a@b.example\nCc: a@b.example\nOn 1/1/2001 a@b.example wrote:\n", "\n", "> ", "-",
     "On 1/1/2001 wrote:\n", "To: a@b.example\nSubject: x\n\n", "To: a@b.example Cc: ", "\nTo\n", "\nSubject\n", "From:\n,\n", "：", ":\n",
     "wrote:\n", "1/1/2001:\n"],
)  # fmt: skip
def test_hostile_text_is_split_in_time_that_grows_with_its_size(unit: str) -> None:
    """A search that took the square of the size would not come to an end here."""
    split(unit * (300_000 // len(unit)))
    split("Subject\n" + unit * (300_000 // len(unit)))


@pytest.mark.parametrize(
    ("text", "author"),
    [
        ("From: anna@x.example\nSent: Monday\nTo: ben@y.example\nSubject: x\n", "anna@x.example"),
        ("-----Original Message-----\nVon: Anna <anna@x.example>\nAn: ben@y.example\nBetreff: x\n", "anna@x.example"),
        ('"Anna" <anna@x.example> on 11/22/2026 10:00:00 AM\nTo: ben@y.example\ncc: cem@z.example\n', "anna@x.example"),
        ("On 22 Nov 2026 at 10:00, Anna <anna@x.example> wrote:\n> To: ben@y.example\n", "anna@x.example"),
        ("To: ben@y.example\nCc: cem@z.example\nSubject: x\n", ""),
    ],
)
def test_a_block_says_who_wrote_that_mail(text: str, author: str) -> None:
    _, blocks = split_quoted(text)
    assert find_in_text(blocks[0].author, NOBODY) == ({author} if author else set())
