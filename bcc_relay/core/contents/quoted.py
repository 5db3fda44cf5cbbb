"""Header blocks that people quote and forward: where in a text they stand.

A block is told by labels ("From:", "Gesendet:") of at least two kinds near each other, in the language and layout of
whichever mail program wrote it. What is found decides only as what an address counts; no text is lost.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# In English, German, French, Spanish, Welsh and Japanese; then in Dutch, Italian and Portuguese.
_LABELS_BY_KIND = {
    "from": "from|von|de|oddi wrth|差出人|送信者|van|da|enviado por|sent by|forwarded by|resent-from",
    "date": "sent|date|date sent|sent on|gesendet|datum|envoyé|envoyé le|date d'envoi|enviado|enviado el|fecha|"
    "anfonwyd|dyddiad|送信日時|日時|送信済み|日付|verzonden|inviato|data|enviada em|enviado em",
    "to": "to|resent-to|an|à|a|destinataire|destinataires|para|at|宛先|aan|per",
    "cc": "cc|ccs|copy|copy to|kopie|copie|copie à|con copia|copia|copi|写し",
    "bcc": "bcc|blindkopie|cci|cco|ccn",
    "subject": "subject|subj|re|betreff|objet|asunto|pwnc|件名|onderwerp|oggetto|assunto",
    "answer": "reply-to|reply to|please respond to|please reply to|antwort an|répondre à|responder a|ateb i|返信先",
    "more": "importance|priority|sensitivity|attachment|attachments|organization|message-id|received|wichtigkeit|"
    "anlagen|pièces jointes|importancia|datos adjuntos|atodiadau|添付ファイル|重要度",
}
_KIND_OF = {label: kind for kind, labels in _LABELS_BY_KIND.items() for label in labels.split("|")}
_LONGEST_LABEL = max(map(len, _KIND_OF))
_PEOPLE = ("to", "cc", "bcc", "from", "answer", "more")
# Before a label: quote marks, bold marks, bullets, table bars.
_MARKS = " \t>|*_\u00a0\u2022\ufeff\u200b:-"
_COLONS = ":\uff1a"
# Between two labels of one block.
_MOST_LINES_BETWEEN = 8
_MOST_LINES_OF_PEOPLE = 2000
_MOST_LINES_ABOVE = 8
_RULE = re.compile(
    r"-{2,}|_{10,}|={5,}|begin forwarded|forwarded (?:by|message)|original (?:message|appointment)|"
    r"weitergeleitete nachricht|ursprüngliche nachricht|message (?:d'origine|transféré)|mensaje (?:original|reenviado)|"
    r"neges wreiddiol|anfonwyd ymlaen|元のメッセージ|転送",
    re.IGNORECASE,
)
_MOMENT = re.compile(r"\d{1,4}[/.\-]\d{1,2}[/.\-]\d{2,4}|\d{1,2}:\d\d|年\d{1,2}月|\b(?:19|20)\d\d\b")
_WROTE = re.compile(
    r"(?:wrote|writes|schrieb[^:\n]{0,200}|écrit|escribió|ysgrifennodd[^:\n]{0,200}|書きました|のメール|schreef[^:\n]{0,200}|"
    r"scritto|escreveu)[ \t\u00a0>*_]*\Z",
    re.IGNORECASE,
)
_MOST_LINES_OF_ATTRIBUTION = 3
_GOES_ON = (",", ";", "<", "\uff0c", "\u3001")
_LOOKS_LIKE_PEOPLE = re.compile(r"[@;,<]|/[A-Za-z]")


def split_quoted(text: str) -> tuple[str, str]:
    """Return the text outside quoted and forwarded header blocks, and the text of these blocks.

    Every line stands in one of the two.
    """
    spans = list(_blocks(text))
    if not spans:
        return text, ""
    outside, inside, at = [], [], 0
    for start, end in spans:
        outside.append(text[at:start])
        inside.append(text[start:end])
        at = end
    outside.append(text[at:])
    return "\n".join(outside), "\n".join(inside)


class _Line:
    """One line of the text, and what its label says."""

    __slots__ = ("end", "kind", "start")

    def __init__(self, start: int, end: int, kind: str) -> None:
        self.start, self.end, self.kind = start, end, kind


def _blocks(text: str) -> Iterator[tuple[int, int]]:
    """Yield where blocks begin and end, in order, each made of whole lines."""
    done = 0
    for group in _groups(text):
        start, end = group[0].start, _end_of_last(text, group[-1])
        start = _begin_above(text, start, done) if group[0].kind != "wrote" else start
        if start >= done:
            yield start, end
            done = end
        elif end > done:
            yield done, end
            done = end


def _groups(text: str) -> Iterator[list[_Line]]:
    group: list[_Line] = []
    for line in _labelled(text):
        if line.kind == "wrote":
            if len({one.kind for one in group}) > 1:
                yield group
            group = []
            yield [line]
            continue
        if group and not _is_near(text, group[-1], line):
            if len({one.kind for one in group}) > 1:
                yield group
            group = []
        group.append(line)
    if len({one.kind for one in group}) > 1:
        yield group


def _labelled(text: str) -> Iterator[_Line]:
    """Yield the lines that begin with a label, and those of attribution."""
    if "\uff1a" in text:
        text = text.replace("\uff1a", ":")
    at = text.find(":")
    while at >= 0:
        before = text[max(0, at - _LONGEST_LABEL - 24) : at]
        cut = before.rfind("\n")
        start = at - len(before) + cut + 1
        if cut >= 0 or start == 0:
            kind = _KIND_OF.get(before[cut + 1 :].strip(_MARKS).lower())
            if kind:
                end = _line_end(text, at)
                yield _Line(start, end, kind)
                at = end - 1
        at = text.find(":", at + 1)


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end + 1


def _is_near(text: str, first: _Line, second: _Line) -> bool:
    between = text[first.end : second.start]
    if not between:
        return True
    most = _MOST_LINES_OF_PEOPLE if first.kind in _PEOPLE else _MOST_LINES_BETWEEN
    lines = between.split("\n", most + 1)
    if len(lines) > most + 1:
        return False
    blank = sum(1 for line in lines if not line.strip(_MARKS + "\r"))
    others = sum(1 for line in lines if not _LOOKS_LIKE_PEOPLE.search(line)) - blank
    return blank + others <= _MOST_LINES_BETWEEN


def _end_of_last(text: str, last: _Line) -> int:
    """Return where the value of the last label ends: with it come the lines that continue a list of people."""
    end = last.end
    if last.kind not in _PEOPLE:
        return end
    value = text[last.start : end].rstrip()
    while end < len(text):
        following_end = _line_end(text, end)
        following = text[end:following_end].strip(_MARKS + "\r\n")
        if following and not (value.endswith(_GOES_ON) or _LOOKS_LIKE_PEOPLE.search(following)):
            break
        if not following and not value.endswith(_GOES_ON):
            break
        value = following or value
        end = following_end
    return end


def _begin_above(text: str, start: int, done: int) -> int:
    """Return where the block begins: a line above the labels may say who wrote when, or that something is forwarded."""
    begin, at = start, start
    for _ in range(_MOST_LINES_ABOVE):
        if at <= done:
            break
        above = max(done, text.rfind("\n", done, at - 1) + 1)
        line = text[above:at]
        if _RULE.search(line) or _MOMENT.search(line):
            begin = above
        elif line.strip(_MARKS + "\r\n") and len(line) > 200:
            break
        at = above
    return begin
