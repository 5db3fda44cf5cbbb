"""`forget`: erase an address from what is remembered and kept; what waits for a decision is named."""

from typing import TYPE_CHECKING

from bcc_relay.cli import records
from bcc_relay.cli.shell import CommandError, Exit, Shell
from bcc_relay.cli.stored import with_store

if TYPE_CHECKING:
    from bcc_relay.relay.ports import Forgotten
    from bcc_relay.store.sql import SqlStore


def forget(shell: Shell, text: str) -> None:
    """Forget the address `text` and say what was erased."""
    from bcc_relay.core.address import parse_mailbox

    address = parse_mailbox(text.strip().encode("utf-8", "surrogateescape"), smtputf8=True)
    if address is None:
        raise CommandError(Exit.USAGE, f"{text!r} is no address; write it as name@domain")
    key = address.key

    async def work(store: "SqlStore") -> "Forgotten":
        return await store.forget(key)

    forgotten = with_store(shell, work)
    document = {
        "address": key,
        "circles": forgotten.circles,
        "messages": forgotten.messages,
        "held": list(forgotten.held),
    }
    shell.answer(document, lambda: _print(forgotten))


def _print(forgotten: "Forgotten") -> None:
    remembered = records.count(forgotten.circles, "remembered circle")
    finished = records.count(forgotten.messages, "finished message")
    if forgotten.circles or forgotten.messages:
        print(f"Erased the address from {remembered}, and {finished}.")
    else:
        print("Nothing remembered and no finished message had this address.")
    if forgotten.held:
        print("Held messages with this address are kept until someone decides; then give this command again:")
        for message_id in forgotten.held:
            print(f"  bcc-relay quarantine show {message_id}")
