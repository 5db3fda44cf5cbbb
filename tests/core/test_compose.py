from email import message_from_bytes, policy

from hypothesis import given
from hypothesis import strategies as st

from bcc_relay.core.compose import clean, field, machine_field, mailbox_field, message_id_field, text_part

ANY_TEXT = st.text(st.characters(), max_size=600) | st.text("ab @=?\r\n\0\x0b\x85\u2028:;,<>\"'", max_size=200)


def parse(octets: bytes):
    return message_from_bytes(octets, policy=policy.default)


def only_one_field(octets: bytes, name: str) -> None:
    """One field, folded with white space, no line too long for SMTP, no bare CR or LF, no NUL."""
    assert octets.endswith(b"\r\n")
    first, *others = octets[:-2].split(b"\r\n")
    assert first.startswith(name.encode() + b":")
    assert all(line[:1] == b" " and line.strip() for line in others)
    assert all(len(line) <= 998 for line in (first, *others))
    assert not any(octet in line for line in (first, *others) for octet in (b"\r", b"\n", b"\0"))


@given(ANY_TEXT)
def test_no_subject_can_add_a_field_and_all_is_ascii(text):
    octets = field("Subject", text)
    only_one_field(octets, "Subject")
    assert octets.isascii()


@given(ANY_TEXT)
def test_a_subject_reads_back_as_its_cleaned_text(text):
    assert parse(field("Subject", text) + b"\r\n")["Subject"] == clean(text)


@given(ANY_TEXT)
def test_no_answer_of_a_stranger_can_add_a_field_for_machines(text):
    octets = machine_field("Diagnostic-Code", f"smtp; {text}")
    only_one_field(octets, "Diagnostic-Code")
    assert octets.isascii()


@given(ANY_TEXT, ANY_TEXT)
def test_no_mailbox_can_add_a_field(address, display):
    only_one_field(mailbox_field("To", f"a{address}", display), "To")


@given(ANY_TEXT)
def test_an_identifier_that_is_not_one_is_left_out(text):
    octets = message_id_field("References", text)
    assert octets == b"" or octets == f"References: {text}\r\n".encode()


def test_a_valid_identifier_is_written_as_it_is():
    assert message_id_field("In-Reply-To", "<a.b@council.example>") == b"In-Reply-To: <a.b@council.example>\r\n"
    assert message_id_field("In-Reply-To", None) == b""


def test_marks_that_turn_the_reading_direction_do_not_survive():
    assert clean("pay\u202etxt.exe\u2066 now\u200b") == "pay txt.exe now"


def test_long_text_is_cut_where_asked():
    assert clean("a" * 100, 10) == "aaaaaaa..."
    assert clean("short", 10) == "short"


def test_text_that_only_looks_encoded_is_not_decoded_by_the_reader():
    text = "=?utf-8?q?a=0d=0aBcc:_x@other.example?="
    assert parse(field("Subject", text) + b"\r\n")["Subject"] == text


def test_a_display_name_with_quotes_stays_one_mailbox():
    header = parse(mailbox_field("From", "postmaster@council.example", 'The "mail", relay\\') + b"\r\n")["From"]
    assert [(m.display_name, m.addr_spec) for m in header.addresses] == [
        ("The mail, relay", "postmaster@council.example")
    ]


def test_a_display_name_beyond_ascii_reads_back():
    header = parse(mailbox_field("From", "postmaster@council.example", "Poststelle Köln") + b"\r\n")["From"]
    assert header.addresses[0].display_name == "Poststelle Köln"


@given(ANY_TEXT)
def test_any_text_reads_back_and_is_7_bit(text):
    text = "".join(c for c in text if c not in "\r\0" and not 0xD800 <= ord(c) < 0xE000)
    part = text_part(text)
    octets = b"MIME-Version: 1.0\r\n" + part.fields + b"\r\n" + part.body
    assert octets.isascii()
    assert all(len(line) <= 998 for line in octets.split(b"\r\n"))
    decoded = parse(octets).get_payload(decode=True).decode("utf-8").replace("\r\n", "\n")
    assert decoded == text.rstrip("\n") + "\n"


def test_plain_text_is_not_encoded():
    part = text_part("Hello\nthere\n")
    assert part.body == b"Hello\r\nthere\r\n"
    assert b"us-ascii" in part.fields
