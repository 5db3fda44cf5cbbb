"""Every SMTP answer that the relay gives in its own words (product contract, "Answers and delivery").

Texts are one line of plain words for staff: no rule, path, setting or exception text, and no URL at the end.
"""

from __future__ import annotations

from bcc_relay.core.model import Reply

MAX_SENTENCE_CHARS = 200
OK_CODE = 250

TOO_MANY_RECIPIENTS = Reply(452, "4.5.3 Too many recipients in one message, please send to the rest separately")
TOO_LARGE = Reply(552, "5.3.4 The message is larger than this server accepts")
HEADER_TOO_LARGE = Reply(552, "5.3.4 The header of the message is larger than this server accepts")
LOGIN_NEEDED = Reply(530, "5.7.0 Please log in first")
FOREIGN_NETWORK = Reply(550, "5.7.1 This server does not accept mail from your network")
BAD_ADDRESS = Reply(553, "5.1.3 This address is not valid")
NOT_YOUR_ADDRESS = Reply(553, "5.7.1 Your login may not send as this address")
BAD_LINE_ENDS = Reply(550, "5.6.0 The message holds a bare carriage return or a NUL character")
DISK_FULL = Reply(452, "4.3.1 No room to keep the message, please try again later")
UPSTREAM_DOWN = Reply(451, "4.4.1 The next mail server cannot be reached, please try again later")
NO_ANSWER = Reply(451, "4.4.2 The next mail server has not answered, please try again later")
CONNECTION_LOST = Reply(451, "4.4.2 The connection to the next mail server was lost, please try again later")
UPSTREAM_BUSY = Reply(451, "4.4.5 The way to the next mail server is busy, please try again later")
NOT_SENT = Reply(451, "4.5.0 Not sent to this recipient, because another one was not accepted")
NO_8BITMIME = Reply(554, "5.6.3 The next mail server does not take 8-bit content")
NO_SMTPUTF8 = Reply(553, "5.6.7 The next mail server does not take internationalised addresses")
LOOP = Reply(554, "5.4.6 This message is going round in circles")
SHUTTING_DOWN = Reply(421, "4.3.2 Shutting down, please try again in a moment")

# The dialog itself (RFC 5321 4.2, enhanced codes RFC 3463).
BYE = Reply(221, "2.0.0 Goodbye")
READY_FOR_TLS = Reply(220, "2.0.0 Ready to start TLS")
LOGGED_IN = Reply(235, "2.7.0 Logged in")
DONE = Reply(250, "2.0.0 OK")
SENDER_OK = Reply(250, "2.1.0 Sender OK")
RECIPIENT_OK = Reply(250, "2.1.5 Recipient OK")
NOT_VERIFIED = Reply(252, "2.0.0 Addresses are not looked up here, send the message and see")
HELP = Reply(214, "2.0.0 This server speaks SMTP as in RFC 5321")
START_DATA = Reply(354, "End the message with a line that holds a dot alone")
TIMED_OUT = Reply(421, "4.4.2 Waited too long, closing the connection")
TOO_MANY_CONNECTIONS = Reply(421, "4.7.0 Too many connections, please try again later")
TOO_MANY_ERRORS = Reply(421, "4.7.0 Too many errors, closing the connection")
TOO_MANY_FAILED_LOGINS = Reply(421, "4.7.0 Too many failed logins, please try again later")
ACCOUNT_PAUSED = Reply(454, "4.7.0 Too many failed logins for this account, please try again later")
LOGIN_UNAVAILABLE = Reply(454, "4.7.0 Logins cannot be checked at the moment, please try again later")
BAD_LINE = Reply(500, "5.5.2 A command must end with CR LF and hold no other control character")
LINE_TOO_LONG = Reply(500, "5.5.2 The command line is too long")
UNKNOWN_COMMAND = Reply(500, "5.5.1 This command is not known here")
NAME_MISSING = Reply(501, "5.5.4 The name of the client is missing")
BAD_SYNTAX = Reply(501, "5.5.4 The command is not written correctly")
BAD_PARAMETER = Reply(501, "5.5.4 A parameter is not written correctly")
BAD_BASE64 = Reply(501, "5.5.2 The credentials cannot be decoded")
LOGIN_CANCELLED = Reply(501, "5.7.0 Login cancelled")
NOT_OFFERED = Reply(502, "5.5.1 This command is not offered here")
NOT_SMTP = Reply(502, "5.5.1 This is a mail server, closing the connection")
GREETING_MISSING = Reply(503, "5.5.1 Please send EHLO or HELO first")
SENDER_MISSING = Reply(503, "5.5.1 Please send MAIL first")
RECIPIENT_MISSING = Reply(503, "5.5.1 Please send RCPT with a valid address first")
WRONG_MOMENT = Reply(503, "5.5.1 This command is not possible now")
UNKNOWN_MECHANISM = Reply(504, "5.5.4 This way to log in is not known here")
TLS_NEEDED = Reply(530, "5.7.0 Please start TLS and log in first")
LOGIN_FAILED = Reply(535, "5.7.8 The user name or the password is wrong")
TLS_NEEDED_FOR_LOGIN = Reply(538, "5.7.11 Please start TLS before logging in")
ADDRESS_NEEDS_SMTPUTF8 = Reply(553, "5.6.7 This address needs the SMTPUTF8 parameter")
UNKNOWN_PARAMETER = Reply(555, "5.5.4 A parameter is not known here")


def queued(message_id: str) -> Reply:
    """Say that the message is stored durably and will be delivered."""
    return Reply(250, f"2.0.0 Queued as {message_id}")


def held(message_id: str) -> Reply:
    """Say that the message is stored durably and waits for a decision."""
    return Reply(250, f"2.0.0 Held for review as {message_id}, not delivered yet")


def is_held_elsewhere(reply: Reply, message_id: str) -> bool:
    """Whether this says that another held item has taken the message's recipients in."""
    text = held(message_id).text
    return reply.text != text and reply.text.startswith(text.partition(message_id)[0])


def internal(reference: str) -> Reply:
    """Say that something of ours failed; `reference` finds the log line."""
    return Reply(451, f"4.3.0 Something went wrong here, please try again later (reference {reference})")


def refused_by_rule(sentence: str) -> Reply:
    """Refuse with the rule's sentence, cut to what mail clients show."""
    words = " ".join(sentence.split())
    if len(words) > MAX_SENTENCE_CHARS:
        words = words[: MAX_SENTENCE_CHARS - 3].rstrip() + "..."
    return Reply(550, f"5.7.1 {words}")


def recipient_refused(address: str, reply: Reply) -> Reply:
    """Pass on an upstream's refusal of one recipient with the address named (`partial_refusal: refuse_all`)."""
    text = reply.text.replace("\n", " ")
    return reply if address in text else Reply(reply.code, f"{text} (recipient {address})")


# What a delivery report says when the relay itself gave up; no client hears these.
CONTENT_GONE = Reply(554, "5.3.0 The content of the message was erased before it could be delivered")
NOT_REWRITABLE = Reply(554, "5.6.0 The message could not be changed safely, so it was not sent")
