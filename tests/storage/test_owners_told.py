"""Owners hear that something waits: where they have written to the bot, once a day."""

from datetime import datetime, timedelta

from sqlalchemy import Engine

from bot.owners import tell
from content.message import unpack
from content.suspicion import Evidence
from storage import direct, findings, programmes
from storage.members import Who
from storage.programmes import MAIN
from tests.storage.books import DAY, NOW, member, programme, transaction

OWNERS = frozenset({"telegram:1", "telegram:2", "wecom:zhang"})
SEEN = Evidence("rejoin", DAY, {"times": 3}, "rejoin")


def _told(engine: Engine, at: datetime) -> list[str]:
    with transaction(engine) as tx:
        tell(tx, OWNERS, at)
        return [f"{row.chat_id} {unpack(row.payload).text}" for row in tx.told]


def test_an_owner_is_told_once_a_day_while_something_waits(engine: Engine) -> None:
    with transaction(engine) as tx:
        programme(tx, MAIN)
        direct.note(tx, Who("telegram", "1", "文"), "71", "zh", NOW)
        direct.note(tx, Who("telegram", "9", "路人"), "79", "zh", NOW)
    assert _told(engine, NOW) == []
    with transaction(engine) as tx:
        here = programmes.programme(tx, MAIN, NOW)
        findings.add(tx, here, member(tx, MAIN), SEEN, NOW)
    assert _told(engine, NOW) == ["71 🔎 有 1 条风控发现等你看：发「风控」"]
    assert _told(engine, NOW + timedelta(hours=1)) == []
    assert len(_told(engine, NOW + timedelta(days=1))) == 1
