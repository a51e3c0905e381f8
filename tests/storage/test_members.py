"""Members: found by their accounts, renamed, gone and back, at home in private."""

from sqlalchemy import Engine

from storage import checkins, members, programmes
from storage.db import Tx
from storage.members import Who
from tests.storage.books import DAY, DEFAULTS, NOW, count, give, programme, transaction

MING = Who("telegram", "7001", "小明")


def _group(tx: Tx, programme_id: int, chat_id: str) -> int:
    group = programmes.open_group(
        tx, "telegram", chat_id, "群", by_owner=programme_id == 1, defaults=DEFAULTS, now=NOW
    )
    return group.id


def test_somebody_new_becomes_a_member_with_an_empty_account(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx, 1)
        group = _group(tx, camp, "-1")
        assert members.find(tx, camp, MING, group) is None
        made = members.arrive(tx, camp, group, MING, NOW)
        assert made[1:10] == ("小明", "active", 0, 0, 0, 0, 0, None, 0)
        found = members.arrive(tx, camp, group, MING, NOW)
        assert found.id == made.id
        for table in ("member", "identity", "account", "membership"):
            assert count(tx, table) == 1


def test_a_name_follows_its_owner(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx, 1)
        group = _group(tx, camp, "-1")
        first = members.arrive(tx, camp, group, MING, NOW)
        renamed = members.arrive(tx, camp, group, MING._replace(name="  明哥\n🏕 "), NOW)
        assert (renamed.id, renamed.name) == (first.id, "明哥🏕")
        found = members.find(tx, camp, MING, group)
        assert found is not None
        assert found.name == "明哥🏕"


def test_the_nameless_are_told_apart_by_their_number() -> None:
    for user_id, shown in (("700123", "#0123"), ("7", "#7"), ("zhangsan", "#gsan")):
        assert Who("telegram", user_id, "\u200b\u202e").clean_name == shown


def test_who_leaves_and_comes_back_is_the_same_member(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx, 1)
        group, other = _group(tx, camp, "-1"), _group(tx, camp, "-2")
        first = members.arrive(tx, camp, group, MING, NOW)
        members.arrive(tx, camp, other, MING, NOW)
        give(tx, camp, first.id, 5)
        members.leave(tx, camp, group, first.id)
        members.leave(tx, camp, group, first.id)
        gone = members.find(tx, camp, MING, group)
        there = members.find(tx, camp, MING, other)
        assert gone is not None
        assert there is not None
        assert (gone.state, there.state) == ("left", "active")
        back = members.arrive(tx, camp, group, MING, NOW)
        assert (back.id, back.state, back.available) == (first.id, "active", 5)


def test_accounts_on_two_platforms_are_one_member(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx, 1)
        group = _group(tx, camp, "-1")
        ming = members.arrive(tx, camp, group, MING, NOW)
        wecom = Who("wecom", "7001", "张明")
        assert members.find(tx, camp, wecom, group) is None
        members.link(tx, camp, ming.id, wecom)
        found = members.find(tx, camp, wecom, group)
        assert found is not None
        assert found.id == ming.id


def test_the_same_person_is_another_member_in_another_programme(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp, other = programme(tx, 1), programme(tx)
        ids = {members.enrol(tx, id_, MING, NOW).id for id_ in (camp, other)}
        assert len(ids) == 2


def test_at_home_is_where_one_was_active_last(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx, 1)
        group = _group(tx, camp, "-1")
        stranger = _group(tx, 0, "-2")
        theirs = programmes.group(tx, "telegram", "-2")
        assert theirs is not None
        assert programmes.home(tx, "telegram", MING.user_id) is None
        here = members.arrive(tx, camp, group, MING, NOW)
        give(tx, camp, here.id, 5)
        assert programmes.home(tx, "telegram", MING.user_id) == camp
        there = members.arrive(tx, theirs.programme_id, stranger, MING, NOW)
        assert programmes.home(tx, "telegram", MING.user_id) == camp
        give(tx, theirs.programme_id, there.id, 5)
        assert programmes.home(tx, "telegram", MING.user_id) == theirs.programme_id
        members.leave(tx, theirs.programme_id, stranger, there.id)
        assert programmes.home(tx, "telegram", MING.user_id) == camp
        members.leave(tx, camp, group, here.id)
        assert programmes.home(tx, "telegram", MING.user_id) is None
        assert programmes.home(tx, "wecom", MING.user_id) is None


def test_a_day_is_checked_in_once(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx, 1)
        group = _group(tx, camp, "-1")
        for expected in (1, None):
            ming = members.arrive(tx, camp, group, MING, NOW)
            assert checkins.add(tx, camp, ming.id, DAY, NOW) == expected
        give(tx, camp, ming.id, 5, reason="checkin")  # the books want it paid
        ming = members.arrive(tx, camp, group, MING, NOW)
        assert (ming.checkin_day, ming.streak) == (DAY, 1)
