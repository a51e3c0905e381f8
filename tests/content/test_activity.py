"""Which messages are worth points, and what farmers try."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from content.activity import COMPARED, similar, visible, worth
from content.rulebook import ActivityRules

RULES = ActivityRules()
TALK = "今天的鱼很新鲜，晚上一起吃吧"


def _worth(text: str, *previous: str, since_s: float | None = None, command: bool = False) -> bool:
    return worth(RULES, text, previous, since_s=since_s, command=command) > 0


@pytest.mark.parametrize(
    ("text", "paid"),
    [
        (TALK, True),
        ("好的收到", True),
        ("好的呢", False),
        ("", False),
        ("a b c", False),  # white space cannot be seen
        ("a b c d", True),
        ("a\u200b\u200b\u200bb", False),
        ("\u202e\u2066\u2069\ufeff", False),
        ("e\u0301\u0301\u0301\u0301", False),  # marks on a letter
        ("     \n\t    ", False),
        ("👍👍👍", False),
        ("👨‍👩‍👧‍👦", True),  # four people, joined
        ("/top week", False),
        ("  /checkin", False),
    ],
)
def test_a_message_has_to_have_something_to_see(text: str, paid: bool) -> None:
    assert _worth(text) == paid


def test_what_the_bot_takes_for_a_command_is_no_talk_unless_the_document_says_so() -> None:
    assert not _worth("我的积分", command=True)
    generous = ActivityRules(commands_count=True, points=3)
    assert worth(generous, "我的积分", (), since_s=None, command=True) == 3
    assert worth(generous, "/points", (), since_s=None) == 3


@pytest.mark.parametrize(("since_s", "paid"), [(None, True), (0, False), (59.9, False), (60, True)])
def test_a_minute_lies_between_two_paid_messages(since_s: float | None, paid: bool) -> None:
    assert _worth(TALK, since_s=since_s) == paid


@pytest.mark.parametrize(
    ("text", "previous", "paid"),
    [
        (TALK, (TALK,), False),
        (TALK, (f"{TALK}！",), False),
        (TALK, ("  ".join(TALK),), False),  # spread by blanks
        ("HELLO everybody", ("hello  EveryBody",), False),
        ("ｈｅｌｌｏ大家好", ("hello大家好",), False),  # full width
        ("he\u200bllo大家好", ("hello大家好",), False),
        (TALK, ("明天早上八点开团，记得来",), True),
        (TALK, ("a", "b", "c", "d", TALK), False),
        (TALK, ("a", "b", "c", "d", "e", TALK), True),  # only the last five are looked at
        (TALK + "一", (TALK + "二",), False),
    ],
)
def test_the_same_again_is_worth_nothing(text: str, previous: tuple[str, ...], paid: bool) -> None:
    assert _worth(text, *previous) == paid


def test_a_similarity_of_one_lets_all_but_the_same_text_pass() -> None:
    open_ = ActivityRules(similarity_max=1.0)
    assert worth(open_, TALK, [TALK + "!"], since_s=None) == 1
    assert worth(open_, TALK, [TALK], since_s=None) == 0


@pytest.mark.parametrize(
    "texts",
    [("abc" * 2_000, "cba" * 2_000), ("ab" * 2_000, "ba" * 2_000), ("字" * 4_096, "节" * 4_096)],
    ids=["abc", "ab", "字"],
)
def test_long_texts_are_compared_in_no_time(texts: tuple[str, str]) -> None:
    one, two = texts
    began = time.perf_counter()
    worth(RULES, one, [two] * COMPARED, since_s=None)
    assert time.perf_counter() - began < 2  # whole, they would take minutes


@given(st.text(st.characters(), max_size=60), st.text(st.characters(), max_size=60))
def test_similarity_does_not_fail_and_the_same_is_the_same(one: str, two: str) -> None:
    assert similar(one, one, 1.0)
    assert not similar(one, two, 1.0) or similar(one, two, 0.5)


@given(
    text=st.text(max_size=30),
    previous=st.lists(st.text(max_size=30), max_size=8),
    since_s=st.none() | st.floats(0, 1_000),
)
def test_what_is_paid_has_kept_every_rule(
    text: str, previous: list[str], since_s: float | None
) -> None:
    if worth(RULES, text, previous, since_s=since_s):
        assert visible(text) >= RULES.min_length
        assert since_s is None or since_s >= RULES.cooldown_s
        assert text not in previous[:COMPARED]
        assert not text.startswith("/")


@pytest.mark.parametrize("text", ["\u3164" * 9, "\u2800\u2800\u2800\u2800\u2800", "\u115f" * 5])
def test_letters_that_nobody_sees_are_no_words(text: str) -> None:
    assert visible(text) == 0


def test_a_mark_on_each_letter_makes_no_other_message() -> None:
    marked = "".join(f"{letter}\ufe01" for letter in "早上好啊")
    assert similar(marked, "早上好啊", 1.0)
    assert similar("早\u3164上\u2800好啊", "早上好啊", 1.0)
