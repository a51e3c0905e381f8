"""The week's boards, told once to each group where something happened, and who holds their titles.

Whoever led the week that ended holds its title in the one that follows. The words are rather lost
than late: until noon of the Monday, in the programme's zone.
"""

import logging
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from typing import Literal

from content import windows
from content.caps import Cap
from content.message import Reply
from content.names import isolate
from content.texts import Texts, texts
from handlers import tags
from storage import awards, badges, chores, dayboards, honours, outbox, programmes
from storage.books import POINTS
from storage.chores import Chore
from storage.dayboards import Span
from storage.db import Tx
from storage.honours import TITLES, Title
from storage.movement import ISSUED, Posting, Side
from storage.programmes import Programme
from storage.standings import Place

_log = logging.getLogger(__name__)

CHORE = "weekly"
UNTIL = time(12)
TOLD = 3
"""Places of each board that are told."""
LEADERS_MAX = 3
"""A place that more members share is nobody's title: where all only check in, all are first."""
RULE = "boards.winner"
"""No rule of a document can have this name."""
_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)
_MEDALS = {1: "🥇", 2: "🥈", 3: "🥉"}

Became = Literal["", "told", "quiet", "late", "off"]
"""What became of a week: not yet its hour (or done before), told, nothing happened, too late."""


def due(tx: Tx, now: datetime) -> list[int]:
    """Return the programmes whose last week has not been looked at yet."""
    return chores.behind(tx, CHORE, lambda today: windows.start("week", today), now)


def announce(tx: Tx, programme_id: int, now: datetime) -> Became:
    """Look at the week that has ended, once: give its titles, and tell the groups."""
    here = programmes.programme(tx, programme_id, now)
    local, rules = now.astimezone(here.zone), here.rules.boards
    monday = windows.start("week", local.date())
    if local.date() == monday and local.hour < rules.announce_hour:
        return ""
    if not chores.claim(tx, here.id, CHORE, Chore(monday, monday, here.rules_version, 0)):
        return ""
    if rules.announce == "off":
        return "off"
    led = {title: _places(tx, here, title, monday) for title in TITLES}
    crowned = {title: _leaders(places) for title, places in led.items()}
    everybody = {place.member_id for leaders in crowned.values() for place in leaders}
    tx.books.load(tx, here.id, POINTS, everybody)  # locked in the order of all
    for title, leaders in crowned.items():
        _crown(tx, here, title, leaders, monday, now)
    held = {*honours.holders(tx, here.id, monday), *honours.holders(tx, here.id, monday - _WEEK)}
    tags.wear(tx, here, now, sorted(held))
    if not any(led.values()):
        return "quiet"
    left = datetime.combine(monday, UNTIL, here.zone) - now
    if left <= timedelta():
        _log.warning("programme %d: too late to tell the boards of the last week", here.id)
        return "late"
    words = "\n".join(_words(texts(here.locale), here, monday, led, crowned))
    reply = Reply(words, once=True, life_s=max(60, int(left.total_seconds())))
    for group in programmes.lively(tx, here.id, monday - _WEEK):
        outbox.say(
            tx,
            programme_id=here.id,
            platform=group.platform,
            chat_id=group.chat_id,
            reply=reply,
            now=now,
        )
    return "told"


def _places(tx: Tx, here: Programme, title: Title, monday: date) -> list[Place]:
    opt_in = here.rules.privacy.opt_in
    span = Span(monday - _WEEK, monday - _DAY, "", title)
    return dayboards.board(tx, here.id, span, places=LEADERS_MAX + 1, opt_in=opt_in).places


def _leaders(places: Sequence[Place]) -> list[Place]:
    first = [place for place in places if place.rank == 1]
    return first if len(first) <= LEADERS_MAX else []


def _crown(  # noqa: PLR0917 - where, what for, who, which week
    tx: Tx, here: Programme, title: Title, leaders: Sequence[Place], monday: date, now: datetime
) -> None:
    """Give a title, with the badges and the points that it brings."""
    ids = sorted(place.member_id for place in leaders)
    honours.crown(tx, here.id, monday, title, ids)
    for member_id in ids:
        badges.count(tx, here, member_id, "title", monday)
        if here.rules.boards.winner_points:
            _reward(tx, here, title, member_id, monday, now)


def _reward(  # noqa: PLR0917 - where, what for, who, which week
    tx: Tx, here: Programme, title: Title, member_id: int, monday: date, now: datetime
) -> None:
    rules, today = here.rules, now.astimezone(here.zone).date()
    expiry = rules.programme.expiry
    ends = today + timedelta(days=expiry.base_days) if expiry.base == "rolling" else None
    posting = Posting(
        programme_id=here.id,
        key=f"{today}/winner/{title}/{monday}/{member_id}",
        source=ISSUED,
        target=Side(member_id, "available"),
        amount=rules.boards.winner_points,
        reason="winner",
        rule=RULE,
        rule_version=here.rules_version,
        actor="clock",
        at=now,
        day=today,
        kind=rules.activity.category,
        expires=ends,
        caps=(Cap("earn", "day", "points", rules.programme.caps.earn_per_day),),
    )
    awards.award(tx, rules, posting, today=today, now=now)


def _words(
    say: Texts,
    here: Programme,
    monday: date,
    led: dict[Title, list[Place]],
    crowned: dict[Title, list[Place]],
) -> Iterator[str]:
    last = monday - _DAY
    yield say.say("weekly.head", first=f"{monday - _WEEK:%m-%d}", last=f"{last:%m-%d}")
    for title, places in led.items():
        if not places:
            continue
        yield ""
        yield say.say(f"weekly.{title}")
        for place in places[:TOLD]:
            amount = str(place.points)
            if title == "talk":
                amount = say.say("top.messages", n=place.points)
            medal, name = _MEDALS[place.rank], isolate(place.name)
            yield say.say("top.line", place=medal, name=name, points=amount)
        if who := " · ".join(isolate(place.name) for place in crowned[title]):
            yield say.say("weekly.crowned", who=who, title=say.say(f"title.{title}"))
    if here.rules.boards.winner_points and any(crowned.values()):
        yield ""
        yield say.say("weekly.reward", points=here.rules.boards.winner_points)
    yield ""
    yield say.say("weekly.foot")
