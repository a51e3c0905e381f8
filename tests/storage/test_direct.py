"""Who can be written to in private, and what is said of one's own accord."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine

from content.message import LetIn, Reply, unpack
from storage import direct, members, outbox
from storage.db import Tx, reading
from storage.members import Who
from tests.storage.books import NOW, transaction

MING = Who("telegram", "7001", "小明")
ALSO_MING = Who("local", "ming", "小明")


@pytest.fixture
def ming(engine: Engine) -> int:
    with transaction(engine) as tx:
        member = members.enrol(tx, 1, MING, NOW)
        members.link(tx, 1, member.id, ALSO_MING)
    return member.id


def test_a_member_is_written_to_where_he_has_spoken_last(engine: Engine, ming: int) -> None:
    with transaction(engine) as tx:
        assert direct.chats(tx, 1, ming) == []
        direct.note(tx, MING, "7001", "zh-hans", NOW)
        direct.note(tx, ALSO_MING, "private-ming", "", NOW + timedelta(hours=1))
        direct.note(tx, Who("telegram", "9", "路人"), "9", "en", NOW)
    with reading(engine) as tx:
        assert direct.chats(tx, 1, ming) == [
            ("local", "private-ming", ""),
            ("telegram", "7001", "zh-hans"),
        ]
        assert direct.chats(tx, 2, ming) == []


def test_a_new_chat_or_language_takes_the_old_ones_place(engine: Engine, ming: int) -> None:
    with transaction(engine) as tx:
        for chat, locale in (("1", "zh"), ("1", "zh"), ("1", "en"), ("2", "en" * 20)):
            direct.note(tx, MING, chat, locale, NOW)
        assert direct.chats(tx, 1, ming) == [("telegram", "2", ("en" * 20)[:16])]
        direct.forget(tx, "local", "2")
        assert len(direct.chats(tx, 1, ming)) == 1
        direct.forget(tx, "telegram", "2")
        assert direct.chats(tx, 1, ming) == []


def _say(tx: Tx, text: str) -> None:
    outbox.say(
        tx, programme_id=1, platform="telegram", chat_id="-1", reply=Reply(text, life_s=60), now=NOW
    )


def test_what_a_unit_says_goes_with_it(engine: Engine) -> None:
    with transaction(engine) as tx:
        with tx.savepoint():
            _say(tx, "早")
        with pytest.raises(ZeroDivisionError), tx.savepoint():  # noqa: PT012 - the unit is the block
            _say(tx, "午")
            raise ZeroDivisionError
        outbox.do(
            tx, programme_id=1, platform="telegram", chat_id="-1", action=LetIn("", "7"), now=NOW
        )
        told = tx.told
    with reading(engine) as tx:
        waiting = outbox.waiting(tx)
    assert waiting == told
    assert [unpack(row.payload) for row in waiting] == [
        Reply("早", life_s=60),
        Reply("", action=LetIn("", "7")),
    ]
    assert [row.expires_ms - row.created_ms for row in waiting] == [60_000, 3_600_000]
