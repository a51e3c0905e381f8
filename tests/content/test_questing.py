"""Quests as values: the days they run, what counts, and how far somebody is."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from content import questing
from content.questing import FOR_EVER, Entry, Window
from content.questrules import QuestRule

DAY = date(2026, 3, 4)  # a Wednesday


def _quest(*steps: object, **more: object) -> QuestRule:
    when = {} if more.keys() & {"period", "within_days"} else {"once": True}
    given = {"id": "it", "name": "它", "points": 1, "steps": steps, **when, **more}
    return QuestRule.model_validate(given)


def _begun(quest: QuestRule, day: date = DAY) -> Entry:
    runs = questing.window(quest, day, day)
    assert runs is not None
    return questing.begin(quest, runs, 1)


def _after(quest: QuestRule, *deeds: tuple[object, ...]) -> tuple[int, ...]:
    """Return the counts after deeds: (what, day's number, key, amount), shortened from the end."""
    entry = _begun(quest)
    for number, (what, *rest) in enumerate(deeds):
        day, key, amount = (*rest, *(0, f"k{number}", 1)[len(rest) :])
        heard = questing.heard(quest, entry, what, DAY + timedelta(days=day), key, amount)
        entry = heard or entry
    return entry.counts


@pytest.mark.parametrize(
    ("period", "day", "first", "last"),
    [
        ("day", DAY, DAY, DAY),
        ("week", date(2026, 3, 2), date(2026, 3, 2), date(2026, 3, 8)),  # ISO: from Monday
        ("week", date(2026, 3, 8), date(2026, 3, 2), date(2026, 3, 8)),
        ("week", date(2026, 1, 1), date(2025, 12, 29), date(2026, 1, 4)),
        ("month", date(2026, 2, 28), date(2026, 2, 1), date(2026, 2, 28)),
        ("month", date(2028, 2, 29), date(2028, 2, 1), date(2028, 2, 29)),
        ("month", date(2026, 12, 31), date(2026, 12, 1), date(2026, 12, 31)),
        ("year", date(2026, 12, 31), date(2026, 1, 1), date(2026, 12, 31)),
        ("year", date(2027, 1, 1), date(2027, 1, 1), date(2027, 12, 31)),
    ],
)
def test_a_period_has_its_days(period: str, day: date, first: date, last: date) -> None:
    assert questing.window(_quest("talk", period=period), day, DAY) == Window(first, last)


@pytest.mark.parametrize(
    ("day", "runs"), [(-1, False), (0, True), (2, True), (3, False), (400, False)]
)
def test_a_new_members_quest_runs_from_the_day_of_joining(day: int, runs: bool) -> None:
    found = questing.window(_quest("talk", within_days=3), DAY + timedelta(days=day), DAY)
    assert found == (Window(DAY, DAY + timedelta(days=2)) if runs else None)


def test_once_is_for_ever() -> None:
    assert questing.window(_quest("talk"), DAY, DAY) == Window(DAY, FOR_EVER)


@pytest.mark.parametrize(
    ("steps", "more", "deeds", "counts"),
    [
        (["checkin", "talk"], {}, [("talk",), ("checkin",)], (1, 1)),
        (["checkin"], {}, [("talk",)], (0,)),
        (["checkin"], {}, [("checkin",), ("checkin",)], (1,)),  # no more than is needed
        ([{"what": "talk", "n": 3}], {}, [("talk",)] * 5, (3,)),
        ([{"what": "talk", "n": 3}], {}, [("talk", 0, "k", 2), ("talk", 0, "k2", 2)], (3,)),
        ([{"what": "talk", "n": 3, "per_day": 2}], {}, [("talk",)] * 5, (2,)),
        ([{"what": "talk", "n": 3, "per_day": 2}], {}, [("talk",)] * 5 + [("talk", 1)], (3,)),
        # one step after the other, and of each one a day at most
        (["talk", "checkin"], {"ordered": True}, [("checkin",), ("talk",)], (1, 0)),
        (["talk", "checkin"], {"ordered": True}, [("talk",), ("checkin",)], (1, 1)),
        ([{"what": "talk", "n": 2}], {"ordered": True}, [("talk",)] * 3, (1,)),
        ([{"what": "talk", "n": 2}], {"ordered": True}, [("talk", 0), ("talk", 1)], (2,)),
        (["talk", "checkin", "talk"], {"ordered": True}, [("talk",), ("checkin",), ("talk",)],
         (1, 1, 1)),
        # the same two people count once a day
        ([{"what": "first_interaction", "n": 3}], {}, [("first_interaction", 0, "a")] * 3, (1,)),
        ([{"what": "first_interaction", "n": 3}], {},
         [("first_interaction", 0, "a"), ("first_interaction", 0, "b")], (2,)),
        # a group's counts without end, once a day for each of its steps
        (["checkin", "talk"], {"group": True, "stages": (9,)},
         [("checkin",), ("checkin",), ("talk",), ("checkin", 1)], (2, 1)),
    ],
)  # fmt: skip
def test_what_counts(steps: list, more: dict, deeds: list, counts: tuple[int, ...]) -> None:
    assert _after(_quest(*steps, **more), *deeds) == counts


def test_nothing_counts_outside_its_days_or_when_it_is_done() -> None:
    quest = _quest("talk", period="week")
    entry = _begun(quest)
    for day in (date(2026, 3, 1), date(2026, 3, 9)):
        assert questing.heard(quest, entry, "talk", day, "k", 1) is None
    done = questing.heard(quest, entry, "talk", DAY, "k", 1)
    assert done is not None
    assert questing.finished(quest, done)
    assert questing.heard(quest, done, "talk", DAY, "k2", 1) is None


def test_what_comes_late_over_midnight_counts_once_with_the_new_day() -> None:
    quest = _quest({"what": "talk", "n": 9, "per_day": 1})
    entry = _begun(quest, DAY - timedelta(days=1))
    entry = questing.heard(quest, entry, "talk", DAY, "a", 1) or entry
    assert questing.heard(quest, entry, "talk", DAY - timedelta(days=1), "b", 1) is None


def test_a_groups_quest_is_nobodys_alone() -> None:
    quest = _quest("checkin", group=True, stages=(1,))
    entry = questing.heard(quest, _begun(quest), "checkin", DAY, "k", 1)
    assert entry is not None
    assert not questing.finished(quest, entry)


@given(st.integers(0, 100), st.integers(1, 100))
def test_a_bar_is_full_only_when_nothing_is_left(have: int, need: int) -> None:
    bar = questing.bar(have, need)
    assert len(bar) == 5
    assert (bar == "▓▓▓▓▓") == (have >= need)
    assert (bar == "░░░░░") == (have == 0)


@pytest.mark.parametrize(("total", "stage"), [(0, 0), (4, 0), (5, 1), (14, 1), (15, 2), (99, 2)])
def test_a_total_reaches_stages(total: int, stage: int) -> None:
    assert questing.stage_of((5, 15), total) == stage


def test_quests_are_stored_as_they_are() -> None:
    entries = (_begun(_quest("talk")), _begun(_quest("talk", "checkin", period="day")))
    assert questing.unpack(questing.pack(entries)) == entries
    assert questing.unpack(questing.pack(())) == ()
