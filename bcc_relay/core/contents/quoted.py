"""Header blocks that people quote and forward: where in a text they stand.

A block is told by labels ("From:", "Gesendet:") of at least two kinds near each other, in the language and layout of
whichever mail program wrote it, or by a line like "On ... wrote:". What is found decides only as what an address
counts; no text is lost.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# In English, German, French, Spanish, Welsh, Japanese; then in Dutch, Italian, Portuguese, Danish, Norwegian, Swedish
# and Polish.
_LABELS_BY_KIND = {
    "from": "from|sent by|forwarded by|resent-from|von|de|envoyé par|enviado por|oddi wrth|差出人|送信者|van|da|"
    "fra|från|od",
    "date": "sent|date|date sent|sent on|gesendet|datum|envoyé|envoyé le|date d'envoi|enviado|enviado el|fecha|"
    "anfonwyd|dyddiad|送信日時|日時|送信済み|日付|verzonden|inviato|data|enviada em|enviado em|sendt|"
    "dato|skickat|wysłano",
    "to": "to|resent-to|an|à|a|destinataire|destinataires|para|at|宛先|aan|per|til|till|do",
    "cc": "cc|ccs|copy|copy to|kopie|copie|copie à|con copia|copia|copi|写し|kopi|kopia|dw",
    "bcc": "bcc|blindkopie|cci|cco|ccn|udw",
    "subject": "subject|subj|re|betreff|thema|objet|asunto|pwnc|件名|onderwerp|oggetto|assunto|emne|ämne|temat",
    "answer": "reply-to|reply to|please respond to|please reply to|antwort an|répondre à|responder a|ateb i|返信先",
    "more": "importance|priority|sensitivity|attachment|attachments|organization|message-id|received|wichtigkeit|"
    "anlagen|pièces jointes|importancia|datos adjuntos|atodiadau|添付ファイル|重要度",
}
_KIND_OF = {label: kind for kind, labels in _LABELS_BY_KIND.items() for label in labels.split("|")}
_LONGEST_LABEL = max(map(len, _KIND_OF))
_PEOPLE = ("to", "cc", "bcc", "from", "answer", "more")
# Before a label: quote marks, bold marks, bullets, table bars.
_MARKS = " \t>|*_\u00a0\u2022\ufeff\u200b:-"
_MOST_MARKS = 64
# Lotus Notes puts a label on a line of its own, without a colon, and some forms put all labels on one line.
_BARE_SUBJECT = re.compile(r"\n[ \t>]*(?:Subject|Betreff|Thema|Objet|Asunto)(?:\t|[ \t]*\r?\n)")
_BARE_LABEL = re.compile(r"(?<=\n)[ \t>]*([^\W\d_]{1,12})(?:\t|[ \t]*(?=\r?\n))")
# Between two labels of one block, and above the first.
_MOST_LINES_BETWEEN = 8
_MOST_LINES_OF_PEOPLE = 2000
_MOST_LINES_ABOVE = 8
_MOST_LINES_OF_ATTRIBUTION = 3
_LONGEST_LINE_ABOVE = 200
_RULE = re.compile(
    r"-{4,}|_{10,}|={5,}|begin forwarded|forwarded (?:by|message)|original (?:message|appointment)|"
    r"weitergeleitete nachricht|ursprüngliche nachricht|message (?:d'origine|transféré)|mensaje (?:original|reenviado)|"
    r"neges wreiddiol|anfonwyd ymlaen|元のメッセージ|転送",
    re.IGNORECASE,
)
_MOMENT = re.compile(r"\d{1,4}[/.\-]\d{1,2}[/.\-]\d{2,4}|\d{1,2}[:.h]\d\d|年\d{1,2}月|\b(?:19|20)\d\d\b")
# A line that is one address, as Lotus Notes puts it above the labels.
_SOMEBODY = re.compile(r"[ \t>]*(?:[^<>@\n]{0,80}<[^<>\s@]+@[^<>\s@]+>|[^\s@]+@[^\s@]+)[ \t\r]*\n")
# Verbs by language. Where the name comes last, the line ends with an angle bracket.
_WROTE = re.compile(
    r"\b(?:wrote|writes|schrieb|écrit|escribió|ysgrifennodd|schreef|scritto|escreveu|skrev|napisał)\b|書きました|のメール|>\s*\Z"
)
_GOES_ON = (",", ";", "<", "\uff0c", "\u3001")
_FIELD = re.compile(r"[A-Za-z][A-Za-z\-]{1,40}:")
_ENDS_SENTENCE = (".", "!", "?")
_LOOKS_LIKE_PEOPLE = re.compile(r"[@;<]|\w/\w")
_MAYBE_PEOPLE = re.compile(r"[@;,<]|\w/\w")


@dataclass(frozen=True, slots=True)
class Block:
    """A header block."""

    text: str
    author: str
    """Those of its lines that say who wrote that mail."""


def split_quoted(text: str) -> tuple[str, tuple[Block, ...]]:
    """Return the text outside quoted and forwarded header blocks, and these blocks.

    Every line stands in one of them.
    """
    outside, blocks, at = [], [], 0
    for start, end, group in _blocks(text):
        outside.append(text[at:start])
        lines = (text[label.start : label.end] for label in group if label.kind in _AUTHOR)
        blocks.append(Block(text[start:end], "\n".join((text[start : group[0].start], *lines))))
        at = end
    return "\n".join((*outside, text[at:])) if outside else text, tuple(blocks)


@dataclass(frozen=True, slots=True)
class _Label:
    """What the label of a line says, and where the line begins and ends."""

    start: int
    end: int
    kind: str


_ATTRIBUTION = "attribution"
_AUTHOR = ("from", _ATTRIBUTION)


def _blocks(text: str) -> Iterator[tuple[int, int, list[_Label]]]:
    """Yield where blocks begin and end, in order, each made of whole lines, and their labels."""
    done = 0
    for group in _groups(text):
        if group[-1].end > done:
            start = max(done, group[0].start)
            if group[0].kind != _ATTRIBUTION:
                start = _begin_above(text, start, done)
            end = _end_of_last(text, group[-1])
            yield start, end, group
            done = end


def _groups(text: str) -> Iterator[list[_Label]]:
    """Yield the labels of each block."""
    group: list[_Label] = []
    for label in _labels(text):
        if group and not _belongs(text, group, label):
            if _is_block(group):
                yield group
            group = []
        group.append(label)
    if _is_block(group):
        yield group


def _is_block(group: list[_Label]) -> bool:
    kinds = {label.kind for label in group}
    return len(kinds) > 1 or _ATTRIBUTION in kinds


def _labels(text: str) -> Iterator[_Label]:
    """Yield the lines that begin with a label, and those of attribution, in order."""
    if "\uff1a" in text:
        text = text.replace("\uff1a", ":")
    if _BARE_SUBJECT.search(text):
        yield from sorted((*_with_colon(text), *_bare(text)), key=lambda label: label.start)
    else:
        yield from _with_colon(text)


def _with_colon(text: str) -> Iterator[_Label]:
    # Where the line of the colon begins and ends is never looked for twice: it may be the whole text.
    start = end = 0
    at = text.find(":")
    while at >= 0:
        if at >= end:
            start, end = max(end, text.rfind("\n", end, at) + 1), _line_end(text, at)
        if text[at - 1 : at] == ":":
            at = text.find(":", at + 1)
            continue
        name = text[max(start, at - _LONGEST_LABEL - _MOST_MARKS) : at]
        if len(name) > _LONGEST_LABEL:
            name = name.rpartition("  ")[2].rpartition("\t")[2]
        if kind := _KIND_OF.get(name.strip(_MARKS).lower()):
            yield _Label(start, end, kind)
        elif text[at + 1 : at + 2] in ("", "\n", "\r") and (label := _attribution(text, at)):
            yield label
        at = text.find(":", at + 1)


def _bare(text: str) -> Iterator[_Label]:
    for match in _BARE_LABEL.finditer(text):
        if kind := _KIND_OF.get(match[1].lower()):
            yield _Label(match.start(), _line_end(text, match.end()), kind)


def _attribution(text: str, at: int) -> _Label | None:
    """Return the lines that say who wrote when, if the colon ends such lines."""
    start = at
    for _ in range(_MOST_LINES_OF_ATTRIBUTION):
        start = text.rfind("\n", max(0, start - 1 - _LONGEST_LINE_ABOVE), max(0, start - 1)) + 1
        lines = text[start:at]
        if _MOMENT.search(lines):
            return _Label(start, _line_end(text, at), _ATTRIBUTION) if _WROTE.search(lines) else None
        if not start:
            break
    return None


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end + 1


def _belongs(text: str, group: list[_Label], label: _Label) -> bool:
    """Whether a label continues the block that the group has begun."""
    last = group[-1]
    if _ATTRIBUTION in (last.kind, label.kind):
        return False
    is_of_people = last.kind in _PEOPLE
    most = _MOST_LINES_OF_PEOPLE if is_of_people else _MOST_LINES_BETWEEN
    lines = [line.strip(_MARKS + "\r") for line in text[last.end : label.start].split("\n", most + 1)]
    # One empty piece stands behind the last line end.
    blank = lines.count("") - 1
    others = sum(
        1 for line in lines if line and not ((is_of_people and _may_be_people(line, blank)) or _FIELD.match(line))
    )
    if len(lines) > most + 1 or blank + others > _MOST_LINES_BETWEEN:
        return False
    is_interrupted = blank > 0 and others > 0
    return not is_interrupted and (not blank + others or all(one.kind != label.kind for one in group))


def _may_be_people(line: str, blank: int) -> bool:
    """Whether a line may continue a list of people; behind a blank line, a sentence does not."""
    return _MAYBE_PEOPLE.search(line) is not None and not (blank > 0 and line.endswith(_ENDS_SENTENCE))


def _end_of_last(text: str, last: _Label) -> int:
    """Return where the value of the last label ends: with it come the lines that continue a list of people."""
    end = last.end
    if last.kind not in _PEOPLE:
        return end
    value = text[last.start : end].rstrip()
    while end < len(text):
        following_end = _line_end(text, end)
        following = text[end:following_end].strip(_MARKS + "\r\n")
        if not value.endswith(_GOES_ON) and not (following and _LOOKS_LIKE_PEOPLE.search(following)):
            break
        value = following or value
        end = following_end
    return end


def _begin_above(text: str, start: int, done: int) -> int:
    """Return where the block begins: a line above the labels may say who wrote when, or that something is forwarded."""
    begin = at = start
    for _ in range(_MOST_LINES_ABOVE):
        above = max(done, text.rfind("\n", max(done, at - 1 - _LONGEST_LINE_ABOVE), max(done, at - 1)) + 1)
        line = text[above:at]
        if at <= done or len(line) >= _LONGEST_LINE_ABOVE:
            break
        if _RULE.search(line) or _MOMENT.search(line) or (at == start and _SOMEBODY.fullmatch(line)):
            begin = above
        at = above
    return begin
