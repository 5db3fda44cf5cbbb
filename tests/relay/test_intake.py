"""What becomes of a submission: passed, rewritten, held or refused, and who is told."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bcc_relay.core import replies
from bcc_relay.core.actions.leave import dispatches, prepare
from bcc_relay.core.errors import NotRewritableError, StoreError, StoreFullError
from bcc_relay.core.events import Decided, Failed, Moved, SmtpRefused, StageTimed
from bcc_relay.core.model import Form, OutcomeName, Reply
from bcc_relay.core.policy.rule import Action, Policy, Rule, When
from bcc_relay.core.record import State
from tests import build
from tests.fakes_upstream import LATER, OK, all_are, deferred, delivered, refused, unreachable
from tests.relay.house import (
    CLERK,
    DPO,
    FAMILIES,
    FIRMS,
    LEAVING,
    MONITOR,
    OPTIONS,
    QUEUE,
    TEMPFAIL,
    House,
    again,
    house,
    plain,
    to_families,
    to_firms,
)

REJECTING = Policy(rules=(Rule("no-lists", When(), Action.REJECT, sentence="Please use the newsletter."),))
INDIVIDUALLY = Policy(rules=(Rule("clinic", When(), Action.REWRITE, rewrite=Form.INDIVIDUAL),))


# --- live ------------------------------------------------------------------------------------------------------------


async def test_a_passed_message_is_answered_with_the_upstreams_own_words_and_not_stored() -> None:
    async with house() as home:
        assert await home.take(plain()) == OK
        assert home.upstream.last.endswith(b"\r\n\r\nHello\r\n")
        assert b"To: ann@mail0.example\r\n" in home.upstream.last
        assert home.records() == []
        assert home.letters == []


async def test_a_rewritten_message_leaves_without_the_addresses_and_its_sender_is_told() -> None:
    async with house() as home:
        assert await home.take(to_families()) == OK
        assert len(home.upstream.dispatches) == 1
        assert home.upstream.copies == dict.fromkeys(FAMILIES, 1)
        assert b"family" not in home.upstream.last
        assert home.records() == []
        (letter,) = home.letters
        assert (letter.to, letter.kind, letter.sender) == (CLERK, "Sent with the addresses hidden", b"")


async def test_a_held_message_goes_nowhere_and_sender_and_reviewer_are_told() -> None:
    async with house() as home:
        assert await home.take(to_firms()) == replies.held("m1")
        assert home.upstream.dispatches == []
        (record,) = home.records(State.HELD)
        assert record.judgement.rule == "large-circle"
        assert record.expires_at == build.NOW + OPTIONS.expire_after
        assert [(letter.to, letter.kind) for letter in home.letters] == [
            (CLERK, "Held for review"),
            (DPO, "Please decide"),
        ]


async def test_the_answer_to_a_notice_reaches_the_reviewer() -> None:
    async with house() as home:
        await home.take(to_firms())
        sender, reviewer = home.letters
        assert f"\r\nReply-To: {DPO}\r\n" in sender.text
        assert "\r\nReply-To:" not in reviewer.text


async def test_a_refused_message_hears_the_rules_sentence_and_is_not_stored() -> None:
    async with house(replace(OPTIONS, policy=REJECTING)) as home:
        assert await home.take(plain()) == Reply(550, "5.7.1 Please use the newsletter.")
        assert home.upstream.dispatches == []
        assert home.records() == []
        assert home.letters == []
        assert [event.reason for event in home.of(SmtpRefused)] == ["policy"]


# --- stored first ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("submission", [plain(), to_families()], ids=["passed", "rewritten"])
async def test_with_first_attempt_queue_a_message_is_stored_before_anything_is_sent(submission: object) -> None:
    async with house(QUEUE) as home:
        assert await home.take(submission) == replies.queued("m1")
        assert home.upstream.dispatches == []
        (record,) = home.records(State.QUEUED)
        assert record.next_attempt_at == build.NOW
        await home.deliver()
        assert home.records(State.DELIVERED) != []


async def test_a_queued_rewrite_and_its_notice_are_stored_at_once() -> None:
    async with house(QUEUE) as home:
        await home.take(to_families())
        assert [letter.kind for letter in home.letters] == ["Sent with the addresses hidden"]


@pytest.mark.parametrize(
    ("options", "transactions", "people"),
    [
        (replace(OPTIONS, leaving=replace(LEAVING, recipients_per_transaction=5)), 3, 5),
        (replace(OPTIONS, policy=INDIVIDUALLY), 12, 1),
    ],
    ids=["more recipients than a transaction takes", "individual"],
)
async def test_what_needs_several_transactions_is_stored_first(options: object, transactions: int, people: int) -> None:
    async with house(options) as home:
        assert await home.take(to_families()) == replies.queued("m1")
        assert home.upstream.dispatches == []
        await home.deliver()
        mail = [dispatch for dispatch in home.upstream.dispatches if dispatch.message_id == "m1"]
        assert len(mail) == transactions
        assert max(len(dispatch.envelope.recipients) for dispatch in mail) == people
        assert home.upstream.copies.pop(CLERK) == 1
        assert home.upstream.copies == dict.fromkeys(FAMILIES, 1)


async def test_an_individual_message_to_one_person_goes_live() -> None:
    async with house(replace(OPTIONS, policy=INDIVIDUALLY)) as home:
        assert await home.take(plain()) == OK


@pytest.mark.parametrize("submission", [to_firms(), plain()], ids=["held", "refused"])
async def test_with_first_attempt_queue_holding_and_refusing_are_the_same(submission: object) -> None:
    policy = Policy() if len(submission.envelope.recipients) > 1 else REJECTING
    async with house(replace(QUEUE, policy=policy)) as home:
        reply = await home.take(submission)
        assert str(reply)[:3] == ("250" if policy == Policy() else "550")
        assert home.records(State.QUEUED) == []
        assert home.upstream.dispatches == []


# --- monitor mode ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize("policy", [Policy(), REJECTING], ids=["hold", "reject"])
async def test_monitor_mode_passes_what_it_would_have_stopped_and_notifies_nobody(live: bool, policy: Policy) -> None:
    async with house(replace(MONITOR, live=live, policy=replace(policy, monitor=True))) as home:
        submission = to_firms(*FIRMS[:15])
        reply = await home.take(submission)
        assert reply.code == 250
        await home.deliver()
        assert b", ".join(firm.encode() for firm in FIRMS) in home.upstream.last
        assert home.letters == []
        assert home.records(State.HELD) == []
        (decided,) = home.of(Decided)
        assert decided.verdict == ("reject" if policy.rules else "hold")
        assert not decided.enforced
        assert decided.protected == 0


async def test_monitor_mode_passes_what_it_would_have_rewritten_and_notifies_nobody() -> None:
    async with house(MONITOR) as home:
        assert await home.take(to_families()) == OK
        assert b"family0@mail0.example" in home.upstream.last
        assert home.letters == []
        assert home.of(Decided)[0].verdict == "rewrite"


async def test_a_reload_in_the_middle_does_not_send_by_one_policy_what_was_judged_by_another() -> None:
    """A header so large that it is judged in a thread leaves time for a reload."""
    many = build.families(3000)
    async with house(replace(MONITOR, leaving=replace(LEAVING, recipients_per_transaction=5000))) as home:
        taking = asyncio.create_task(home.take(build.submission(*many)))  # noqa: TID251
        await asyncio.sleep(0)
        home.current.options = OPTIONS
        assert await taking == OK
        assert home.of(Decided)[0].enforced is False
        assert home.letters == []


# --- refusals before policy ------------------------------------------------------------------------------------------


async def test_fifty_received_fields_are_a_loop() -> None:
    for fields, reply in ((49, OK), (50, replies.LOOP)):
        raw = build.message(build.header("ann@mail0.example", more=b"Received: from a by b; x\r\n" * fields))
        async with house() as home:
            assert await home.take(plain(raw=raw)) == reply
            assert len(home.upstream.dispatches) == (reply is OK)
            assert [event.reason for event in home.of(SmtpRefused)] == ["loop"] * (reply is not OK)


@pytest.mark.parametrize("submission", [plain(), to_families()], ids=["passed", "rewritten"])
async def test_the_relays_own_mark_for_the_same_envelope_is_a_loop(submission: object) -> None:
    async with house() as home:
        await home.take(submission)
        came_back = home.upstream.dispatches[0]
        returned = build.submission(*FAMILIES, id="m2", raw=came_back.message)
        returned = replace(returned, envelope=came_back.envelope)
        assert await home.take(returned) == replies.LOOP
        other = replace(build.submission("zoe@mail0.example", id="m3", raw=came_back.message))
        assert await home.take(other) == OK


async def test_an_author_who_is_not_the_logins_own_is_refused() -> None:
    login = {"user": "clerk", "user_addresses": (CLERK, "office@council.example")}
    foreign = build.message(build.header("ann@mail0.example", sender="mayor@council.example"))
    async with house() as home:
        assert await home.take(plain(**login)) == OK
        assert await home.take(plain(**login, raw=foreign, id="m2")) == replies.NOT_YOUR_ADDRESS
        assert await home.take(plain(raw=foreign, id="m3")) == OK  # a gateway speaks for everybody
        assert [event.reason for event in home.of(SmtpRefused)] == ["sender_not_allowed"]
        assert len(home.upstream.dispatches) == 2


# --- what goes wrong -------------------------------------------------------------------------------------------------


async def test_a_message_that_cannot_be_judged_is_held_and_never_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: object, **__: object) -> None:
        raise RecursionError("too deep")

    monkeypatch.setattr("bcc_relay.relay.judging.conclude", breaks)
    async with house() as home:
        assert await home.take(plain()) == replies.held("m1")
        assert home.upstream.dispatches == []
        assert [letter.to for letter in home.letters] == [CLERK, DPO]
        assert [(event.verdict, event.rule) for event in home.of(Decided)] == [("hold", "could-not-decide")]
        assert [event.where for event in home.of(Failed)] == ["intake.judge"]


@pytest.mark.parametrize(
    ("error", "code", "text"), [(StoreError("gone"), 451, "4.3.0"), (StoreFullError("full"), 452, "4.3.1")]
)
@pytest.mark.parametrize("submission", [to_firms(), to_families()], ids=["held", "queued"])
async def test_what_cannot_be_stored_is_neither_sent_nor_acknowledged(
    submission: object, error: StoreError, code: int, text: str
) -> None:
    async with house(QUEUE) as home:
        home.store.failing = error
        reply = await home.take(submission)
        assert (reply.code, reply.text[:5]) == (code, text)
        assert "gone" not in reply.text
        assert home.upstream.dispatches == []
        assert [event.reason for event in home.of(SmtpRefused)] == ["store"]
        home.store.failing = None
        assert home.records() == []


async def test_a_rewrite_that_fails_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    def leaks(*_: object, **__: object) -> None:
        raise NotRewritableError("Addresses would stay visible.")

    monkeypatch.setattr("bcc_relay.core.actions.leave.verify", leaks)
    async with house() as home:
        assert await home.take(to_families()) == replies.held("m1")
        assert home.upstream.dispatches == []
        (record,) = home.records(State.HELD)
        assert record.judgement.rule == "families"
        assert "Addresses would stay visible." in record.judgement.sentence


async def test_an_error_nobody_foresaw_is_temporary_and_says_nothing_of_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: object, **__: object) -> None:
        raise ValueError("/etc/secret")

    monkeypatch.setattr("bcc_relay.relay.intake.dispatches", breaks)
    async with house() as home:
        reply = await home.take(plain())
        assert (reply.code, "secret" in reply.text) == (451, False)
        assert home.of(Failed)[0].reference in reply.text
        assert [event.reason for event in home.of(SmtpRefused)] == ["internal"]


# --- notices ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "more", "told"),
    [
        ({"sender": None}, b"", []),
        ({}, b"Auto-Submitted: auto-replied\r\n", []),
        ({}, b"List-Id: <families.council.example>\r\n", []),
        ({"sender": "someone@firm1.example"}, b"", []),
        ({}, b"", [CLERK]),
        ({"user": "pat", "user_addresses": ("pat@council.example", CLERK)}, b"", ["pat@council.example"]),
        ({"user": "pat", "user_addresses": ("not an address", CLERK)}, b"", [CLERK]),
    ],
    ids=["null sender", "automatic", "list", "stranger", "own sender", "login", "unusable registered address"],
)
async def test_who_is_told_about_a_held_message(fields: dict[str, object], more: bytes, told: list[str]) -> None:
    async with house() as home:
        assert (await home.take(to_firms(more=more, **fields))).code == 250
        assert [letter.to for letter in home.letters] == [*told, DPO]
        review = home.letters[-1].text
        assert ("The sender has been told." in review) == bool(told)
        assert "firm1" not in review


async def test_a_message_that_the_client_split_is_one_held_item_and_one_notice() -> None:
    async with house() as home:
        first, second = to_firms(*FIRMS[:16]), to_firms(*FIRMS[16:], id="m2")
        assert await home.take(first) == replies.held("m1")
        assert await home.take(second) == replies.held("m1")
        (record,) = home.records(State.HELD)
        assert [r.recipient.address.text for r in record.recipients] == list(FIRMS)
        assert [letter.to for letter in home.letters] == [CLERK, DPO]
        assert [event.protected for event in home.of(Decided)] == [32, 0]


async def test_nobody_adds_recipients_to_a_message_held_for_another_login() -> None:
    async with house() as home:
        theirs = to_firms(*FIRMS, user="clerk", user_addresses=(CLERK,))
        assert await home.take(theirs) == replies.held("m1")
        assert await home.take(to_firms(*FIRMS[:2], "spy@club.example", id="m2")) == replies.held("m2")
        first, second = home.records(State.HELD)
        assert [len(record.recipients) for record in (first, second)] == [len(FIRMS), 3]


async def test_a_rewritten_message_that_the_client_split_makes_one_notice() -> None:
    async with house() as home:
        await home.take(to_families(*FAMILIES[:6]))
        await home.take(to_families(*FAMILIES[6:], id="m2"))
        assert [letter.to for letter in home.letters] == [CLERK]
        assert [event.protected for event in home.of(Decided)] == [12, 0]


@pytest.mark.parametrize("failure", [refused, deferred, unreachable])
async def test_nobody_is_told_of_a_rewrite_that_did_not_leave_but_of_the_one_that_does(failure: object) -> None:
    async with house(TEMPFAIL) as home:
        home.upstream.script.append(all_are(failure))
        assert (await home.take(to_families())).code != 250
        assert home.letters == []
        assert [event.reason for event in home.of(SmtpRefused)] == ["upstream"]
        assert await home.take(again(to_families(), "m2")) == OK
        assert [letter.to for letter in home.letters] == [CLERK]


async def test_notices_are_delivered_and_never_reported_on() -> None:
    async with house() as home:
        await home.take(to_firms())
        home.upstream.otherwise = all_are(refused)
        await home.deliver()
        assert len(home.letters) == 2
        assert all(dispatch.envelope.sender is None for dispatch in home.upstream.dispatches)


# --- what observers see ----------------------------------------------------------------------------------------------


async def test_a_decision_is_told_with_counts_and_without_addresses_of_families() -> None:
    async with house() as home:
        await home.take(to_families())
        (decided,) = home.of(Decided)
        assert decided == Decided(
            message_id="m1",
            listener="127.0.0.1:2525",
            verdict="rewrite",
            rule="families",
            detectors=("many_visible", "strangers", "mostly_personal", "pasted_list"),
            sender=CLERK,
            recipients=12,
            visible_outsiders=12,
            protected=12,
            damage=(),
            size_bytes=to_families().message.size_bytes,
        )
        assert [event.stage for event in home.of(StageTimed)] == ["read", "decide", "rewrite", "forward"]


async def test_a_rule_in_monitor_mode_is_named_and_decides_nothing() -> None:
    rules = (Rule("trial", When(), Action.REJECT, monitor=True),)
    async with house(replace(OPTIONS, policy=Policy(rules=rules))) as home:
        assert await home.take(plain()) == OK
        assert home.of(Decided)[0].monitored_rules == ("trial",)


def _leaves(home: House) -> list[bytes]:
    return [b"".join(dispatch.message.pieces()) for dispatch in home.upstream.dispatches]


async def test_a_stored_message_leaves_with_the_same_octets_in_every_attempt() -> None:
    async with house() as home:
        home.upstream.otherwise = all_are(deferred)
        submission = to_families()
        assert await home.take(submission) == replies.queued("m1")
        (record,) = home.records()
        assert [r.outcome for r in record.recipients] == [OutcomeName.DEFERRED] * 12
        assert record.recipients[0].reply == LATER
        home.clock.forward(OPTIONS.schedule.delays[1])
        await home.deliver()
        home.upstream.otherwise = all_are(delivered)
        home.clock.forward(OPTIONS.schedule.delays[1])
        await home.deliver()
        header = prepare(submission, Form.SENDER, LEAVING)
        (expected,) = dispatches(submission, Form.SENDER, header, submission.envelope.recipients, LEAVING)
        mail = [octets for octets in _leaves(home) if b"Auto-Submitted" not in octets]
        assert mail == [b"".join(expected.message.pieces())] * 3
        assert home.of(Moved)[-1].new == "delivered"


async def test_a_header_far_beyond_the_limit_is_refused_before_anyone_reads_it() -> None:
    small = replace(OPTIONS, leaving=replace(OPTIONS.leaving, header_bytes=1000))
    async with house(small) as home:
        assert await home.take(to_firms(more=b"X: " + b"y" * 3000 + b"\r\n")) == replies.HEADER_TOO_LARGE
        assert await home.take(to_firms(more=b"X: " + b"y" * 300 + b"\r\n", id="m2")) == replies.held("m2")
        assert [event.reason for event in home.of(SmtpRefused)] == ["size"]
