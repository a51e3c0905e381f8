"""Boards of any days and kinds against a plain sum over the postings."""

from collections import Counter
from datetime import date
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from storage import dayboards, ledger, members, standings, undoing
from storage.dayboards import Span
from storage.db import Tx
from storage.movement import Posted, Side
from storage.standings import Place
from tests.storage.books import (
    DAY,
    day,
    give,
    member,
    posting,
    programme,
    transaction,
    undo,
    undone,
)

KINDS = ("consume", "social", "behaviour")


class Gain(NamedTuple):
    person: int
    on: int
    points: int
    kind: str
    back: int
    """So much of it is taken back, on a later day."""


class Asked(NamedTuple):
    first: int
    days: int
    kind: str
    places: int


GAINS = st.lists(
    st.builds(
        Gain,
        person=st.integers(0, 4),
        on=st.integers(0, 9),
        points=st.sampled_from([1, 2, 5, 5]),
        kind=st.sampled_from(KINDS),
        back=st.sampled_from([0, 0, 1, 5]),
    ),
    max_size=15,
)


def _give(tx: Tx, who: tuple[int, int], points: int, on: date, kind: str) -> Posted:
    camp, person = who
    made = posting(camp, Side(person, "available"), points, day=on)._replace(kind=kind)
    return ledger.post(tx, made)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    gains=GAINS,
    asked=st.builds(
        Asked,
        first=st.integers(0, 9),
        days=st.integers(0, 9),
        kind=st.sampled_from(["", *KINDS]),
        places=st.integers(0, 6),
    ),
    hidden=st.sets(st.integers(0, 4), max_size=2),
    willing=st.sets(st.integers(0, 4), max_size=3),
)
def test_a_board_of_days_is_the_sum_of_their_postings(
    engine: Engine,
    gains: list[Gain],
    asked: Asked,
    hidden: set[int],
    willing: set[int],
) -> None:
    first, days, kind, places = asked
    sums: Counter[int] = Counter()
    with undone(engine) as tx:
        camp = programme(tx)
        people = [member(tx, camp, f"p{number}") for number in range(5)]
        for number, gain in enumerate(gains):
            who = people[gain.person]
            posted = _give(tx, (camp, who), gain.points, day(gain.on), gain.kind)
            back = min(gain.back, gain.points)
            if back:
                undoing.reverse(tx, camp, posted.id, undo(f"u{number}", day(12)), amount=back)
            if first <= gain.on <= first + days and kind in {"", gain.kind}:
                sums[who] += gain.points - back
        for number in hidden:
            members.wish(tx, camp, people[number], -1)
        for number in willing - hidden:
            members.wish(tx, camp, people[number], 1)
        span = Span(day(first), day(first + days), kind)
        for opt_in in (False, True):
            stand = {people[n] for n in (willing if opt_in else set(range(5))) - hidden}
            standing = {who: points for who, points in sums.items() if points and who in stand}
            expected = [
                (1 + sum(other > points for other in standing.values()), who, points)
                for who, points in sorted(standing.items(), key=lambda i: (-i[1], -i[0]))
            ]
            for me in people:
                shown = dayboards.board(tx, camp, span, places=places, member_id=me, opt_in=opt_in)
                found = [(p.rank, p.member_id, p.points) for p in shown.places]
                assert found == expected[:places]
                assert shown.total == len(expected)
                rank = next((rank for rank, who, _ in expected if who == me), 0)
                assert shown.own == (Place(rank, me, "", sums[me]) if sums[me] else None)


def test_another_programmes_and_another_wallets_points_do_not_count(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp, other = programme(tx), programme(tx)
        ming, hong = member(tx, camp), member(tx, other)
        give(tx, camp, ming, 5)
        give(tx, other, hong, 50)
        give(tx, camp, ming, 500, wallet="coin")
        shown = dayboards.board(tx, camp, Span(DAY, DAY), places=10, member_id=hong)
        assert [(p.member_id, p.points) for p in shown.places] == [(ming, 5)]
        assert shown.own is None


def test_all_of_time_is_a_span_as_well(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp, "小明")
        forever = Span(date.min, DAY, "social")
        assert dayboards.board(tx, camp, forever, places=10, member_id=ming) == ([], 0, None)
        _give(tx, (camp, ming), 7, DAY, "social")
        _give(tx, (camp, ming), 9, day(1), "social")  # a day after the span
        shown = dayboards.board(tx, camp, forever, places=10, member_id=ming)
        assert shown.places == [Place(1, ming, "小明", 7)]
        assert shown.own == Place(1, ming, "", 7)


def test_a_costly_sum_is_kept_but_who_hides_is_shown_no_longer(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standings, "KEPT_FROM", 3)
    monkeypatch.setattr(standings, "KEPT_FOR", 10**6)
    span = Span(DAY, DAY)
    with transaction(engine) as tx:
        camp = programme(tx)
        people = [member(tx, camp) for _ in range(3)]
        for person, points in zip(people, (30, 20, 10), strict=True):
            give(tx, camp, person, points)
    with transaction(engine) as tx:
        assert _listed(tx, camp, span) == people
    with transaction(engine) as tx:
        give(tx, camp, people[2], 100)
        members.wish(tx, camp, people[0], -1)
        assert _listed(tx, camp, span) == people[1:]  # kept from before, but for who hides
        shown = dayboards.board(tx, camp, span, places=2, member_id=people[2])
        assert shown.own is not None
        assert shown.own.points == 110  # one's own points are never old
    monkeypatch.setattr(standings, "KEPT_FROM", 1_000)
    standings._kept.clear()
    with transaction(engine) as tx:
        assert _listed(tx, camp, span) == [people[2], people[1]]


def _listed(tx: Tx, camp: int, span: Span) -> list[int]:
    return [place.member_id for place in dayboards.board(tx, camp, span, places=2 + 1).places]
