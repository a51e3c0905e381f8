"""Proof that the books are right: each check is one statement, and every row found is a fault."""

from storage import tallies
from storage.account import NEVER
from storage.db import Sql, Tx
from storage.tables import MEMBER_BUCKETS, PROGRAMME_BUCKETS

_ALL = " + ".join(MEMBER_BUCKETS + PROGRAMME_BUCKETS)
_MOVES = " UNION ALL ".join(
    f"SELECT programme_id, {side}_owner AS owner_id, wallet, {side}_bucket AS bucket,"
    f" {sign}amount AS amount FROM posting"
    for side, sign in (("from", "-"), ("to", ""))
)
_BUCKETS = " UNION ALL ".join(
    f"SELECT programme_id, owner_id, wallet, '{bucket}' AS bucket, {bucket} AS amount FROM account"
    for bucket in MEMBER_BUCKETS + PROGRAMME_BUCKETS
)
_BOUND = "(SELECT programme_id, id, merged_into FROM member WHERE merged_into IS NOT NULL)"
_EARNER = "CASE WHEN o.to_bucket = 'pending' THEN t.owner_id ELSE o.to_owner END"
"""Whose an award that is taken back was: pending points ripen for who has them by then."""
_EARNED = (
    "SELECT p.programme_id, COALESCE(b.merged_into, p.to_owner) AS owner_id, p.wallet, p.kind,"
    f" p.amount FROM posting p LEFT JOIN {_BOUND} b ON b.programme_id = p.programme_id"
    " AND b.id = p.to_owner"
    " WHERE p.to_bucket IN ('available', 'debt') AND (p.from_bucket = 'issued'"
    " OR (p.from_bucket = 'pending' AND p.from_owner = p.to_owner))"
    f" UNION ALL SELECT r.programme_id, COALESCE(b.merged_into, {_EARNER}), r.wallet, r.kind,"
    " -r.amount FROM posting r"
    " JOIN posting o ON o.programme_id = r.programme_id AND o.id = r.reverses"
    " LEFT JOIN maturing t ON t.programme_id = o.programme_id AND t.id = o.id"
    f" LEFT JOIN {_BOUND} b ON b.programme_id = r.programme_id AND b.id = {_EARNER}"
    " WHERE r.to_bucket = 'clawed_back' AND r.from_bucket <> 'pending' AND o.from_bucket = 'issued'"
)
_CHECKS = {
    "the buckets of a programme sum to zero": Sql(
        f"SELECT programme_id, wallet, SUM({_ALL}) FROM account"
        f" GROUP BY programme_id, wallet HAVING SUM({_ALL}) <> 0"
    ),
    "every bucket equals its postings": Sql(
        "SELECT programme_id, owner_id, wallet, bucket, SUM(amount) FROM"
        f" (SELECT programme_id, owner_id, wallet, bucket, -amount AS amount FROM ({_MOVES}) AS m"
        f" UNION ALL {_BUCKETS}) AS t"
        " GROUP BY programme_id, owner_id, wallet, bucket HAVING SUM(amount) <> 0"
    ),
    "no member's bucket is below zero, and who owes has nothing available": Sql(
        "SELECT programme_id, owner_id FROM account WHERE owner_id <> 0 AND (available < 0"
        " OR pending < 0 OR held < 0 OR debt > 0 OR (debt < 0 AND available > 0))"
    ),
    "no check-in was paid twice, and no repaired day at all": Sql(
        "SELECT c.programme_id, c.member_id, c.day FROM checkin c LEFT JOIN"
        " (SELECT programme_id, to_owner, day, COUNT(*) AS times FROM posting"
        " WHERE reason = 'checkin' AND wallet = 'points' AND asked > 0"
        " GROUP BY programme_id, to_owner, day, rule) p"
        " ON p.programme_id = c.programme_id AND p.to_owner = c.member_id AND p.day = c.day"
        " WHERE p.times > CASE WHEN c.made_up IS NULL THEN 1 ELSE 0 END"
    ),
    "what was earned in all is what was issued, less what was taken back": Sql(
        "SELECT a.programme_id, a.owner_id, a.wallet FROM account a LEFT JOIN"
        f" (SELECT programme_id, owner_id, wallet, SUM(amount) AS earned FROM ({_EARNED}) e"
        " GROUP BY programme_id, owner_id, wallet) p ON p.programme_id = a.programme_id"
        " AND p.owner_id = a.owner_id AND p.wallet = a.wallet"
        " WHERE a.owner_id <> 0 AND a.total_earned <> COALESCE(p.earned, 0)"
    ),
    "what was earned by day is what was earned in all, and since a day what qualifies": Sql(
        "SELECT a.programme_id, a.owner_id, a.wallet FROM account a LEFT JOIN"
        " (SELECT e.programme_id, e.owner_id, e.wallet, SUM(e.points) AS points,"
        " SUM(CASE WHEN e.day > b.qualifying_after THEN e.points ELSE 0 END) AS qualifying"
        " FROM earning e JOIN account b ON b.programme_id = e.programme_id"
        " AND b.owner_id = e.owner_id AND b.wallet = e.wallet"
        " GROUP BY e.programme_id, e.owner_id, e.wallet) s ON s.programme_id = a.programme_id"
        " AND s.owner_id = a.owner_id AND s.wallet = a.wallet WHERE a.owner_id <> 0"
        " AND (a.total_earned <> COALESCE(s.points, 0)"
        " OR a.qualifying <> COALESCE(s.qualifying, 0))"
    ),
    "what was earned by kind is what was posted by kind": Sql(
        "SELECT programme_id, wallet, owner_id, kind FROM"
        " (SELECT programme_id, wallet, owner_id, kind, points FROM earning UNION ALL"
        f" SELECT programme_id, wallet, owner_id, kind, -amount FROM ({_EARNED}) p) t"
        " GROUP BY programme_id, wallet, owner_id, kind HAVING SUM(points) <> 0"
    ),
    "a debt stands since a day, and nothing else does": Sql(
        "SELECT programme_id, owner_id, wallet FROM account"
        " WHERE (debt < 0) <> (owed_since < :never)"
    ),
    "what is held is the sum of the open holds": Sql(
        "SELECT a.programme_id, a.owner_id, a.wallet FROM account a LEFT JOIN"
        " (SELECT programme_id, owner_id, wallet, SUM(amount) AS held FROM hold"
        " WHERE state = 'open' GROUP BY programme_id, owner_id, wallet) h"
        " ON h.programme_id = a.programme_id AND h.owner_id = a.owner_id AND h.wallet = a.wallet"
        " WHERE a.held <> COALESCE(h.held, 0)"
    ),
    "a gift stands as the points that were set aside for it": Sql(
        "SELECT g.programme_id, g.id FROM gift g LEFT JOIN hold h"
        " ON h.programme_id = g.programme_id AND h.id = g.id"
        " WHERE h.id IS NULL OR h.owner_id <> g.giver_id OR h.amount <> g.amount"
        " OR h.state <> CASE g.state WHEN 'offered' THEN 'open' WHEN 'accepted' THEN 'captured'"
        " ELSE 'released' END"
    ),
    "an accepted gift went to its receiver": Sql(
        "SELECT g.programme_id, g.id FROM gift g JOIN hold h"
        " ON h.programme_id = g.programme_id AND h.id = g.id LEFT JOIN posting p"
        " ON p.programme_id = h.programme_id AND p.key = h.ended_key"
        " WHERE g.state = 'accepted' AND COALESCE(p.to_owner, 0) <> g.receiver_id"
    ),
    "no more of what is available came as gifts than there is": Sql(
        "SELECT programme_id, owner_id, wallet FROM account"
        " WHERE gifted < 0 OR gifted_spent < 0 OR gifted > available"
    ),
    "what pends is the sum of what matures": Sql(
        "SELECT a.programme_id, a.owner_id, a.wallet FROM account a LEFT JOIN"
        " (SELECT programme_id, owner_id, wallet, SUM(remaining) AS pending FROM maturing"
        " GROUP BY programme_id, owner_id, wallet) m"
        " ON m.programme_id = a.programme_id AND m.owner_id = a.owner_id AND m.wallet = a.wallet"
        " WHERE a.pending <> COALESCE(m.pending, 0)"
    ),
    "lots hold no more than what is available, and the account knows the earliest": Sql(
        "SELECT a.programme_id, a.owner_id, a.wallet FROM account a LEFT JOIN"
        " (SELECT programme_id, owner_id, wallet, SUM(remaining) AS points, MIN(expires_day) AS"
        " earliest FROM lot WHERE remaining > 0 GROUP BY programme_id, owner_id, wallet) l"
        " ON l.programme_id = a.programme_id AND l.owner_id = a.owner_id AND l.wallet = a.wallet"
        " WHERE a.available < COALESCE(l.points, 0) OR (l.earliest IS NOT NULL AND"
        " l.earliest <> a.next_expiry) OR (l.earliest IS NULL AND a.next_expiry < :never)"
    ),
    "who has left, runs the place or wants it stands on no board; everybody else does": Sql(
        "SELECT a.programme_id, a.owner_id FROM account a JOIN member m"
        " ON m.programme_id = a.programme_id AND m.id = a.owner_id LEFT JOIN"
        " (SELECT s.programme_id, s.member_id, COUNT(g.id) AS present FROM membership s"
        " LEFT JOIN chat_group g ON g.programme_id = s.programme_id AND g.id = s.group_id"
        " AND s.state = 'active' GROUP BY s.programme_id, s.member_id) p"
        " ON p.programme_id = a.programme_id AND p.member_id = a.owner_id"
        " WHERE a.wallet = 'points' AND a.shown <> CASE WHEN m.merged_into IS NOT NULL THEN -1"
        " WHEN COALESCE(p.present, 1) > 0 AND m.board_wish >= 0 THEN m.board_wish + 1 ELSE 0 END"
    ),
    "who has been bound to another has nothing left, in no group, and no identity": Sql(
        "SELECT m.programme_id, m.id FROM member m WHERE m.merged_into IS NOT NULL AND (EXISTS"
        " (SELECT 1 FROM account a WHERE a.programme_id = m.programme_id AND a.owner_id = m.id"
        " AND (a.shown <> -1 OR a.available + a.pending + a.held - a.debt + a.gifted > 0))"
        " OR EXISTS (SELECT 1 FROM identity i WHERE i.programme_id = m.programme_id"
        " AND i.member_id = m.id) OR EXISTS (SELECT 1 FROM membership s"
        " WHERE s.programme_id = m.programme_id AND s.member_id = m.id AND s.state = 'active')"
        " OR NOT EXISTS (SELECT 1 FROM member n WHERE n.programme_id = m.programme_id"
        " AND n.id = m.merged_into AND n.merged_into IS NULL))"
    ),
    "the tally counts who stands on each rung of a board": Sql(
        f"SELECT {tallies.KEY}, SUM(members) FROM (SELECT {tallies.KEY}, members FROM tally"
        f" UNION ALL SELECT {tallies.KEY}, -members FROM ({tallies.COUNTED}) c) t"
        f" GROUP BY {tallies.KEY} HAVING SUM(members) <> 0"
    ),
    "no posting is reversed by more than it moved": Sql(
        "SELECT o.programme_id, o.id FROM posting o JOIN (SELECT programme_id, reverses,"
        " SUM(amount) AS back FROM posting WHERE reverses IS NOT NULL"
        " GROUP BY programme_id, reverses) r ON r.programme_id = o.programme_id"
        " AND r.reverses = o.id WHERE r.back > o.asked"
    ),
}


def faults(tx: Tx) -> list[str]:
    """Return every fault in the books, in words; an empty list is the proof."""
    return [
        f"not so: {rule}: {row}"
        for rule, sql in _CHECKS.items()
        for row in tx.all(sql, **({"never": NEVER} if ":never" in sql.sqlite else {}))
    ]
