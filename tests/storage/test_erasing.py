"""Erasure beside what happens at the same moment, and what a shop tells of who has gone."""

from datetime import timedelta

import pytest
from alembic import command
from sqlalchemy import Engine, inspect, text

from content.message import Refusal
from handlers.deeds import Receipt, take
from storage import erasing, gifts, members, programmes, schema, tombstones
from storage.db import Tx, reading
from storage.members import Who
from storage.programmes import MAIN
from tests.storage.books import NOW, buckets, give, member, programme, transaction, undone
from tests.storage.test_deeds import CUSTOM, Shop, notice
from tests.storage.test_gifts_at_once import _at_once, _does, _offers, _open
from tests.storage.test_schema import _config

LATER = NOW + timedelta(days=8)


def _asked(engine: Engine, person: int, programme_id: int = MAIN) -> None:
    """Let somebody have asked a week ago, so that he is erased now."""
    with transaction(engine) as tx:
        assert erasing.ask(tx, programme_id, person, NOW - timedelta(days=7))


def _erase(tx: Tx) -> int:
    here = programmes.programme(tx, MAIN, NOW)
    return erasing.run_due(tx, here, NOW.date(), NOW)


def _sweep(engine: Engine) -> None:
    with transaction(engine) as tx:
        erasing.sweep(tx, programmes.programme(tx, MAIN, NOW), NOW.date(), NOW)


def test_a_checkin_at_the_same_moment_is_before_or_after(engine: Engine) -> None:
    for trial in range(4):
        (ming,) = _open(engine, f"ming{trial}") if not trial else _more(engine, f"ming{trial}")
        _asked(engine, ming)
        outcomes = _at_once(engine, [_does(f"ming{trial}", "签到", trial), _erase])
        assert [each.state for each in outcomes] == ["done", "done"]
        _sweep(engine)
        with reading(engine) as tx:
            assert buckets(tx, MAIN, ming) == {}
            who = Who("telegram", f"ming{trial}", "")
            back = members.find(tx, MAIN, who, None)
            assert back is None or (back.id != ming and back.available == 5)
            left = "SELECT COUNT(*) FROM membership WHERE member_id = :id"
            assert tx.core.execute(text(left), {"id": ming}).scalar_one() == 0
            checkins = "SELECT COUNT(*) FROM checkin WHERE member_id = :id"
            assert tx.core.execute(text(checkins), {"id": ming}).scalar_one() == 0


def _more(engine: Engine, name: str) -> list[int]:
    with transaction(engine) as tx:
        group = programmes.group(tx, "telegram", "-1")
        assert group is not None
        return [members.arrive(tx, MAIN, group.id, Who("telegram", name, name), NOW).id]


def test_a_gift_that_is_accepted_at_the_same_moment_has_one_outcome(engine: Engine) -> None:
    ming, hong = _open(engine, "ming", "hong")
    (offered,) = _offers(engine, ming, hong)
    _asked(engine, ming)
    accepted, erased = _at_once(engine, [_does("hong", f"gift yes {offered.id}", 1), _erase])
    assert (accepted.state, erased.value) == ("done", 1)
    with reading(engine) as tx:
        found = gifts.get(tx, MAIN, offered.id)
        assert found is not None
        assert found.state in {"accepted", "taken_back"}
        assert buckets(tx, MAIN, ming) == {}
        assert buckets(tx, MAIN, hong)["available"] == (120 if found.state == "accepted" else 100)


def test_two_clocks_erase_once(engine: Engine) -> None:
    ming, _ = _open(engine, "ming", "hong")
    _asked(engine, ming)
    outcomes = _at_once(engine, [_erase, _erase])
    assert sorted(each.value for each in outcomes) == [0, 1]
    with reading(engine) as tx:
        rows = tx.core.execute(text("SELECT amount FROM posting WHERE reason = 'erased'"))
        assert [amount for (amount,) in rows] == [100]


def test_who_stays_at_the_last_moment_stays_or_is_gone(engine: Engine) -> None:
    (ming,) = _open(engine, "ming")
    _asked(engine, ming)

    def stay(tx: Tx) -> bool:
        return erasing.stay(tx, MAIN, ming)

    stayed, erased = _at_once(engine, [stay, _erase])
    assert {stayed.value, bool(erased.value)} == {True, False}
    with reading(engine) as tx:
        assert (members.find(tx, MAIN, Who("telegram", "ming", ""), None) is None) == erased.value


def test_a_name_that_comes_too_late_is_not_kept(engine: Engine) -> None:
    """An event had read the member before he was erased."""
    (ming,) = _open(engine, "ming")
    with reading(engine) as tx:
        known = members.find(tx, MAIN, Who("telegram", "ming", ""), None)
    _asked(engine, ming)
    with transaction(engine) as tx:
        assert _erase(tx) == 1
    with transaction(engine) as tx:
        group = programmes.group(tx, "telegram", "-1")
        assert group is not None
        who = Who("telegram", "ming", "新名字")
        members.take_in(tx, MAIN, group.id, who, NOW, known=known)
    _sweep(engine)
    with reading(engine) as tx:
        assert members.name(tx, MAIN, ming).startswith("已注销用户")


# -- what shops tell -----------------------------------------------------------------------------


def test_what_is_paid_once_to_a_member_is_not_paid_to_who_comes_back(engine: Engine) -> None:
    with transaction(engine) as tx:
        shop = Shop(tx, CUSTOM)
        who = Who("shop", "C-9", "小刚")
        first = members.enrol(tx, shop.camp, who, NOW).id

        def watch(key: str) -> int:
            said = notice("custom.film", key=key, platform="shop", user_id="C-9")
            (told,) = take(tx, shop.camp, [said], actor="api:t", now=LATER)
            assert isinstance(told, Receipt)
            return sum(part.points for part in told.deed.parts)

        assert watch("a") == 30
        assert watch("b") == 0
        erasing.ask(tx, shop.camp, first, NOW)
        here = programmes.programme(tx, shop.camp, LATER)
        assert erasing.run_due(tx, here, LATER.date(), LATER) == 1
        again = members.enrol(tx, shop.camp, who, LATER).id
        assert again != first
        assert watch("c") == 0
        assert tombstones.forget_old(tx, LATER + timedelta(days=365)) == 1
        assert watch("d") == 30


def test_of_an_erased_member_nothing_new_is_told(engine: Engine) -> None:
    with transaction(engine) as tx:
        shop = Shop(tx)
        erasing.ask(tx, shop.camp, shop.ming, NOW)
        here = programmes.programme(tx, shop.camp, LATER)
        assert erasing.run_due(tx, here, LATER.date(), LATER) == 1
        said = notice(member_id=f"{shop.ming}")
        (told,) = take(tx, shop.camp, [said], actor="api:t", now=LATER)
        assert isinstance(told, Refusal)
        assert told.key == "deed.member_unknown"


# -- the store of before -------------------------------------------------------------------------


def test_members_of_before_have_said_nothing(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        give(tx, camp, member(tx, camp), 5)
    with engine.begin() as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.downgrade(config, "0005")
        for table in ("consent", "age", "download", "tombstone"):
            assert not inspect(connection).has_table(table)
    assert schema.migrate(engine) == "0005"
    with undone(engine) as tx:
        row = tx.core.execute(text("SELECT visibility, erase_ms, erased_ms FROM member")).one()
        assert tuple(row) == ("", None, None)


@pytest.mark.parametrize("table", ["member", "identity"])
def test_erasing_is_for_one_programme(engine: Engine, table: str) -> None:
    with transaction(engine) as tx:
        who = Who("telegram", "7", "小明")
        camps = [programme(tx, MAIN), programme(tx)]
        here, _ = [members.enrol(tx, camp, who, NOW).id for camp in camps]
    _asked(engine, here)
    with transaction(engine) as tx:
        assert _erase(tx) == 1
    with reading(engine) as tx:
        places = members.places(tx, ("telegram", "7"))
        assert [place.programme_id for place in places] == [camps[1]]
        rows = tx.core.execute(text(f"SELECT COUNT(*) FROM {table}")).scalar_one()
        assert rows == (2 if table == "member" else 1)
