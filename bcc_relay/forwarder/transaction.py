"""One mail transaction on one connection, from MAIL to the answer to the final dot, and what became of each recipient.

Which connection, and whether to try again, is left to `upstream`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bcc_relay.core import replies
from bcc_relay.core.model import Deferred, Delivered, InDoubt, Refused, Sent
from bcc_relay.forwarder.commands import commands_for
from bcc_relay.forwarder.data import END, BareOctetError, wire_pieces
from bcc_relay.forwarder.line import LineLostError

if TYPE_CHECKING:
    from bcc_relay.core.model import Dispatch, Outcome, Reply
    from bcc_relay.forwarder.commands import Commands, Offers
    from bcc_relay.forwarder.line import Line
    from bcc_relay.forwarder.options import TimeLimits

RESET_S = 5.0
"""How long a reset may delay an answer that is known already; then the connection is given up instead."""


class Transaction:
    """Carries one dispatch over `line`. Made for one call of `run`.

    Afterwards `line.is_clean` says whether the connection may be used again, and `was_untouched` whether it went away
    before it had answered even MAIL.
    """

    def __init__(
        self, line: Line, offers: Offers, dispatch: Dispatch, limits: TimeLimits, *, all_or_nothing: bool
    ) -> None:
        self._line = line
        self._offers = offers
        self._dispatch = dispatch
        self._limits = limits
        self._all_or_nothing = all_or_nothing
        self._outcomes: list[Outcome | None] = [None] * len(dispatch.envelope.recipients)
        self._unfit: dict[int, Refused] = {}
        self._accepted: list[int] = []
        self._answered = False
        self._dot_written = False
        self._closing: Reply | None = None
        self.was_untouched = False

    async def run(self) -> Sent:
        """Say everything and return what became of it. Raises nothing but cancellation, after a hard abort."""
        commands = commands_for(self._dispatch, self._offers)
        self._unfit = {position: Refused(reply) for position, reply in commands.unfit}
        for position, refused in self._unfit.items():
            self._outcomes[position] = refused
        if commands.rcpts and not (self._all_or_nothing and commands.unfit):
            try:
                await self._talk(commands)
            except LineLostError as lost:
                self._line.abort()
                self._settle_lost(lost)
            except BaseException:
                # Cancelled (or a fault of ours) with the dialog half done: nobody can use this line again.
                self._line.abort()
                raise
        self._settle_unsent()
        outcomes = tuple(outcome for outcome in self._outcomes if outcome is not None)
        return Sent(outcomes, self._closing or _gravest(outcomes))

    async def _talk(self, commands: Commands) -> None:
        pipelined = self._offers.pipelining
        # DATA goes along in the same write (RFC 2920 3.1) unless its sending hangs on more than one RCPT reply.
        with_data = pipelined and (len(commands.rcpts) == 1 or not self._all_or_nothing)
        if pipelined:
            batch = [commands.mail, *(line for _, line in commands.rcpts)]
            if with_data:
                batch.append(b"DATA\r\n")
            self._line.write(b"".join(batch), expect=len(batch))

        is_begun = await self._begin(commands)
        wanted = bool(self._accepted) and not (self._all_or_nothing and len(self._accepted) < len(self._outcomes))
        if with_data or wanted:
            start = await self._answer(None if with_data else b"DATA\r\n", self._limits.data_start_s)
            if start.code == 354:
                await (self._send_data() if wanted else self._send_nothing())
                return
            if wanted:
                self._close(start, _negative(start))
        self._settle_unsent()
        if is_begun:
            await self._reset()

    async def _begin(self, commands: Commands) -> bool:
        """Read the replies to MAIL and each RCPT, saying them first if they were not; whether MAIL was accepted."""
        pipelined = self._offers.pipelining
        mail = await self._answer(None if pipelined else commands.mail, self._limits.mail_s)
        is_begun = mail.code // 100 == 2
        for position, line in commands.rcpts:
            if not is_begun:
                self._outcomes[position] = _negative(mail)
            if pipelined or is_begun:
                reply = await self._answer(None if pipelined else line, self._limits.rcpt_s)
                if is_begun and reply.code // 100 == 2:
                    self._accepted.append(position)
                elif is_begun:
                    self._outcomes[position] = _negative(reply)
        return is_begun

    async def _answer(self, command: bytes | None, limit_s: float) -> Reply:
        """Return the next reply, to `command` or, when it is None, to what was written before."""
        if command is not None:
            self._line.write(command, expect=1)
        reply = await self._line.reply(limit_s)
        self._answered = True
        if reply.code == 421:
            # The server hangs up (RFC 5321 3.8): what it said stands for everyone not decided yet.
            raise LineLostError(reply)
        return reply

    async def _send_data(self) -> None:
        """Send the content and the final dot, and read the answer."""
        line, limits = self._line, self._limits
        waiting = b""
        try:
            for piece in wire_pieces(self._dispatch.message):
                if waiting:
                    line.write(waiting)
                    await line.drain(limits.data_piece_s)
                    if line.has_reply:
                        await self._answered_early()
                        return
                waiting = piece
        except BareOctetError:
            self._close(replies.BAD_LINE_ENDS, Refused(replies.BAD_LINE_ENDS))
            line.abort()
            return
        if line.has_reply:
            await self._answered_early()
            return
        # More said than was called for, or gone: then nothing is written, and the dot least of all.
        line.require_open()
        self._dot_written = True
        line.write(waiting + END)
        reply = await line.reply(limits.data_end_s)
        if reply.code // 100 == 2:
            self._close(reply, Delivered(reply, dsn_offered=self._offers.dsn))
        else:
            self._close(reply, _negative(reply))
        if reply.code == 421:
            line.abort()

    async def _answered_early(self) -> None:
        """The server refused before the final dot. It must never get one, nor anything else on this connection."""
        reply = await self._line.reply(0)
        self._close(reply, _negative(reply))
        self._line.abort()

    async def _send_nothing(self) -> None:
        """Close the data of a transaction without recipients with a lone dot (RFC 2920 3.1)."""
        self._line.write(END)
        await self._line.reply(RESET_S)

    async def _reset(self) -> None:
        """Make the server forget the transaction."""
        self._line.write(b"RSET\r\n", expect=1)
        reply = await self._line.reply(RESET_S)
        if reply.code // 100 != 2:
            raise LineLostError(is_out_of_step=reply.code // 100 == 3)

    def _close(self, reply: Reply, outcome: Outcome) -> None:
        """The transaction ended with `reply`, which decides about everyone who was accepted."""
        self._closing = reply
        for position in self._accepted:
            self._outcomes[position] = outcome

    def _settle_lost(self, lost: LineLostError) -> None:
        """Decide about everyone who is still open when the line was lost."""
        if self._dot_written:
            self._close(replies.NO_ANSWER, InDoubt(replies.NO_ANSWER))
            return
        if lost.is_out_of_step:
            # Who was refused is uncertain then, and a refusal is for good: better to ask again.
            self._outcomes = [self._unfit.get(position) for position in range(len(self._outcomes))]
        self.was_untouched = not self._answered and not lost.is_silent
        reply = lost.reply or (replies.NO_ANSWER if lost.is_silent else replies.CONNECTION_LOST)
        if None in self._outcomes:
            self._closing = reply
            deferred = Deferred(reply, unreachable=not self._answered)
            self._outcomes = [outcome or deferred for outcome in self._outcomes]

    def _settle_unsent(self) -> None:
        """Whoever has no outcome by now was accepted (or never asked), but `all_or_nothing` kept the data back."""
        unsent = Deferred(replies.NOT_SENT)
        self._outcomes = [unsent if outcome is None else outcome for outcome in self._outcomes]


def _negative(reply: Reply) -> Deferred | Refused:
    """Read a reply that is not success. Raises LineLostError for one that cannot stand here: out of step."""
    match reply.code // 100:
        case 4:
            return Deferred(reply)
        case 5:
            return Refused(reply)
        case _:
            raise LineLostError(is_out_of_step=True)


def _gravest(outcomes: tuple[Outcome, ...]) -> Reply:
    """Return the first refusal, else the first reply."""
    ordered = sorted(outcomes, key=lambda outcome: not isinstance(outcome, Refused))
    return ordered[0].reply if ordered else replies.NOT_SENT
