"""What every memory of earlier mail promises: who knows whom, what was stopped, what comes in pieces."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bcc_relay.core.history import MOST_MEMBERS, NO_HISTORY, Ask, Stopped
from tests.contracts.circles import (
    CLERK,
    DAY,
    EVERYTHING,
    MINUTE,
    NOW,
    asked,
    circle,
    keys,
    learned,
    noted,
    stopped,
)
from tests.fakes_memory import MemoryOfMail

if TYPE_CHECKING:
    from bcc_relay.core.history import Circle
    from bcc_relay.relay.ports import Memory

ROOT = b"<root@council.example>"
TEN = "klmnopqrst"


def reply(id: str, shown: str, **fields: object) -> Circle:
    return circle(id, shown, **{"thread_ids": (ROOT,), **fields})


def root(shown: str, **fields: object) -> Circle:
    return circle("root", shown, own_id=ROOT, **fields)


async def test_an_empty_memory_knows_nothing(memory: Memory) -> None:
    answer = await memory.consider(circle("m1", "abc", subject="term dates"), EVERYTHING)
    windows = ((MINUTE, 3), (DAY, 3))
    assert answer == replace(NO_HISTORY, strangers=3, pieces=3, windows=windows)
    assert await memory.consider(circle("m2", "a", sender="a@council.example"), Ask()) == NO_HISTORY


# --- threads ----------------------------------------------------------------------------------------------------------


async def test_a_reply_to_everybody_shows_nobody_anew(memory: Memory) -> None:
    await learned(memory, root("abcd"))
    answer = await asked(memory, reply("m2", "abcd"), thread=True)
    assert (answer.known_thread, answer.gained) == (True, 0)
    answer = await asked(memory, reply("m3", "ab"), thread=True)
    assert (answer.known_thread, answer.gained) == (True, 0)


async def test_whoever_is_new_in_a_thread_makes_it_unknown(memory: Memory) -> None:
    await learned(memory, root("abc"))
    for new in (reply("m2", "abcd"), reply("m3", "abc", blind="d")):
        answer = await asked(memory, new, thread=True)
        assert (answer.known_thread, answer.gained) == (False, 1)


async def test_what_was_noted_or_stopped_and_not_delivered_teaches_nothing(memory: Memory) -> None:
    await noted(memory, root("abc"))
    assert (await asked(memory, reply("m2", "abc"), thread=True)).gained is None
    await memory.decided("root", "rewrite", "families")
    answer = await asked(memory, reply("m3", "abc"), thread=True)
    assert (answer.known_thread, answer.gained) == (False, None)


async def test_a_message_that_answers_nothing_known_has_no_thread(memory: Memory) -> None:
    await learned(memory, root("abc"))
    for ids in ((), (b"<other@council.example>",), (b"",)):
        answer = await asked(memory, circle("m2", "abc", thread_ids=ids), thread=True)
        assert (answer.known_thread, answer.gained) == (False, None)
    await learned(memory, circle("nameless", "abc", own_id=b""))
    assert (await asked(memory, circle("m3", "abc", thread_ids=(b"",)), thread=True)).gained is None


async def test_a_thread_is_known_by_what_its_messages_answer_too(memory: Memory) -> None:
    """The first message came from outside and was never seen."""
    await learned(memory, reply("m1", "ab"), reply("m2", "bc"))
    answer = await asked(memory, reply("m3", "bc"), thread=True)
    assert (answer.known_thread, answer.gained) == (True, 0)
    # Everybody is in it, and a and c were never in one message.
    answer = await asked(memory, reply("m4", "abc"), thread=True)
    assert (answer.known_thread, answer.gained) == (False, 0)
    await learned(memory, reply("m5", "ca"))
    assert (await asked(memory, reply("m6", "abc"), thread=True)).known_thread


async def test_whoever_was_hidden_has_seen_but_is_not_known(memory: Memory) -> None:
    await learned(memory, root("ab", blind="c"))
    assert (await asked(memory, reply("m2", "ab", blind="c"), thread=True)).known_thread
    answer = await asked(memory, reply("m3", "abc"), thread=True)
    assert (answer.known_thread, answer.gained) == (False, 0)


async def test_a_list_in_a_body_does_not_make_those_on_it_acquainted(memory: Memory) -> None:
    """They never received it: a message to all of them shows them to each other for the first time."""
    await learned(memory, root("a", body="bcd"))
    answer = await asked(memory, reply("m2", "abcd"), thread=True)
    assert (answer.known_thread, answer.gained) == (False, 0)
    # The same list, quoted to the same reader, is nothing new.
    assert (await asked(memory, reply("m3", "a", body="bcd"), thread=True)).known_thread


async def test_a_header_field_counts_where_the_envelope_was_split(memory: Memory) -> None:
    await learned(memory, root("abcd", unread="cd"))
    assert (await asked(memory, reply("m2", "abcd"), thread=True)).known_thread


# --- strangers --------------------------------------------------------------------------------------------------------


async def test_strangers_were_never_shown_together_with_another_of_them(memory: Memory) -> None:
    await learned(memory, circle("m1", "abx"), circle("m2", "cy"), circle("m3", "dy"))
    assert (await asked(memory, circle("m4", "abcde"), strangers=True)).strangers == 3
    assert (await asked(memory, circle("m5", "cdy"), strangers=True)).strangers == 0
    assert (await asked(memory, circle("m6", "ax"), strangers=True)).strangers == 0
    assert (await asked(memory, circle("m7", "a"), strangers=True)).strangers == 1


async def test_hidden_or_not_delivered_together_leaves_strangers(memory: Memory) -> None:
    await learned(memory, circle("m1", "", blind="ab" + TEN), circle("m2", "cx", blind="d"))
    await noted(memory, circle("m3", "cd"))
    assert (await asked(memory, circle("m4", "abcd"), strangers=True)).strangers == 4


# --- usually by Bcc ---------------------------------------------------------------------------------------------------


async def test_those_reached_blind_more_often_than_shown_are_usually_blind(memory: Memory) -> None:
    await learned(memory, circle("m1", "", blind=TEN), circle("m2", "kl", blind="mnopqrstuv"), circle("m3", "km"))
    # k: hidden once, shown twice; l: as often; m: hidden twice, shown once; n: hidden twice; u: hidden once; z: unknown.
    answer = await asked(memory, circle("m4", "klmnuz"), usual=True)
    assert answer.usually_blind == 3


async def test_only_this_senders_delivered_mail_says_what_is_usual(memory: Memory) -> None:
    await learned(memory, circle("m1", "", blind=TEN, sender="other@council.example"))
    await noted(memory, circle("m2", "", blind=TEN))
    assert (await asked(memory, circle("m3", TEN), usual=True)).usually_blind == 0
    await memory.learn("m2")
    assert (await asked(memory, circle("m4", TEN), usual=True)).usually_blind == 10


async def test_the_newest_200_say_what_is_usual(memory: Memory) -> None:
    await learned(memory, *(circle(f"old{n}", "", blind=TEN) for n in range(3)))
    await learned(memory, *(circle(f"new{n}", "kl") for n in range(199)))
    assert (await asked(memory, circle("m1", TEN), usual=True)).usually_blind == 8
    await learned(memory, circle("new199", "kl"))
    assert (await asked(memory, circle("m2", TEN), usual=True)).usually_blind == 0


# --- what was stopped -------------------------------------------------------------------------------------------------


async def test_the_correction_finds_the_circle_that_was_stopped(memory: Memory) -> None:
    await stopped(memory, circle("m1", "abcdefgh"), verdict="rewrite", rule="families")
    answer = await asked(memory, circle("m2", "abcdefghij", minute=5), stopped_within=DAY)
    assert answer.stopped == Stopped("m1", "rewrite", "families", 0.8)
    # Those it would have reached blind belong to its circle as well.
    await stopped(memory, circle("m3", "xy", blind="z", minute=6), rule="ours")
    answer = await asked(memory, circle("m4", "xyz", minute=7), stopped_within=DAY)
    assert answer.stopped == Stopped("m3", "hold", "ours", 1.0)


async def test_of_several_stopped_circles_the_best_match_counts_and_of_equals_the_newest(memory: Memory) -> None:
    await stopped(memory, circle("best", "abc"), circle("less", "ab", minute=1))
    answer = await asked(memory, circle("m1", "abcd", minute=2), stopped_within=DAY)
    assert answer.stopped == Stopped("best", "hold", "families", 0.75)
    await stopped(memory, circle("newer", "bcd", minute=3))
    answer = await asked(memory, circle("m2", "abcd", minute=4), stopped_within=DAY)
    assert answer.stopped == Stopped("newer", "hold", "families", 0.75)


async def test_another_sender_corrects_a_message_only_by_writing_to_half_of_those_it_showed(memory: Memory) -> None:
    await stopped(memory, circle("m1", "abcdefgh"))
    for people, is_correction in (("abc", False), ("abcd", True)):
        other = circle("m2", people, sender="other@council.example")
        assert ((await asked(memory, other, stopped_within=DAY)).stopped is not None) == is_correction
    assert (await asked(memory, circle("m3", "abc"), stopped_within=DAY)).stopped is not None


async def test_a_stopped_circle_guards_for_its_time_against_any_sender(memory: Memory) -> None:
    await stopped(memory, circle("m1", "abc"))
    for minute, is_guarded in ((10, True), (10.1, False)):
        late = circle("m2", "abc", minute=minute, sender="other@council.example")
        answer = await asked(memory, late, stopped_within=10 * MINUTE)
        assert (answer.stopped is not None) == is_guarded


async def test_parts_of_one_message_do_not_guard_against_each_other(memory: Memory) -> None:
    one = b"<one@council.example>"
    await stopped(memory, circle("m1", "abc", own_id=one))
    assert (await asked(memory, circle("m2", "abc", own_id=one), stopped_within=DAY)).stopped is None
    assert (await asked(memory, circle("m3", "abc", own_id=b""), stopped_within=DAY)).stopped
    # Without an identifier nothing tells that they are parts of one.
    await memory.learn("m1")
    await stopped(memory, circle("m4", "abc", own_id=b""))
    assert (await asked(memory, circle("m5", "abc", own_id=b""), stopped_within=DAY)).stopped


async def test_what_was_released_as_it_is_or_passed_guards_no_longer(memory: Memory) -> None:
    await stopped(memory, circle("m1", "abc"))
    await memory.learn("m1")
    await stopped(memory, circle("m2", "abc"), verdict="pass", rule="everything-else")
    await noted(memory, circle("m3", "abc"))
    assert (await asked(memory, circle("m4", "abc"), stopped_within=DAY)).stopped is None
    assert (await asked(memory, circle("m5", "abc"), strangers=True)).strangers == 0


async def test_another_circle_is_no_correction(memory: Memory) -> None:
    await stopped(memory, circle("m1", "abc"))
    assert (await asked(memory, circle("m2", "xyz"), stopped_within=DAY)).stopped is None
    assert (await asked(memory, circle("m3", "", blind=TEN), stopped_within=DAY)).stopped is None


# --- pieces and windows -----------------------------------------------------------------------------------------------


async def test_pieces_share_subject_or_text(memory: Memory) -> None:
    await noted(
        memory,
        circle("m1", "ab", subject="term dates"),
        circle("m2", "cd", gist=b"text"),
        circle("m3", "ef", subject="another", gist=b"another"),
        circle("m4", "gh"),
        circle("m5", "ij", subject="term dates", sender="other@council.example"),
    )
    answer = await asked(memory, circle("m6", "ax", subject="term dates", gist=b"text"), pieces_within=DAY)
    assert answer.pieces == len("abcdx")
    assert (await asked(memory, circle("m7", "yz"), pieces_within=DAY)).pieces == 2


async def test_pieces_count_for_their_time(memory: Memory) -> None:
    await noted(memory, circle("m1", "ab", subject="term dates", minute=0))
    await noted(memory, circle("m2", "cd", subject="term dates", minute=5))
    for minute, pieces in ((10, 6), (10.1, 4), (15.1, 2)):
        late = circle("m3", "ef", subject="term dates", minute=minute)
        assert (await asked(memory, late, pieces_within=10 * MINUTE)).pieces == pieces


async def test_what_was_stopped_disclosed_nobody_until_it_is_released_as_it_is(memory: Memory) -> None:
    await stopped(memory, circle("m1", "abc", subject="term dates"))
    later = circle("m2", "de", subject="term dates", minute=1)
    for count in (2, 5):
        answer = await asked(memory, later, pieces_within=DAY, windows=(DAY,))
        assert (answer.pieces, answer.windows) == (count, ((DAY, count),))
        await memory.learn("m1")


async def test_mail_that_discloses_nobody_is_no_piece(memory: Memory) -> None:
    """A mail merge, or the same message by Bcc, may follow what was sent in pieces."""
    same = {"subject": "term dates"}
    await noted(memory, circle("m1", "a", **same), circle("m2", "x", blind=TEN, **same), circle("m3", "bc", **same))
    assert (await asked(memory, circle("m4", "de", **same), pieces_within=DAY, windows=(DAY,))).pieces == 4
    for harmless in (circle("m5", "z", **same), circle("m6", "z", blind=TEN, **same)):
        answer = await asked(memory, harmless, pieces_within=DAY, windows=(DAY,))
        # What was disclosed before was disclosed all the same.
        assert (answer.pieces, answer.windows) == (0, ((DAY, 4),))


async def test_windows_count_each_outsider_once(memory: Memory) -> None:
    await noted(
        memory, circle("m1", "ab"), circle("m2", "bc", minute=5), circle("m3", "xy", sender="o@council.example")
    )
    answer = await asked(memory, circle("m4", "cd", minute=10), windows=(MINUTE, 5 * MINUTE, DAY))
    assert answer.windows == ((MINUTE, 2), (5 * MINUTE, 3), (DAY, 4))
    assert answer.within(DAY) == 4


async def test_pieces_that_come_at_once_see_each_other(memory: Memory) -> None:
    some = [circle(f"m{n}", "abcdefghij"[2 * n : 2 * n + 2], subject="term dates") for n in range(5)]
    answers = await asyncio.gather(*(asked(memory, one, pieces_within=DAY) for one in some))
    assert sorted(answer.pieces for answer in answers) == [2, 4, 6, 8, 10]


# --- noting, learning, erasing ----------------------------------------------------------------------------------------


async def test_a_message_noted_again_takes_the_place_of_the_first(memory: Memory) -> None:
    await stopped(memory, circle("m1", "abcd"))
    await noted(memory, circle("m1", "ax"))
    answer = await asked(memory, circle("m2", "yz", subject="s"), windows=(DAY,), stopped_within=DAY)
    assert answer.windows == ((DAY, 4),)
    assert (await asked(memory, circle("m3", "abcd"), stopped_within=DAY)).stopped is None


async def test_what_was_not_noted_can_be_neither_decided_nor_learned(memory: Memory) -> None:
    await noted(memory, root("a"))
    await memory.decided("root", "hold", "families")
    await memory.learn("root")
    await memory.learn("nothing")
    answer = await asked(memory, reply("m1", "ab"), thread=True, stopped_within=DAY)
    assert (answer.gained, answer.stopped) == (None, None)
    assert await memory.erase_memory(NOW + DAY) == 1


async def test_old_circles_are_erased(memory: Memory) -> None:
    await learned(memory, circle("m1", "ab"), circle("m2", "cd", minute=5), circle("m3", "ef", minute=10))
    assert await memory.erase_memory(NOW + 5 * MINUTE) == 1
    assert await memory.erase_memory(NOW + 5 * MINUTE) == 0
    assert (await asked(memory, circle("m4", "abcdef"), strangers=True)).strangers == 2


async def test_hundreds_of_circles_are_erased_in_one_go(memory: Memory) -> None:
    await asyncio.gather(*(memory.consider(circle(f"m{n}", "ab"), Ask()) for n in range(450)))
    assert await memory.erase_memory(NOW + MINUTE) == 450


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
async def test_a_circle_as_large_as_may_be_is_remembered_and_erased(memory: Memory) -> None:
    names = [f"family{n}" for n in range(MOST_MEMBERS)]
    large = replace(root(""), shown=keys(*names), visible=keys(*names), readers=keys(*names), subject="term dates")
    await stopped(memory, large)
    again = replace(large, message_id="m2", own_id=b"<m2@council.example>", thread_ids=(ROOT,))
    answer = await memory.consider(again, EVERYTHING)
    assert answer.stopped == Stopped("root", "hold", "families", 1.0)
    assert (answer.strangers, answer.pieces) == (5_000, 5_000)
    await memory.learn("root")
    answer = await memory.consider(replace(again, message_id="m3"), EVERYTHING)
    assert (answer.known_thread, answer.gained, answer.strangers) == (True, 0, 0)
    assert await memory.erase_memory(NOW + MINUTE) == 3
    one_more = replace(large, shown=large.shown | keys("one-more"))
    assert await memory.consider(one_more, Ask(windows=(DAY,))) == NO_HISTORY


async def test_strangers_text_is_remembered_whatever_it_holds(memory: Memory) -> None:
    odd = frozenset({"a\udcff\0@x.example", "b\N{LATIN SMALL LETTER O WITH DIAERESIS}@x.example"})
    one = replace(
        root("", subject="\udcff\0", gist=b"\0"), shown=odd, visible=odd, readers=odd, sender="\udcff@x.example"
    )
    await learned(memory, one)
    answer = await memory.consider(replace(one, message_id="m2", thread_ids=(ROOT,)), EVERYTHING)
    assert (answer.known_thread, answer.strangers, answer.pieces) == (True, 0, 2)


# --- all together -----------------------------------------------------------------------------------------------------

PEOPLE = st.frozensets(st.sampled_from(sorted(keys(*"abcdef"))), max_size=6)
IDS = st.sampled_from([b"", b"<1@x.example>", b"<2@x.example>", b"<3@x.example>"])


@st.composite
def circles(draw: st.DrawFn) -> Circle:
    shown = draw(PEOPLE)
    visible = draw(st.just(shown) | st.just(shown & draw(PEOPLE)) | PEOPLE)
    one = circle("", "", minute=draw(st.integers(0, 12)))
    return replace(
        one,
        message_id=draw(st.sampled_from(["m1", "m2", "m3", "m4", "m5", "m6"])),
        sender=draw(st.sampled_from([CLERK, "other@council.example", ""])),
        shown=shown,
        visible=visible,
        readers=draw(PEOPLE) | (keys(*TEN) if draw(st.booleans()) else frozenset()),
        own_id=draw(IDS),
        thread_ids=tuple(draw(st.lists(IDS, max_size=2))),
        subject=draw(st.sampled_from(["", "s", "t"])),
        gist=draw(st.sampled_from([b"", b"g"])),
    )


STEPS = st.lists(
    st.tuples(
        circles(),
        st.sampled_from(["nothing", "learn", "hold", "hold", "reject then learn", "pass", "forget", "erase"]),
    ),
    max_size=12,
)
QUESTIONS = Ask(True, True, True, 6 * MINUTE, 4 * MINUTE, (MINUTE, 8 * MINUTE))


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
async def test_hashes_and_queries_answer_as_plain_addresses_would(store, steps) -> None:  # type: ignore[no-untyped-def]
    plain = MemoryOfMail()
    await store.memory.erase_memory(NOW + DAY)
    for one, then in steps:
        assert await store.memory.consider(one, QUESTIONS) == await plain.consider(one, QUESTIONS)
        for memory in (store.memory, plain):
            if then in ("hold", "pass", "reject then learn"):
                await memory.decided(one.message_id, then.split()[0], f"rule of {one.message_id}")
            if "learn" in then:
                await memory.learn(one.message_id)
        if then == "forget" and (key := min(one.shown, default=one.sender)):
            assert (await store.forget(key)).circles == plain.forget(key)
        if then == "erase":
            assert await store.memory.erase_memory(one.at) == await plain.erase_memory(one.at)
