"""What a member hears, in private, of those whom he has invited: seldom, and several at once."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta

from content.message import Reply
from content.names import isolate
from content.referral import next_rung
from content.texts import Texts, texts
from storage import direct, invite_codes, invite_ladder, ledger, members, outbox, referrals
from storage.db import Sql, Tx, to_day, to_ms
from storage.programmes import Programme
from storage.referrals import COLUMNS, Referral

A_DAY_MAX = 3
"""So many messages a day; what comes after that is told the next morning, in one."""
MORNING = time(9)
NAMED_MAX = 3
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
_TIMES = Sql("SELECT told_day, told FROM invite_code WHERE programme_id = :programme AND code = :c")
_PAID = Sql(
    "SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) FROM posting"
    " WHERE programme_id = :programme AND id = :id"
)


def tell_due(tx: Tx, here: Programme, today: date, now: datetime) -> int:
    """Tell members of their invitations; return of how many. Who has no private chat reads it by
    asking.
    """  # noqa: D205 - one thought
    tx.books.write(tx)  # what was paid a moment ago is read again
    rows = tx.all(_NEWS, programme=here.id, now=to_ms(now), most=PAGE)
    by_inviter: dict[int, list[Referral]] = {}
    for row in rows:
        found = referrals.read(row)
        by_inviter.setdefault(found.inviter_id, []).append(found)
    for member_id, news in by_inviter.items():
        _tell(tx, here, member_id, news, today, now)
    return len(rows)


def _tell(  # noqa: PLR0917 - whom, of what, and when
    tx: Tx, here: Programme, member_id: int, news: list[Referral], today: date, now: datetime
) -> None:
    chats = direct.chats(tx, here.id, member_id)
    if chats:
        code = invite_codes.issue(tx, here.id, member_id, now).code
        day, times = tx.one(_TIMES, programme=here.id, c=code)
        if to_day(day) == today and times >= A_DAY_MAX:
            morning = datetime.combine(today + timedelta(days=1), MORNING, here.zone)
            for each in news:
                tx.run(_LATER, programme=here.id, id=each.id, at=to_ms(morning))
            return
        text = "\n".join(_lines(tx, here, member_id, news, texts(chats[0].locale or here.locale)))
        outbox.say(
            tx,
            programme_id=here.id,
            platform=chats[0].platform,
            chat_id=chats[0].chat_id,
            reply=Reply(text, life_s=86_400),
            now=now,
        )
        tx.run(_TOLD, programme=here.id, code=code, today=today)
    for each in news:
        tx.run(_HEARD, programme=here.id, id=each.id)


def _lines(
    tx: Tx, here: Programme, member_id: int, news: list[Referral], words: Texts
) -> Iterator[str]:
    joined = [each for each in news if each.news == "joined"]
    paid = [each for each in news if each.news == "paid"]
    if joined:
        yield words.say(
            "invite.news_joined" if len(joined) == 1 else "invite.news_joined_many",
            who=_names(tx, joined, words),
            n=len(joined),
            days=here.rules.referral.stay_days,
        )
    if not paid:
        return
    points = sum(tx.one(_PAID, programme=here.id, id=each.inviter_posting)[0] for each in paid)
    yield words.say(
        "invite.news_paid" if len(paid) == 1 else "invite.news_paid_many",
        who=_names(tx, paid, words),
        n=len(paid),
        points=points,
        balance=ledger.account(tx, here.id, member_id).available,
    )
    since = min(each.rewarded_ms or 0 for each in paid)
    rungs = invite_ladder.of(tx, here.id, member_id)
    ladder = {rung.n: rung for rung in here.rules.referral.ladder}
    for rung in rungs:
        rule = ladder.get(rung.n)
        if rung.reached_ms >= since and rule is not None:
            key = "invite.rung_points" if rule.points else "invite.rung"
            yield words.say(key, n=rung.n, what=rule.called(words.locale), points=rule.points)
    count = invite_ladder.rewarded(tx, here.id, member_id)
    ahead = next_rung(here.rules.referral.ladder, count)
    if ahead is not None:
        key = "invite.ahead_points" if ahead.points else "invite.ahead"
        what = ahead.called(words.locale)
        yield words.say(key, more=ahead.n - count, what=what, points=ahead.points)


def _names(tx: Tx, news: list[Referral], words: Texts) -> str:
    names = [isolate(members.name(tx, each.programme_id, each.member_id)) for each in news]
    shown = " · ".join(names[:NAMED_MAX])
    return shown if len(names) <= NAMED_MAX else words.say("invite.etc", who=shown)
