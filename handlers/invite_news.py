"""What a member hears, in private, of those whom he has invited: seldom, and several at once."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from content.message import Reply
from content.names import isolate
from content.referral import next_rung
from content.texts import Texts, texts
from storage import direct, invite_codes, invite_ladder, invite_news, ledger, members, outbox
from storage.db import Tx
from storage.programmes import Programme
from storage.referrals import Referral

A_DAY_MAX = 3
"""So many messages a day; what comes after that is told the next morning, in one."""
MORNING = time(9)
NAMED_MAX = 3
LIFE_S = 86_400


class _Work(NamedTuple):
    tx: Tx
    here: Programme
    today: date
    now: datetime


def tell_due(tx: Tx, here: Programme, today: date, now: datetime) -> int:
    """Tell members of their invitations; return of how many. Others read of them by asking."""
    found = invite_news.due(tx, here.id, now)
    for member_id, news in found.items():
        _tell(_Work(tx, here, today, now), member_id, news)
    return sum(map(len, found.values()))


def _tell(work: _Work, member_id: int, news: list[Referral]) -> None:
    tx, here, today, now = work
    chats = direct.chats(tx, here.id, member_id)
    if chats:
        code = invite_codes.issue(tx, here.id, member_id, now).code
        if invite_news.times(tx, here.id, code, today) >= A_DAY_MAX:
            morning = datetime.combine(today + timedelta(days=1), MORNING, here.zone)
            invite_news.put_off(tx, news, morning)
            return
        words = texts(chats[0].locale or here.locale)
        text = "\n".join((*_came(work, news, words), *_paid(work, member_id, news, words)))
        outbox.say(
            tx,
            programme_id=here.id,
            platform=chats[0].platform,
            chat_id=chats[0].chat_id,
            reply=Reply(text, life_s=LIFE_S),
            now=now,
        )
        invite_news.told(tx, here.id, code, today)
    invite_news.heard(tx, news)


def _came(work: _Work, news: list[Referral], words: Texts) -> Iterator[str]:
    came = [each for each in news if each.news == "joined"]
    if came:
        yield words.say(
            "invite.news_joined" if len(came) == 1 else "invite.news_joined_many",
            who=_names(work.tx, came, words),
            n=len(came),
            days=work.here.rules.referral.stay_days,
        )


def _paid(work: _Work, member_id: int, news: list[Referral], words: Texts) -> Iterator[str]:
    """Tell what was paid, which rungs of the ladder were reached by it, and what is next."""
    tx, here = work.tx, work.here
    paid = [each for each in news if each.news == "paid"]
    if not paid:
        return
    yield words.say(
        "invite.news_paid" if len(paid) == 1 else "invite.news_paid_many",
        who=_names(tx, paid, words),
        n=len(paid),
        points=invite_news.paid(tx, paid),
        balance=ledger.account(tx, here.id, member_id).available,
    )
    since = min(each.rewarded_ms or 0 for each in paid)
    ladder = here.rules.referral.ladder
    reached = {r.n for r in invite_ladder.of(tx, here.id, member_id) if r.reached_ms >= since}
    for rung in (rung for rung in ladder if rung.n in reached):
        key = "invite.rung_points" if rung.points else "invite.rung"
        yield words.say(key, n=rung.n, what=rung.called(words.locale), points=rung.points)
    yield from ahead(here, invite_ladder.rewarded(tx, here.id, member_id), words)


def ahead(here: Programme, count: int, words: Texts) -> Iterator[str]:
    """Yield the line that tells of the next rung; none at the top."""
    rung = next_rung(here.rules.referral.ladder, count)
    if rung is not None:
        key = "invite.ahead_points" if rung.points else "invite.ahead"
        what = rung.called(words.locale)
        yield words.say(key, more=rung.n - count, what=what, points=rung.points)


def _names(tx: Tx, news: list[Referral], words: Texts) -> str:
    names = [
        isolate(members.name(tx, each.programme_id, each.member_id)) for each in news[:NAMED_MAX]
    ]
    shown = " · ".join(names)
    return shown if len(news) <= NAMED_MAX else words.say("invite.etc", who=shown)
