"""Every table says what of it is somebody's: exported, and gone when he is erased."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select, text

from content.privacy import erased_name
from content.texts import LOCALES, texts
from storage import (
    about,
    ages,
    consents,
    downloads,
    erasing,
    gifts,
    members,
    outbox,
    programmes,
    reviews,
    room,
)
from storage.books import POINTS
from storage.db import Tx, open_engine, to_ms
from storage.members import Who
from storage.movement import Side
from storage.room import Line
from storage.tables import metadata
from tests.storage.books import (
    DAY,
    NOW,
    end_gift,
    give,
    member,
    offer,
    owe,
    posting,
    programme,
    transaction,
    undone,
)

LATER = NOW + timedelta(days=8)


def test_every_table_is_exported_or_holds_nothing_about_persons() -> None:
    """A new table has to be told of in storage/about.py, and erased in storage/erasing.py."""
    assert {*about.EXPORTED} | {*about.NOTHING} == {*metadata.tables}
    assert {*about.EXPORTED} & {*about.NOTHING} == set()
    assert all(about.NOTHING.values())


def test_what_is_said_to_hold_nothing_names_no_member() -> None:
    telling = {"member_id", "owner_id", "user_id", "giver_id", "receiver_id", "identity"}
    for name in about.NOTHING:
        assert not telling & {column.name for column in metadata.tables[name].columns}, name


@pytest.mark.parametrize("locale", LOCALES)
def test_each_part_is_described(locale: str) -> None:
    assert all(f"about.{table}" in texts(locale) for table in about.EXPORTED)


def _told(tx: Tx, camp: int, person: int) -> dict[str, list[dict[str, Any]]]:
    return {table: [*rows] for table, rows in about.tell(tx, camp, person)}


def test_telling_covers_what_is_promised(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        person = member(tx, camp)
    with undone(engine) as tx:
        assert {*_told(tx, camp, person)} == {*about.EXPORTED}


OF_FEATURES = (
    "INSERT INTO arrival (programme_id, group_id, member_id, at_ms) VALUES (:p, 5, :m, :at)",
    "INSERT INTO talked (programme_id, day, member_id, messages) VALUES (:p, :day, :m, 3)",
    "INSERT INTO honour (programme_id, week, title, member_id) VALUES (:p, :day, 'talk', :m)",
    (
        "INSERT INTO badge (programme_id, member_id, badge, day, name, emoji)"
        " VALUES (:p, :m, 'first', :day, '初见', '🌱')"
    ),
    "INSERT INTO questing (programme_id, member_id, entries) VALUES (:p, :m, '[]')",
    (
        "INSERT INTO quest_help (programme_id, quest, last_day, member_id, helps)"
        " VALUES (:p, 'tree', :day, :m, 1)"
    ),
    (
        "INSERT INTO survey_answer (programme_id, survey, member_id, question, choice, version,"
        " at_ms) VALUES (:p, 'taste', :m, 0, 1, 1, :at)"
    ),
    "INSERT INTO photo (programme_id, id, member_id, day, made_ms) VALUES (:p, 7, :m, :day, :at)",
    "INSERT INTO photo_like (programme_id, photo_id, member_id) VALUES (:p, 7, :m)",
    (
        "INSERT INTO finding (programme_id, id, member_id, kind, evidence, first_day, appeal,"
        " made_ms) VALUES (:p, 8, :m, 'script', '{}', :day, '小明秘密说', :at)"
    ),
    (
        "INSERT INTO credit_entry (programme_id, id, member_id, points, why, by, at_ms)"
        " VALUES (:p, 9, :m, -5, 'script', 'clock', :at)"
    ),
    (
        "INSERT INTO habit (programme_id, what, day, member_id, times)"
        " VALUES (:p, 'left', :day, :m, 1)"
    ),
    (
        "INSERT INTO question (programme_id, platform, user_id, group_id, token, way, right_n,"
        " asked_ms) VALUES (:p, 'local', 'ming-secret', 5, 't', 'sum', 1, :at)"
    ),
    (
        "INSERT INTO direct (programme_id, platform, user_id, chat_id, locale, since_ms)"
        " VALUES (0, 'local', 'ming-secret', 'private-ming-secret', 'zh', :at)"
    ),
    (
        "INSERT INTO binding (programme_id, id, survivor_id, bound_id, made_ms, snapshot, moved)"
        " VALUES (:p, 10, :m, 77, :at, 'local:ming-secret', '[]')"
    ),
    "INSERT INTO link_code (programme_id, member_id, hash, due_ms) VALUES (:p, :m, 'h', :at)",
    "INSERT INTO link_try (programme_id, member_id, since_ms, tries) VALUES (:p, :m, :at, 1)",
    "INSERT INTO invite_code (programme_id, code, member_id, made_ms) VALUES (:p, 'C', :m, :at)",
    (
        "INSERT INTO invite_rung (programme_id, member_id, n, reward, state, reached_ms)"
        " VALUES (:p, :m, 1, 'cup', 'open', :at)"
    ),
    (
        "INSERT INTO referral (programme_id, id, platform, user_id, member_id, inviter_id, way,"
        " state, clicked_ms) VALUES (:p, 11, 'local', 'ming-secret', :m, 0, 'link', 'pending',"
        " :at)"
    ),
)
"""Traces in the tables of features, one in each."""


def _everywhere(tx: Tx, camp: int) -> tuple[int, Who]:
    """Let somebody leave traces in as many tables as possible."""
    who = Who("local", "ming-secret", "小明秘密")
    person = members.enrol(tx, camp, who, NOW).id
    tx.flush()
    other = member(tx, camp, "小红")
    give(tx, camp, person, 50)
    give(tx, camp, other, 50)
    give(tx, camp, person, 20, wallet="coin")
    gift = offer(tx, camp, person, other, 5)
    end_gift(tx, camp, gift, gifts.ACCEPTED)
    offer(tx, camp, other, person, 6)
    own: dict[str, Any] = {"p": camp, "m": person, "at": to_ms(NOW), "day": DAY}
    for sql in (
        "INSERT INTO checkin (programme_id, member_id, day, at_ms) VALUES (:p, :m, :day, :at)",
        (
            "INSERT INTO membership (programme_id, group_id, member_id, joined_ms)"
            " VALUES (:p, 5, :m, :at)"
        ),
        (
            "INSERT INTO chat_group (programme_id, id, platform, chat_id, title, created_ms)"
            " VALUES (:p, 5, 'local', 'x', '露营群', :at)"
        ),
        "INSERT INTO spent (programme_id, month, owner_id, fen) VALUES (:p, :day, :m, 100)",
        (
            "INSERT INTO paid_once (programme_id, rule, wallet, subject)"
            " VALUES (:p, 'r', 'points', 'member/' || CAST(:m AS TEXT))"
        ),
        *OF_FEATURES,
    ):
        used = {name: value for name, value in own.items() if f":{name}" in sql}
        tx.core.execute(text(sql), used)
    said, _ = _in_the_room(tx, camp, "ming-secret", "大家好", "group")
    _in_the_room(tx, camp, "bot", "小明秘密，好", "group", reply_to=f"{said.id}")
    _in_the_room(tx, camp, "bot", "小明秘密", "private-ming-secret")
    award = posting(camp, Side(person, "available"), 9)
    reviews.queue(tx, award._replace(actor="local:ming-secret"), NOW)
    consents.give(tx, camp, person, "contact", identity="local:ming-secret", now=NOW)
    ages.declare(tx, camp, person, "adult", identity="local:ming-secret", now=NOW)
    downloads.make(tx, camp, ("local", "ming-secret"), "zh", NOW)
    for chat in ("private-ming-secret", "group"):
        outbox.put(
            tx,
            programme_id=camp,
            platform="local",
            chat_id=chat,
            thread=None,
            kind="say",
            target=None,
            person="ming-secret",
            payload='{"text":"小明秘密"}',
            created_ms=to_ms(NOW),
            expires_ms=to_ms(LATER),
        )
    return person, who


def _in_the_room(
    tx: Tx, camp: int, person: str, words: str, chat: str, *, reply_to: str | None = None
) -> tuple[Line, bool]:
    return room.add(
        tx,
        camp,
        chat_id=chat,
        person=person,
        name="小明秘密" if person != "bot" else "群营",
        kind="bot" if person == "bot" else "person",
        text=words,
        at=NOW,
        client=words,
        reply_to=reply_to,
    )


def _traces(tx: Tx, *words: str) -> dict[str, list[str]]:
    """Return every text in the store that holds one of these words, by table."""
    found: dict[str, list[str]] = {}
    for name, table in metadata.tables.items():
        for row in tx.core.execute(select(table)):
            for value in row:
                if isinstance(value, str) and any(word in value for word in words):
                    found.setdefault(name, []).append(value)
    return found


def test_who_is_erased_leaves_no_name_and_no_account_anywhere(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        person, _ = _everywhere(tx, camp)
    with undone(engine) as tx:
        full = _told(tx, camp, person)
        empty = {table for table, rows in full.items() if not rows}
        assert empty == {"tombstone", "lot", "maturing", "deed", "compensation_line"}
        assert len(full["outbox"]) == 2
        assert [row["text"] for row in full["room_message"]] == ["大家好"]
        named = {"member", "identity", "review", "consent", "age", "download"}
        named |= {"finding", "question", "direct", "binding", "referral"}
        assert {*_traces(tx, "ming-secret", "小明秘密")} == named | {"outbox", "room_message"}
    with transaction(engine) as tx:
        assert erasing.ask(tx, camp, person, NOW)
        here = programmes.programme(tx, camp, LATER)
        assert erasing.run_due(tx, here, LATER.date(), LATER) == 1
    with transaction(engine) as tx:
        assert erasing.run_due(tx, here, LATER.date(), LATER) == 0
        assert erasing.sweep(tx, here, LATER.date(), LATER) == 0
    with undone(engine) as tx:
        assert _traces(tx, "ming-secret", "小明秘密") == {}
        assert members.name(tx, camp, person) == erased_name(texts("zh"), person)
        assert {w.available for w in members.wallets(tx, camp, person)} == {0}
        states = tx.core.execute(text("SELECT state, decided_by FROM review")).all()
        assert states == [("cancelled", "erased")]
        assert tx.core.execute(text("SELECT state FROM gift ORDER BY id")).scalars().all() == [
            "accepted", "declined"]  # fmt: skip
        assert tx.core.execute(text("SELECT posting FROM spent")).scalar_one() == -1


def test_a_million_movements_are_read_a_page_at_a_time(engine: Engine) -> None:
    """Not a million here; what matters is that no page is more than a statement."""
    with transaction(engine) as tx:
        camp = programme(tx)
        person = member(tx, camp)
        for number in range(2 * about.PAGE + 1):
            give(tx, camp, person, 1 + number % 3)
    with undone(engine) as tx:
        rows = _told(tx, camp, person)["posting"]
    assert len(rows) == 2 * about.PAGE + 1
    ids = [row["id"] for row in rows]
    assert ids == sorted(ids, reverse=True)
    assert len(set(ids)) == len(ids)


def test_erasing_needs_a_secret_that_is_not_in_the_store(store_url: str) -> None:
    engine = open_engine(store_url)
    with transaction(engine) as tx:
        camp = programme(tx)
        person = member(tx, camp)
        erasing.ask(tx, camp, person, NOW)
    with undone(engine) as tx:
        here = programmes.programme(tx, camp, LATER)
        with pytest.raises(ValueError, match="secret"):
            erasing.run_due(tx, here, LATER.date(), LATER)
    engine.dispose()


def test_debts_in_every_wallet_are_waived(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        person = member(tx, camp)
        owe(tx, camp, person, 7)
        owe(tx, camp, person, 9, wallet="coin")
        erasing.ask(tx, camp, person, NOW)
        here = programmes.programme(tx, camp, LATER)
        assert erasing.run_due(tx, here, LATER.date(), LATER) == 1
        for wallet in (POINTS, "coin"):
            assert tx.books.account(tx, camp, person, wallet).debt == 0
