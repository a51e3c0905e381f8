"""Quests in the store: a row for each member, and goals that move on once."""

from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import Engine

from content.notice import Notice
from content.questing import Entry
from handlers import deeds
from storage import ledger, members, programmes, quests
from storage.db import DATABASE_ERRORS, Tx
from storage.ids import new_id
from storage.members import Who
from storage.programmes import Defaults
from storage.quests import GROWING, PAYING, Goal
from tests.storage.books import DAY, NOW, member, programme, transaction

ENTRY = Entry("it", DAY, date(2026, 3, 8), 1, (2, 0))


def test_a_member_has_no_quests_at_first(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        assert quests.get(tx, camp, member(tx, camp)) == (NOW, ())
        with pytest.raises(LookupError):
            quests.get(tx, camp, 7)


def test_quests_are_kept_as_they_are(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp, other = programme(tx), programme(tx)
        ming, hong = member(tx, camp), member(tx, camp)
        elsewhere = member(tx, other)
        for entries in ((ENTRY,), (ENTRY, ENTRY), ()):
            quests.put(tx, camp, ming, entries)
            assert quests.get(tx, camp, ming).entries == entries
        assert quests.get(tx, camp, hong).entries == ()
        assert quests.get(tx, other, elsewhere).entries == ()


def test_what_is_asked_for_travels_with_the_lock(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        quests.put(tx, camp, ming, [ENTRY])
    with transaction(engine) as tx:
        asked = quests.ask(tx, camp, ming)
        ledger.account(tx, camp, ming)
        assert quests.answer(asked) == (NOW, (ENTRY,))


def test_members_come_page_by_page(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        people = sorted(member(tx, camp) for _ in range(5))
        for each in people[:4]:
            quests.put(tx, camp, each, [ENTRY])
        first = quests.page(tx, camp, 0, 3)
        assert first == [(each, (ENTRY,)) for each in people[:3]]
        assert quests.page(tx, camp, first[-1][0], 3) == [(people[3], (ENTRY,))]


def _goal(tx: Tx, camp: int) -> Goal:
    found = quests.goal(tx, camp, ENTRY.quest, ENTRY.last)
    assert found is not None
    return found


def test_what_all_do_is_added_up(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp, other = programme(tx), programme(tx)
        ming, hong = sorted((member(tx, camp), member(tx, camp)))
        assert quests.goal(tx, camp, ENTRY.quest, ENTRY.last) is None
        for who, helps in ((ming, 1), (hong, 2), (ming, 3)):
            quests.help_on(tx, camp, who, ENTRY, helps)
        assert quests.total(tx, camp, ENTRY.quest, ENTRY.last) == 6
        assert quests.total(tx, camp, ENTRY.quest, DAY) == 0
        assert quests.total(tx, other, ENTRY.quest, ENTRY.last) == 0
        assert quests.goals(tx, camp) == [Goal("it", ENTRY.last, 1, 0, GROWING, 0)]
        assert quests.with_goals(tx) == [camp]
        assert quests.helpers(tx, camp, _goal(tx, camp), 1, 9) == [ming, hong]
        assert quests.helpers(tx, camp, _goal(tx, camp), 3, 9) == [ming]
        assert quests.helpers(tx, camp, _goal(tx, camp), 1, 1) == [ming]
        assert quests.helpers(tx, camp, _goal(tx, camp)._replace(cursor=ming), 1, 9) == [hong]


def test_a_goal_moves_on_once(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        quests.help_on(tx, camp, member(tx, camp), ENTRY, 1)
        known = _goal(tx, camp)
        paying = known._replace(stage=1, state=PAYING)
        assert quests.move(tx, camp, known, paying)
        assert not quests.move(tx, camp, known, paying)
        assert _goal(tx, camp) == paying
        quests.help_on(tx, camp, member(tx, camp), ENTRY, 1)  # which sets up nothing anew
        assert _goal(tx, camp) == paying
        assert quests.move(tx, camp, paying, paying._replace(state=quests.GROWN))
        assert quests.goals(tx, camp) == []
        assert quests.with_goals(tx) == []


def test_an_answer_is_kept_once(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming, hong = member(tx, camp), member(tx, camp)
        assert quests.choose(tx, camp, ming, ("taste", 0), 1, 1, NOW)
        assert not quests.choose(tx, camp, ming, ("taste", 0), 0, 1, NOW)
        assert quests.choose(tx, camp, ming, ("taste", 1), 2, 1, NOW)
        assert quests.choose(tx, camp, hong, ("taste", 0), 1, 1, NOW)
        assert quests.choose(tx, camp, hong, ("other", 0), 0, 1, NOW)
        assert quests.answered(tx, camp, ming, "taste") == {0, 1}
        assert quests.answered(tx, camp, hong, "taste") == {0}
        assert quests.results(tx, camp, "taste") == {(0, 1): 2, (1, 2): 1}
        assert quests.results(tx, programme(tx), "taste") == {}


def test_there_are_no_quests_without_a_member(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        members.enrol(tx, camp, Who("telegram", "x", "x"), NOW)
    for write in (
        lambda tx: quests.put(tx, camp, 7, [ENTRY]),
        lambda tx: quests.help_on(tx, camp, 7, ENTRY, 1),
        lambda tx: quests.choose(tx, camp, 7, ("taste", 0), 1, 1, NOW),
    ):
        with pytest.raises(DATABASE_ERRORS), transaction(engine) as tx:
            write(tx)


WATCH = """
version = 1
[[quest]]
id = "watch"
name = "看视频"
period = "day"
steps = [{ what = "custom.watched", n = 2, name = "看" }, "order.completed"]
points = 9
"""


def _shop(tx: Tx) -> tuple[int, int]:
    camp = new_id()
    programmes.create(tx, camp, "营", Defaults("Asia/Shanghai", "zh", WATCH), NOW)
    return camp, member(tx, camp)


def _tell(tx: Tx, where: tuple[int, int], event: str, key: str, at: datetime = NOW) -> None:
    camp, who = where
    order = {"order": key, "amount_fen": 5} if event == "order.completed" else {}
    notice = Notice(key=key, event=event, at=at, member_id=str(who), **order)
    (receipt,) = deeds.take(tx, camp, [notice], actor="shop", now=NOW)
    assert isinstance(receipt, deeds.Receipt)


def test_what_a_shop_tells_counts_once_and_is_told_with_the_next_answer(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp, who = _shop(tx)
        for key in ("a", "a", "b", "a"):
            _tell(tx, (camp, who), "custom.watched", key)
        assert ledger.account(tx, camp, who).available == 0
        for key in ("o", "o", "o2"):
            _tell(tx, (camp, who), "order.completed", key)
        (entry,) = quests.get(tx, camp, who).entries
        assert (entry.counts, entry.state, entry.points, entry.told) == ((2, 1), "paid", 9, False)
        assert ledger.account(tx, camp, who).available == 9
        assert tx.told == []


@pytest.mark.parametrize(
    ("ago", "counts"), [(timedelta(), True), (timedelta(days=1), True), (timedelta(days=2), False)]
)
def test_what_is_told_late_counts_for_its_day_until_the_next_is_over(
    engine: Engine, ago: timedelta, counts: bool
) -> None:
    with transaction(engine) as tx:
        camp, who = _shop(tx)
        _tell(tx, (camp, who), "custom.watched", "a", NOW - ago)
        entries = quests.get(tx, camp, who).entries
        assert [entry.last for entry in entries] == [DAY - ago] * counts
