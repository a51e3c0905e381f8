"""What features keep of two members who become one: nothing is done, or had, twice.

What the bound one had stays where it is, so that it is his again when the two part.
"""

from datetime import date
from typing import Literal

from content import questing
from content.privacy import BANDS
from content.questing import Entry
from storage import ages
from storage.db import Sql, Tx
from storage.pairs import Act, Pair

_HINDERS = Sql(
    "SELECT m.erase_ms IS NOT NULL, a.credit_lost > 0 OR a.watched > 0 OR EXISTS (SELECT 1"
    " FROM finding f WHERE f.programme_id = m.programme_id AND f.member_id = m.id)"
    " OR EXISTS (SELECT 1 FROM credit_entry c WHERE c.programme_id = m.programme_id"
    " AND c.member_id = m.id), EXISTS (SELECT 1 FROM referral r"
    " WHERE r.programme_id = m.programme_id AND r.member_id = m.id)"
    " OR EXISTS (SELECT 1 FROM referral r WHERE r.programme_id = m.programme_id"
    " AND r.inviter_id = m.id) FROM member m"
    " JOIN account a ON a.programme_id = m.programme_id AND a.owner_id = m.id"
    " AND a.wallet = 'points' WHERE m.programme_id = :programme AND m.id IN (:one, :other)"
)
_HIS = "WHERE programme_id = :programme AND member_id = :bound ON CONFLICT DO NOTHING"
_COPIES = (
    Sql(
        "INSERT INTO badge (programme_id, member_id, badge, day, name, emoji) SELECT programme_id,"
        f" CAST(:survivor AS BIGINT), badge, day, name, emoji FROM badge {_HIS}"
    ),
    Sql(
        "INSERT INTO honour (programme_id, week, title, member_id) SELECT programme_id, week,"
        f" title, CAST(:survivor AS BIGINT) FROM honour {_HIS}"
    ),
    Sql(
        "INSERT INTO survey_answer (programme_id, survey, question, member_id, choice, version,"
        " at_ms) SELECT programme_id, survey, question, CAST(:survivor AS BIGINT), choice,"
        f" version, at_ms FROM survey_answer {_HIS}"
    ),
)
_MOVES = (
    Sql(
        "INSERT INTO quest_help (programme_id, quest, last_day, member_id, helps) SELECT"
        " programme_id, quest, last_day, CAST(:survivor AS BIGINT), helps FROM quest_help"
        " WHERE programme_id = :programme AND member_id = :bound AND NOT EXISTS (SELECT 1"
        " FROM quest_goal g WHERE g.programme_id = quest_help.programme_id"
        " AND g.quest = quest_help.quest AND g.last_day = quest_help.last_day"
        " AND g.state = 'paying')"
        " ON CONFLICT (programme_id, quest, last_day, member_id)"
        " DO UPDATE SET helps = quest_help.helps + excluded.helps"
    ),
    Sql("DELETE FROM quest_help WHERE programme_id = :programme AND member_id = :bound"),
    Sql(
        "DELETE FROM invite_link WHERE programme_id = :programme AND code IN (SELECT code"
        " FROM invite_code WHERE programme_id = :programme AND member_id = :bound)"
    ),
    Sql("DELETE FROM invite_code WHERE programme_id = :programme AND member_id = :bound"),
)
"""His help counts as the survivor's, but for what is being paid just now; his code, by which nobody
has come, leads to nobody any more."""
_QUESTS = Sql(
    "SELECT member_id, entries FROM questing WHERE programme_id = :programme"
    " AND member_id IN (:survivor, :bound)"
)
_PUT = Sql(
    "INSERT INTO questing (programme_id, member_id, entries)"
    " VALUES (:programme, :survivor, :entries) ON CONFLICT (programme_id, member_id)"
    " DO UPDATE SET entries = excluded.entries"
)


Hindrance = Literal["leaving", "credit", "invites"]


def hinders(tx: Tx, act: Act, one: int, other: int) -> Hindrance | None:
    """Return why two members cannot become one; None when they can.

    A score that has suffered would be whole again after binding and parting, and who is to be
    erased would stay. Who has invited others, or came by an invitation, stays by himself: else one
    who is here already could pass for somebody's new friend.
    """
    tx.books.write(tx)
    rows = tx.all(_HINDERS, programme=act.programme_id, one=one, other=other)
    reasons: tuple[Hindrance, ...] = ("leaving", "credit", "invites")
    return next((why for n, why in enumerate(reasons) if any(row[n] for row in rows)), None)


def unite(pair: Pair) -> None:
    """Give the survivor what the bound one has done and has; the younger age of the two counts."""
    for sql in (*_COPIES, *_MOVES):
        pair.tx.run(sql, **pair.both)
    _unite_quests(pair)
    _unite_ages(pair)


def _unite_quests(pair: Pair) -> None:
    """Let a quest be as far as whoever has come further: what one was paid, the other is not."""
    rows = dict(pair.tx.all(_QUESTS, **pair.both))
    if pair.bound not in rows:
        return
    first_days = {quest.id for quest in pair.act.rules.quest if quest.within_days}

    def key(entry: Entry) -> tuple[str, date | None]:
        return entry.quest, None if entry.quest in first_days else entry.last

    mine = {key(entry): entry for entry in questing.unpack(rows.get(pair.survivor, "[]"))}
    for his in questing.unpack(rows[pair.bound]):
        known = mine.get(key(his))
        if known is None or _far(his) > _far(known):
            mine[key(his)] = his
    own = {name: pair.both[name] for name in ("programme", "survivor")}
    pair.tx.run(_PUT, **own, entries=questing.pack(mine.values()))


def _far(entry: Entry) -> tuple[bool, int]:
    return entry.state != questing.OPEN, sum(entry.counts)


def _unite_ages(pair: Pair) -> None:
    act = pair.act
    said = [ages.band(pair.tx, act.programme_id, each) for each in (pair.survivor, pair.bound)]
    known = [band for band in said if band is not None]
    if known and said[0] != (younger := min(known, key=BANDS.index)):
        ages.declare(
            pair.tx, act.programme_id, pair.survivor, younger, identity=act.actor, now=act.at
        )
