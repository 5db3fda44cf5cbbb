"""Looking into a body: whatever octets a message is made of, nothing is raised, and a sound part beside it is seen."""

from __future__ import annotations

from tests.fuzz.driver import atheris, run

with atheris.instrument_imports(include=["bcc_relay"]):
    from bcc_relay.core.address import known
    from bcc_relay.core.contents.budget import Budget, Limits
    from bcc_relay.core.contents.look import look, look_at
    from bcc_relay.core.header import split_message
    from bcc_relay.readers.wire import Answer, Sifter

from tests.fuzz.seeds import WORDS, messages

ANNA = "anna@family-mail.example"
NAMES = frozenset({ANNA, "amelia@mail0.example"})
KNOWN = known(NAMES)
FEW = Limits(depth=3, parts=6)
HEAD = b"From: clerk@council.example\r\nContent-Type: multipart/mixed; boundary==_sound\r\n\r\n--=_sound\r\n"
SOUND = b"\r\n--=_sound\r\nContent-Type: text/plain\r\n\r\nWrite to " + ANNA.encode() + b" today.\r\n--=_sound--\r\n"


def look_at_it(octets: bytes) -> None:
    looked = look(split_message(octets), KNOWN, Budget())
    for part in looked.unopened:
        look_at(part, KNOWN, Budget(FEW))
    # What is seen can be told: the worker must not break off over what it found.
    told = Answer()
    for frame in Sifter(NAMES).frames(looked.contents):
        told.take(frame[4:])
    look(split_message(octets), KNOWN, Budget(FEW))
    beside = look(split_message(HEAD + octets + SOUND), KNOWN, Budget())
    assert any(ANNA in keys for _, keys in beside.contents.shown), "a sound part is not seen"


if __name__ == "__main__":
    run(look_at_it, seeds=messages(), words=WORDS)
