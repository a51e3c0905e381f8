"""Boards against a plain sum over the postings."""

import threading
from collections import Counter
from datetime import date, timedelta
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, insert, text

from content.windows import WINDOWS, Window
from storage import audit, boards, ledger, members, programmes
from storage.db import Tx, open_engine, reading
from storage.members import Who
from storage.movement import Side
from storage.programmes import MAIN
from storage.standings import Place
from storage.tables import chat_group
from tests.storage.books import (
    DAY,
    DEFAULTS,
    NOW,
    give,
    member,
    posting,
    programme,
    transaction,
    undone,
)

PEOPLE = 6


class Gain(NamedTuple):
    person: int
    day: date
    amount: int


def _first_day(window: Window, today: date) -> date:
    return {
        "day": today,
        "week": today - timedelta(days=today.isoweekday() - 1),
        "month": date(today.year, today.month, 1),
        "all": date.min,
    }[window]


def _by_hand(tx: Tx, camp: int, window: Window, today: date) -> list[tuple[int, int, int]]:
    """Return (rank, member, points) of everybody in the window, from the postings alone."""
    tx.close()
    rows = tx.core.execute(
        text(
            "SELECT to_owner, day, amount FROM posting WHERE programme_id = :p"
            " AND from_bucket = 'issued' AND to_bucket = 'available'"
        ),
        {"p": camp},
    )
    sums: Counter[int] = Counter()
    for owner, day, amount in rows:
        on = date.fromisoformat(day) if isinstance(day, str) else day
        if _first_day(window, today) <= on <= today:
            sums[owner] += amount
    ranked = sorted(sums.items(), key=lambda item: (-item[1], -item[0]))
    return [
        (1 + sum(other > points for other in sums.values()), owner, points)
        for owner, points in ranked
    ]


def _check(tx: Tx, camp: int, people: list[int], today: date, places: int) -> None:
    for window in WINDOWS:
        expected = _by_hand(tx, camp, window, today)
        for own in (*people, 0, 4711):
            shown = boards.board(tx, camp, window, today, places=places, member_id=own)
            assert [(p.rank, p.member_id, p.points) for p in shown.places] == expected[:places]
            assert shown.total == len(expected)
            mine = [line for line in expected if line[1] == own]
            found = [] if shown.own is None else [(shown.own.rank, own, shown.own.points)]
            assert found == mine


# around a new year, a leap day and ordinary month ends, in any order of arrival
STARTS = st.sampled_from([date(2025, 12, 15), date(2024, 2, 12), date(2026, 2, 20), DAY])
GAINS = st.lists(
    st.tuples(st.integers(0, PEOPLE - 1), st.integers(0, 40), st.sampled_from([1, 2, 5, 5, 30])),
    max_size=20,
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(start=STARTS, gains=GAINS, places=st.integers(0, 8), after=st.integers(0, 35))
def test_a_board_is_the_sum_of_its_postings(
    engine: Engine,
    start: date,
    gains: list[tuple[int, int, int]],
    places: int,
    after: int,
) -> None:
    with undone(engine) as tx:
        camp = programme(tx)
        people = [member(tx, camp, f"p{number}") for number in range(PEOPLE)]
        for person, days, amount in gains:
            give(tx, camp, people[person], amount, day=start + timedelta(days=days))
        latest = max((days for _, days, _ in gains), default=0)
        for later in (0, after):
            _check(tx, camp, people, start + timedelta(days=latest + later), places)


def test_what_was_not_earned_is_on_no_board(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming, hong = member(tx, camp, "小明"), member(tx, camp, "小红")
        give(tx, camp, ming, 50)
        ledger.post(tx, posting(camp, Side(hong, "available"), 50, source=Side(ming, "available")))
        ledger.post(tx, posting(camp, Side(hong, "pending"), 70)._replace(matures=DAY))
        ledger.post(tx, posting(camp, Side(hong, "available"), 9, source=Side(0, "compensation")))
        for window in WINDOWS:
            shown = boards.board(tx, camp, window, DAY, places=10, member_id=hong)
            assert shown.places == [Place(1, ming, "小明", 50)]
            assert shown.own is None


def test_the_same_points_share_a_rank_and_the_next_is_skipped(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        people = [member(tx, camp, f"p{number}") for number in range(5)]
        for person, amount in zip(people, (10, 30, 10, 30, 5), strict=True):
            give(tx, camp, person, amount)
        shown = boards.board(tx, camp, "day", DAY, places=10, member_id=people[4])
        assert [(p.rank, p.name) for p in shown.places] == [
            (1, "p3"),
            (1, "p1"),
            (3, "p2"),
            (3, "p0"),
            (5, "p4"),
        ]
        cut = boards.board(tx, camp, "day", DAY, places=3, member_id=people[0])
        assert [p.rank for p in cut.places] == [1, 1, 3]
        assert cut.own is not None  # outside of the top, ranked with those inside
        assert (cut.own.rank, cut.own.points, cut.total) == (3, 10, 5)


def test_programmes_have_boards_of_their_own(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp, other = programme(tx), programme(tx)
        ming, hong = member(tx, camp), member(tx, other)
        give(tx, camp, ming, 5)
        give(tx, other, hong, 50)
        shown = boards.board(tx, camp, "all", DAY, places=10, member_id=hong)
        assert [p.member_id for p in shown.places] == [ming]
        assert (shown.total, shown.own) == (1, None)


def test_an_empty_board_is_empty(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        for window in WINDOWS:
            shown = boards.board(tx, camp, window, DAY, places=10, member_id=ming)
            assert shown == ([], 0, None)


def _listed(tx: Tx, camp: int, *, opt_in: bool = False) -> list[tuple[str, list[int]]]:
    """Who stands on each window's board, by name."""
    found = []
    for window in WINDOWS:
        shown = boards.board(tx, camp, window, DAY, places=10, opt_in=opt_in)
        assert shown.total == len(shown.places)
        found.append((window, [place.member_id for place in shown.places]))
    return found


def _everywhere(*who: int) -> list[tuple[str, list[int]]]:
    return [(window, list(who)) for window in WINDOWS]


def test_who_is_hidden_stands_nowhere_and_is_counted_nowhere(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming, hong, gang = (member(tx, camp, name) for name in ("小明", "小红", "小刚"))
        for person, points in ((ming, 30), (hong, 20), (gang, 10)):
            give(tx, camp, person, points)
        members.wish(tx, camp, ming, -1)
        assert _listed(tx, camp) == _everywhere(hong, gang)
        assert _place(tx, camp, gang) == (2, 10)
        assert _place(tx, camp, ming) == (0, 30)  # his points are his, but there is no rank
        give(tx, camp, ming, 5)
        shown = boards.board(tx, camp, "week", DAY, places=10, member_id=ming)
        assert (shown.own, shown.total) == (Place(0, ming, "", 35), 2)
    with transaction(engine) as tx:
        members.wish(tx, camp, ming, 1)
        assert _listed(tx, camp) == _everywhere(ming, hong, gang)
        assert _place(tx, camp, ming) == (1, 35)
        assert _place(tx, camp, gang) == (3, 10)


def test_where_one_is_asked_first_only_those_who_said_yes_stand_there(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        people = [member(tx, camp) for _ in range(4)]
        for person, points in zip(people, (40, 30, 20, 10), strict=True):
            give(tx, camp, person, points)
        assert _listed(tx, camp, opt_in=True) == _everywhere()
        for person, wish in ((people[1], 1), (people[2], -1), (people[3], 1)):
            members.wish(tx, camp, person, wish)
        assert _listed(tx, camp, opt_in=True) == _everywhere(people[1], people[3])
        assert _listed(tx, camp) == _everywhere(people[0], people[1], people[3])
        ranks = [boards.own_place(tx, camp, "day", DAY, who, opt_in=True) for who in people]
        assert [place and place.rank for place in ranks] == [0, 1, 0, 2]


def test_who_leaves_every_group_leaves_the_boards_until_he_is_back(engine: Engine) -> None:
    who = Who("telegram", "77", "小明")
    with transaction(engine) as tx:
        camp = programme(tx)
        one, two = 901, 902
        for number in (one, two):
            _group(tx, camp, number)
        ming = members.arrive(tx, camp, one, who, NOW).id
        assert members.arrive(tx, camp, two, who, NOW).id == ming
        hong = member(tx, camp)
        give(tx, camp, ming, 9)
        give(tx, camp, hong, 5)
        members.leave(tx, camp, one, ming)
        assert _listed(tx, camp) == _everywhere(ming, hong)  # he is in the other one
        members.leave(tx, camp, two, ming)
        assert _listed(tx, camp) == _everywhere(hong)
        assert _place(tx, camp, hong) == (1, 5)
        members.arrive(tx, camp, two, who, NOW, came=False)  # a button is no way back
        give(tx, camp, ming, 1)  # nor are points that come while he is away
        assert _listed(tx, camp) == _everywhere(hong)
        members.arrive(tx, camp, two, who, NOW)
        assert _listed(tx, camp) == _everywhere(ming, hong)
        assert _place(tx, camp, ming) == (1, 10)


def test_a_wish_outlives_a_departure(engine: Engine) -> None:
    who = Who("telegram", "77", "小明")
    with transaction(engine) as tx:
        camp = programme(tx)
        _group(tx, camp, 901)
        ming = members.arrive(tx, camp, 901, who, NOW).id
        give(tx, camp, ming, 9)
        members.wish(tx, camp, ming, -1)
        members.leave(tx, camp, 901, ming)
        members.arrive(tx, camp, 901, who, NOW)
        assert _listed(tx, camp) == _everywhere()
        members.leave(tx, camp, 901, ming)
        members.wish(tx, camp, ming, 1)
        assert _listed(tx, camp) == _everywhere()  # he wants to, but is not there
        members.arrive(tx, camp, 901, who, NOW)
        assert _listed(tx, camp, opt_in=True) == _everywhere(ming)


def test_who_stands_there_is_right_though_his_account_is_open(engine: Engine) -> None:
    """The books write accounts when they like; who is shown is not theirs to write."""
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        give(tx, camp, ming, 5)
        members.wish(tx, camp, ming, -1)
        give(tx, camp, ming, 5)
        tx.close()
        with tx.savepoint():
            members.wish(tx, camp, ming, 1)
        with pytest.raises(InterruptedError):
            _hide_and_fail(tx, camp, ming)
        assert _listed(tx, camp) == _everywhere(ming)


def _hide_and_fail(tx: Tx, camp: int, person: int) -> None:
    with tx.savepoint():
        members.wish(tx, camp, person, -1)
        raise InterruptedError


@pytest.mark.postgres
def test_leaving_one_group_and_coming_to_another_at_once(postgres_url: str) -> None:
    """Whichever comes second sees what the first has done."""
    engine = open_engine(postgres_url)
    who = Who("telegram", "77", "小明")
    with transaction(engine) as tx:
        camp = programme(tx)
        for number in (901, 902):
            _group(tx, camp, number)
        ming = members.arrive(tx, camp, 901, who, NOW).id
        give(tx, camp, ming, 9)
    for first, then in ((901, 902), (902, 901)):
        came, go = threading.Event(), threading.Event()

        def leave(group: int = first, came: threading.Event = came) -> None:
            came.wait(10)
            with transaction(engine) as tx:
                members.leave(tx, camp, group, ming)

        leaver = threading.Thread(target=leave)
        leaver.start()
        with transaction(engine) as tx:
            members.arrive(tx, camp, then, who, NOW)
            came.set()
            go.wait(0.3)  # the other one waits for the account
        leaver.join(10)
        with transaction(engine) as tx:
            assert _listed(tx, camp) == _everywhere(ming)
    with reading(engine) as tx:
        assert audit.faults(tx) == []
    engine.dispose()


def test_a_group_that_goes_takes_its_people_off_the_boards(engine: Engine) -> None:
    with transaction(engine) as tx:
        programme(tx, MAIN)
        staying, going = (
            programmes.open_group(
                tx, "telegram", chat, "群", by_owner=True, defaults=DEFAULTS, now=NOW
            )
            for chat in ("-1", "-2")
        )
        both, other = (Who("telegram", user, user) for user in ("1", "2"))
        ids = [members.arrive(tx, MAIN, going.id, who, NOW).id for who in (both, other)]
        members.arrive(tx, MAIN, staying.id, both, NOW)
        for id_, points in zip(ids, (9, 5), strict=True):
            give(tx, MAIN, id_, points)
        assert _listed(tx, MAIN) == _everywhere(*ids)
        parted = programmes.part(tx, going, DEFAULTS, NOW)
        assert _listed(tx, MAIN) == _everywhere(ids[0])
        programmes.adopt(tx, parted, since=NOW)
        assert _listed(tx, MAIN) == _everywhere(*ids)


def _group(tx: Tx, camp: int, number: int) -> None:
    tx.core.execute(
        insert(chat_group).values(
            programme_id=camp,
            id=number,
            platform="telegram",
            chat_id=str(number),
            title="",
            created_ms=0,
        )
    )


def test_a_rank_is_exact_at_once(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        people = [member(tx, camp) for _ in range(4)]
        for points, person in zip((50, 40, 40, 10), people, strict=True):
            give(tx, camp, person, points)
        assert _place(tx, camp, people[3]) == (4, 10)
    with undone(engine) as tx:
        give(tx, camp, people[3], 100)
        assert _place(tx, camp, people[3]) == (1, 110)
    with transaction(engine) as tx:
        assert _place(tx, camp, people[3]) == (4, 10)
        give(tx, camp, people[3], 35)
        assert _place(tx, camp, people[3]) == (2, 45)
        for person in people[1:3]:
            give(tx, camp, person, 50)
        assert _place(tx, camp, people[3]) == (4, 45)
    with reading(engine) as tx:
        short = boards.board(tx, camp, "week", DAY, places=3, member_id=people[3])
        assert [place.rank for place in short.places] == [1, 1, 3]
        assert (short.own, short.total) == (Place(4, people[3], "", 45), 4)


def _place(tx: Tx, camp: int, person: int, window: Window = "week") -> tuple[int, int]:
    place = boards.own_place(tx, camp, window, DAY, person)
    assert place is not None
    return place.rank, place.points
