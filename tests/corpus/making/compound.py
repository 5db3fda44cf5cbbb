"""Writes compound files (MS-CFB), and what Outlook and old Excel put into them: `.msg` and `.xls`."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

_SECTOR, _MINI = 512, 64
_FREE, _END, _FAT, _NONE = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD, 0xFFFFFFFF
_CUTOFF = 4096
Tree = dict[str, "bytes | Tree"]


@dataclass
class _Entry:
    name: str
    kind: int
    data: bytes = b""
    left: int = _NONE
    right: int = _NONE
    child: int = _NONE
    start: int = _END
    size: int = 0
    children: list[int] = field(default_factory=list)


def compound(tree: Tree) -> bytes:
    """A compound file with these streams (octets) and storages (trees)."""
    entries = [_Entry("Root Entry", 5)]
    _add(entries, 0, tree)
    mini, mini_fat = bytearray(), []
    sectors: list[bytes] = []
    fat: list[int] = []

    def chain(data: bytes) -> int:
        start = len(sectors)
        pieces = [data[at : at + _SECTOR].ljust(_SECTOR, b"\0") for at in range(0, len(data), _SECTOR)]
        sectors.extend(pieces)
        fat.extend([*range(start + 1, start + len(pieces)), _END])
        return start

    for entry in entries[1:]:
        entry.size = len(entry.data)
        if not entry.data:
            continue
        if entry.size >= _CUTOFF:
            entry.start = chain(entry.data)
            continue
        entry.start = len(mini_fat)
        count = -(-entry.size // _MINI)
        mini += entry.data.ljust(count * _MINI, b"\0")
        mini_fat += [*range(entry.start + 1, entry.start + count), _END]
    if mini:
        entries[0].start, entries[0].size = chain(bytes(mini)), len(mini)
    directory = chain(b"".join(map(_packed, entries)))
    mini_start = chain(_numbers(mini_fat)) if mini_fat else _END
    mini_sectors = -(-len(mini_fat) * 4 // _SECTOR)
    count = -(-(len(sectors) + 1) * 4 // _SECTOR)
    while (len(sectors) + count) * 4 > count * _SECTOR:
        count += 1
    first = len(sectors)
    fat += [_FAT] * count
    table = _numbers(fat)
    header = struct.pack(
        "<8s16xHHHHH6xIIIIIIIII", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 0x3E, 3, 0xFFFE, 9, 6,
        0, count, directory, 0, _CUTOFF, mini_start, mini_sectors, _END, 0,
    )  # fmt: skip
    difat = [*range(first, first + count)]
    header += struct.pack("<109I", *difat, *[_FREE] * (109 - count))
    return header + b"".join(sectors) + table


def _numbers(table: list[int]) -> bytes:
    octets = struct.pack(f"<{len(table)}I", *table)
    return octets.ljust(-(-len(octets) // _SECTOR) * _SECTOR, b"\xff")


def _add(entries: list[_Entry], parent: int, tree: Tree) -> None:
    made = []
    for name, content in tree.items():
        made.append(len(entries))
        if isinstance(content, bytes):
            entries.append(_Entry(name, 2, content))
        else:
            entries.append(_Entry(name, 1))
            _add(entries, made[-1], content)
    made.sort(key=lambda at: (len(entries[at].name), entries[at].name.upper()))
    entries[parent].child = _balanced(entries, made)


def _balanced(entries: list[_Entry], made: list[int]) -> int:
    if not made:
        return _NONE
    middle = len(made) // 2
    entry = entries[made[middle]]
    entry.left, entry.right = _balanced(entries, made[:middle]), _balanced(entries, made[middle + 1 :])
    return made[middle]


def _packed(entry: _Entry) -> bytes:
    name = entry.name.encode("utf-16le")
    return struct.pack(
        "<64sHBBIII16xI16xIQ", name, len(name) + 2, entry.kind, 1, entry.left, entry.right, entry.child, 0,
        entry.start if entry.kind != 1 else 0, entry.size,
    )  # fmt: skip


# --- Outlook (MS-OXMSG) ----------------------------------------------------------------------------------------------


def msg(subject: str, body: str, recipients: list[str], *, attachments: tuple[bytes, ...] = ()) -> bytes:
    """An Outlook item with its recipient table."""
    texts = {0x001A: "IPM.Note", 0x0037: subject, 0x1000: body, 0x0E04: "; ".join(_display(one) for one in recipients)}
    tree: Tree = {"__nameid_version1.0": {f"__substg1.0_000{n}0102": b"" for n in (2, 3, 4)}}
    tree |= _properties(
        texts, struct.pack("<8xIIII8x", len(recipients), len(attachments), len(recipients), len(attachments))
    )
    for number, address in enumerate(recipients):
        texts = {0x3001: _display(address), 0x3002: "SMTP", 0x3003: address, 0x39FE: address}
        tree[f"__recip_version1.0_#{number:08X}"] = _properties(texts, bytes(8), kind=1)
    for number, data in enumerate(attachments):
        entry = _properties({0x3707: f"part{number}.txt"}, bytes(8))
        tree[f"__attach_version1.0_#{number:08X}"] = {**entry, "__substg1.0_37010102": data}
    return compound(tree)


def _display(address: str) -> str:
    return address.partition("@")[0].title()


def _properties(texts: dict[int, str], header: bytes, kind: int | None = None) -> Tree:
    tree: Tree = {}
    rows = b"" if kind is None else struct.pack("<HHIQ", 3, 0x0C15, 6, kind)
    for tag, value in texts.items():
        octets = value.encode("utf-16le")
        tree[f"__substg1.0_{tag:04X}001F"] = octets
        rows += struct.pack("<HHIII", 0x1F, tag, 6, len(octets) + 2, 0)
    tree["__properties_version1.0"] = header + rows
    return tree


# --- old Excel (MS-XLS) ----------------------------------------------------------------------------------------------


def xls(sheets: dict[str, list[str]], hidden: frozenset[str] = frozenset()) -> bytes:
    """A BIFF8 workbook, each sheet with one column of texts in UTF-16."""
    strings = list(dict.fromkeys(text for column in sheets.values() for text in column))
    shared = b"".join(struct.pack("<HB", len(text), 1) + text.encode("utf-16le") for text in strings)
    sst = _record(0xFC, struct.pack("<II", len(strings), len(strings)) + shared)
    bodies = []
    for column in sheets.values():
        cells = b"".join(
            _record(0xFD, struct.pack("<HHHI", at, 0, 0, strings.index(text))) for at, text in enumerate(column)
        )
        size = struct.pack("<IIHHH", 0, len(column), 0, 1, 0)
        bodies.append(_begin(0x10) + _record(0x200, size) + cells + _record(0x0A))
    begin = _begin(5) + _record(0x42, struct.pack("<H", 1200))
    named = [
        (name, struct.pack("<BBBB", 2 if name in hidden else 0, 0, len(name), 0) + name.encode("latin-1"))
        for name in sheets
    ]
    at = len(begin) + sum(len(_record(0x85, bytes(4) + rest)) for _, rest in named) + len(sst) + len(_record(0x0A))
    bounds = b""
    for (_, rest), body in zip(named, bodies, strict=True):
        bounds += _record(0x85, struct.pack("<I", at) + rest)
        at += len(body)
    return compound({"Workbook": begin + bounds + sst + _record(0x0A) + b"".join(bodies)})


def _begin(kind: int) -> bytes:
    return _record(0x809, struct.pack("<HHHHII", 0x600, kind, 0x0DBB, 0x07CC, 0, 6))


def _record(number: int, data: bytes = b"") -> bytes:
    return struct.pack("<HH", number, len(data)) + data
