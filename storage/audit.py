"""Proof that the books are right: each check is one statement, and every row found is a fault."""

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
    "no member's bucket is below zero": Sql(
        "SELECT programme_id, owner_id FROM account"
        " WHERE owner_id <> 0 AND (available < 0 OR pending < 0 OR held < 0 OR debt > 0)"
    ),
    "every check-in was paid once": Sql(
        "SELECT c.programme_id, c.member_id, c.day FROM checkin c LEFT JOIN"
        " (SELECT programme_id, to_owner, day, COUNT(*) AS times FROM posting"
        " WHERE reason = 'checkin' GROUP BY programme_id, to_owner, day) p"
        " ON p.programme_id = c.programme_id AND p.to_owner = c.member_id AND p.day = c.day"
        " WHERE COALESCE(p.times, 0) <> 1"
    ),
    "what was earned in all is what was issued": Sql(
        "SELECT a.programme_id, a.owner_id, a.wallet FROM account a LEFT JOIN"
        " (SELECT programme_id, to_owner, wallet, SUM(amount) AS issued FROM posting"
        " WHERE from_owner = 0 AND from_bucket = 'issued' AND to_bucket = 'available'"
        " GROUP BY programme_id, to_owner, wallet) p ON p.programme_id = a.programme_id"
        " AND p.to_owner = a.owner_id AND p.wallet = a.wallet"
        " WHERE a.owner_id <> 0 AND a.total_earned <> COALESCE(p.issued, 0)"
    ),
}


def faults(tx: Tx) -> list[str]:
    """Return every fault in the books, in words; an empty list is the proof."""
    return [f"not so: {rule}: {row}" for rule, sql in _CHECKS.items() for row in tx.all(sql)]
