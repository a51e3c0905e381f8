"""What features keep of two members who become one: nothing is done, or had, twice.

What the bound one had stays where it is, so that it is his again when the two part.
"""

from typing import Literal

from content import questing
from content.privacy import BANDS
from content.questing import Entry
from storage import ages, invite_rewards, programmes, referrals
from storage.db import Sql, Tx
from storage.pairs import Act, Pair

_HINDERS = Sql(
    "SELECT m.erase_ms IS NOT NULL, a.credit_lost > 0 OR a.watched > 0 FROM member m"
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
        "INSERT INTO invite_rung (programme_id, member_id, n, reward, name, state, turn, posting,"
        " reached_ms, ended_ms, ended_by, below) SELECT programme_id, CAST(:survivor AS BIGINT), n,"
        " reward, name, state, turn, posting, reached_ms, ended_ms, ended_by, below"
        f" FROM invite_rung {_HIS}"
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
        " WHERE programme_id = :programme AND member_id = :bound"
        " ON CONFLICT (programme_id, quest, last_day, member_id)"
        " DO UPDATE SET helps = quest_help.helps + excluded.helps"
    ),
    Sql("DELETE FROM quest_help WHERE programme_id = :programme AND member_id = :bound"),
    Sql(
        "UPDATE referral SET inviter_id = :survivor WHERE programme_id = :programme"
        " AND inviter_id = :bound"
    ),
    Sql(
        "UPDATE invite_code SET member_id = :survivor, name = CASE WHEN EXISTS (SELECT 1"
        " FROM invite_code c WHERE c.programme_id = :programme AND c.member_id = :survivor"
        " AND c.name = invite_code.name) THEN code ELSE name END"
        " WHERE programme_id = :programme AND member_id = :bound"
    ),
)
"""What is paid or followed later, by whom it will be looked for: it stays the survivor's."""
_CAME = Sql(
    f"SELECT {referrals.COLUMNS} FROM referral WHERE programme_id = :programme"
    " AND member_id IN (:survivor, :bound) ORDER BY id"
)
_QUESTS = Sql(
    "SELECT member_id, entries FROM questing WHERE programme_id = :programme"
    " AND member_id IN (:survivor, :bound)"
)
_PUT = Sql(
    "INSERT INTO questing (programme_id, member_id, entries)"
    " VALUES (:programme, :survivor, :entries) ON CONFLICT (programme_id, member_id)"
    " DO UPDATE SET entries = excluded.entries"
)


Hindrance = Literal["leaving", "credit"]


def hinders(tx: Tx, act: Act, one: int, other: int) -> Hindrance | None:
    """Return why two members cannot become one; None when they can.

    A score that has suffered would be whole again after binding and parting, and who is to be
    erased would stay.
    """
    tx.books.write(tx)
    rows = tx.all(_HINDERS, programme=act.programme_id, one=one, other=other)
    if any(leaves for leaves, _ in rows):
        return "leaving"
    return "credit" if any(suffered for _, suffered in rows) else None


def unite(pair: Pair) -> None:
    """Give the survivor what the bound one has done and has; the younger age of the two counts."""
    _unite_invitations(pair)
    for sql in (*_COPIES, *_MOVES):
        pair.tx.run(sql, **pair.both)
    _unite_quests(pair)
    _unite_ages(pair)


def _unite_invitations(pair: Pair) -> None:
    """Take back what was paid for inviting oneself; the bound one is nobody's new friend now."""
    tx, act = pair.tx, pair.act
    here = programmes.programme(tx, act.programme_id, act.at)
    two = {pair.survivor, pair.bound}
    for row in tx.all(_CAME, **pair.both):
        found = referrals.read(row)
        if found.inviter_id in two:
            invite_rewards.void(tx, here, found, "self", act.at)
        elif found.member_id == pair.bound and found.due_ms is not None:
            invite_rewards.void(tx, here, found, "existing", act.at)


def _unite_quests(pair: Pair) -> None:
    """Let a quest be as far as whoever has come further: what one was paid, the other is not."""
    rows = dict(pair.tx.all(_QUESTS, **pair.both))
    if pair.bound not in rows:
        return
    mine = {(e.quest, e.last): e for e in questing.unpack(rows.get(pair.survivor, "[]"))}
    for his in questing.unpack(rows[pair.bound]):
        known = mine.get((his.quest, his.last))
        if known is None or _far(his) > _far(known):
            mine[his.quest, his.last] = his
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
