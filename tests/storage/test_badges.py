"""Badges, titles and messages in the store: once each, whoever comes at the same moment."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from content.rulebook import BadgeRule, Deeds
from handlers import weekly
from storage import (
    badges,
    chores,
    dayboards,
    honours,
    ledger,
    members,
    programmes,
    rulebooks,
)
from storage.account import Counts, allowed, counts_text, less, more, read_counts
from storage.chores import Chore
from storage.dayboards import Span
from storage.db import DATABASE_ERRORS, Tx
from storage.programmes import Programme
from tests.storage.books import DAY, NOW, day, give, member, programme, transaction

ROUNDS = 4


def _rules(tx: Tx, camp: int, *whens: tuple[Deeds, int]) -> Programme:
    document = "version = 1\n" + "".join(
        f'[[badge]]\nid = "{what}{n}"\nname = "章"\nemoji = "🌅"\n'
        f'when = {{ what = "{what}", n = {n} }}\n'
        for what, n in whens
    )
    rulebooks.publish(
        tx, camp, document, author="t", note="t", effective=NOW, now=NOW, force="test"
    )
    tx.seen.clear()
    return programmes.programme(tx, camp, NOW)


def _ids(new: list[BadgeRule]) -> list[str]:
    return [badge.id for badge in new]


def test_a_number_that_is_reached_grants_once(engine: Engine) -> None:
    with transaction(engine) as tx:
        here = _rules(tx, programme(tx), ("talk", 2), ("talk", 3), ("gift", 2))
        who = member(tx, here.id)
        told = [_ids(badges.count(tx, here, who, "talk", day(n))) for n in range(4)]
    assert told == [[], ["talk2"], ["talk3"], []]
    with transaction(engine) as tx:
        assert badges.done(tx, here.id, who) == {"talk": 4, "streak": 0}
        assert [(b.id, b.day) for b in badges.held(tx, here.id, who)] == [
            ("talk2", day(1)),
            ("talk3", day(2)),
        ]
        assert badges.reach(tx, here, who, "talk", (0, 9), DAY) == []
        assert _ids(badges.reach(tx, here, who, "gift", (0, 9), DAY)) == ["gift2"]


def test_what_is_undone_grants_nothing(engine: Engine) -> None:
    with transaction(engine) as tx:
        here = _rules(tx, programme(tx), ("talk", 1))
        who = member(tx, here.id)

        def breaks() -> None:
            with tx.savepoint():
                assert badges.count(tx, here, who, "talk", DAY)
                tx.books.talk(here.id, who, DAY)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            breaks()
    with transaction(engine) as tx:
        assert badges.held(tx, here.id, who) == []
        assert badges.done(tx, here.id, who) == {"streak": 0}
        assert tx.core.execute(text("SELECT COUNT(*) FROM talked")).scalar_one() == 0


def test_two_at_once_grant_one(engine: Engine) -> None:
    with transaction(engine) as tx:
        here = _rules(tx, programme(tx), ("gift", 2))
        people = [member(tx, here.id) for _ in range(ROUNDS)]
        for who in people:
            badges.count(tx, here, who, "gift", DAY)
    for who in people:
        gate = threading.Barrier(2)

        def run(who: int, gate: threading.Barrier) -> list[str]:
            gate.wait()
            for _ in range(5):
                try:
                    with transaction(engine) as tx:
                        return _ids(badges.count(tx, here, who, "gift", DAY))
                except DATABASE_ERRORS:  # SQLite has one writer
                    continue
            return ["never"]

        with ThreadPoolExecutor(2) as threads:
            told = [*threads.map(run, (who, who), (gate, gate))]
        assert sorted(told) == [[], ["gift2"]]
        with transaction(engine) as tx:
            assert badges.done(tx, here.id, who)["gift"] == 3


def test_new_rules_are_applied_page_by_page_and_once(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        people = [member(tx, camp) for _ in range(7)]
        here = _rules(tx, camp)
        for who in people[1:]:
            for _ in range(3):
                badges.count(tx, here, who, "order", DAY)
        badges.count(tx, here, people[0], "order", DAY)
    with transaction(engine) as tx:
        assert badges.review_due(tx, here, DAY) == 0  # no badge in the rules
        here = _rules(tx, camp, ("order", 3))
        pages = []
        while done := badges.review_due(tx, here, day(1), most=3):
            pages.append(done)
        assert pages == [3, 3, 1]
        assert badges.review_due(tx, here, day(2), most=3) == 0
    with transaction(engine) as tx:
        held = [[(b.id, b.day) for b in badges.held(tx, camp, who)] for who in people]
    assert held == [[], *[[("order3", day(1))]] * 6]


def test_messages_are_summed_by_day_and_member(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp, other = programme(tx), programme(tx)
        ming, hong, far = member(tx, camp), member(tx, camp), member(tx, other)
        for who in (ming, hong, ming):
            tx.books.talk(camp, who, DAY)
        tx.books.talk(other, far, DAY)
    with transaction(engine) as tx:
        tx.books.talk(camp, ming, DAY)
        tx.books.talk(camp, hong, day(1))
        week = dayboards.board(tx, camp, Span(DAY, day(6), of="talk"), places=5, member_id=hong)
        assert [(p.rank, p.member_id, p.points) for p in week.places] == [
            (1, ming, 3),
            (2, hong, 2),
        ]
        assert (week.total, week.own.rank, week.own.points) == (2, 2, 2)
        alone = dayboards.board(tx, camp, Span(day(1), day(6), of="talk"), places=5, member_id=ming)
        assert ([p.member_id for p in alone.places], alone.own) == ([hong], None)
        willing = dayboards.board(tx, camp, Span(DAY, day(6), of="talk"), places=5, opt_in=True)
        assert willing.places == []


def test_a_chore_is_claimed_by_one_and_never_backwards(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        assert chores.claim(tx, camp, "weekly", Chore(DAY))
        assert not chores.claim(tx, camp, "weekly", Chore(DAY))
        assert not chores.claim(tx, camp, "weekly", Chore(day(-7)))
        assert chores.claim(tx, camp, "weekly", Chore(day(7)))


def test_two_clocks_at_once_tell_the_week_once(engine: Engine) -> None:
    monday = NOW + timedelta(days=5)  # noon would be too late: 9:00 in Shanghai
    for _ in range(ROUNDS):
        with transaction(engine) as tx:
            camp = programme(tx)
            give(tx, camp, member(tx, camp), 5, key=f"{DAY}/test/{camp}")
        gate = threading.Barrier(2)

        def run(gate: threading.Barrier, camp: int) -> str:
            gate.wait()
            for _ in range(20):
                try:
                    with transaction(engine) as tx:
                        return weekly.announce(tx, camp, monday - timedelta(hours=3))
                except DATABASE_ERRORS:
                    continue
            return "never"

        with ThreadPoolExecutor(2) as threads:
            became = [*threads.map(run, (gate, gate), (camp, camp))]
        assert sorted(became) == ["", "told"]
        with transaction(engine) as tx:
            assert camp not in weekly.due(tx, monday)
            (titles,) = honours.holders(tx, camp, monday.date()).values()
            assert titles == ["points"]


def test_who_runs_the_place_is_counted_nowhere(engine: Engine) -> None:
    """The tally follows: the fixture's audit compares it with the accounts."""
    with transaction(engine) as tx:
        camp = programme(tx)
        boss = member(tx, camp)
        give(tx, camp, boss, 9)
        members.wish(tx, camp, boss, members.RUNS_IT)
        tx.books.talk(camp, boss, DAY)
        assert ledger.account(tx, camp, boss).available == 9
        assert dayboards.board(tx, camp, Span(DAY, DAY, of="talk"), places=5).places == []


def test_what_was_done_in_all_outlives_days_and_what_is_taken_back() -> None:
    counts = more(more(Counts(), "talk"), "talk", 3)
    assert counts.ever == {"talk": 4}
    assert read_counts(counts_text(counts)) == counts
    _, later = allowed(counts, (), 5, day(40))
    assert less(later, "talk", 2, day(40)).ever == {"talk": 4}
    assert read_counts("").ever == {}
    assert read_counts('{"in_day":{"earn":5}}').ever == {}  # as it was stored before
