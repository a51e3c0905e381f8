"""What members are still to hear of their invitations, and how often they have heard today."""

from datetime import date, datetime

from storage import referrals
from storage.db import Sql, Tx, to_day, to_ms
from storage.referrals import COLUMNS, Referral

PAGE = 500

_NEWS = Sql(
    f"SELECT {COLUMNS} FROM referral WHERE programme_id = :programme AND news_ms <= :now"
    " ORDER BY inviter_id, id LIMIT :most"
)
_HEARD = Sql(
    "UPDATE referral SET news = '', news_ms = NULL WHERE programme_id = :programme AND id = :id"
)
_LATER = Sql("UPDATE referral SET news_ms = :at WHERE programme_id = :programme AND id = :id")
_TOLD = Sql(
    "UPDATE invite_code SET told = CASE WHEN told_day = :today THEN told + 1 ELSE 1 END,"
    " told_day = :today WHERE programme_id = :programme AND code = :code"
)
_TIMES = Sql(
    "SELECT told_day, told FROM invite_code WHERE programme_id = :programme AND code = :code"
)
_PAID = Sql(
    "SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) FROM posting"
    " WHERE programme_id = :programme AND id = :id"
)


def due(tx: Tx, programme_id: int, now: datetime) -> dict[int, list[Referral]]:
    """Return a page of what is to be told by then, by whom it is for."""
    tx.books.write(tx)  # what was paid a moment ago is read again
    found: dict[int, list[Referral]] = {}
    for row in tx.all(_NEWS, programme=programme_id, now=to_ms(now), most=PAGE):
        each = referrals.read(row)
        found.setdefault(each.inviter_id, []).append(each)
    return found


def times(tx: Tx, programme_id: int, code: str, today: date) -> int:
    """Return how often the member of a code has heard something on this day."""
    day, count = tx.one(_TIMES, programme=programme_id, code=code)
    return int(count) if to_day(day) == today else 0


def told(tx: Tx, programme_id: int, code: str, today: date) -> None:
    """Count a message."""
    tx.run(_TOLD, programme=programme_id, code=code, today=today)


def heard(tx: Tx, news: list[Referral]) -> None:
    """Note that all of it has been told, or that nobody is there to hear it."""
    for each in news:
        tx.run(_HEARD, programme=each.programme_id, id=each.id)


def put_off(tx: Tx, news: list[Referral], until: datetime) -> None:
    """Let it be told later."""
    for each in news:
        tx.run(_LATER, programme=each.programme_id, id=each.id, at=to_ms(until))


def paid(tx: Tx, news: list[Referral]) -> int:
    """Return the points that the inviter got for these."""
    sums = (tx.one(_PAID, programme=each.programme_id, id=each.inviter_posting) for each in news)
    return sum(int(row[0]) for row in sums)
