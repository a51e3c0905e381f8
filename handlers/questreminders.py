"""Reminders that do not nag: in private, once for each quest, one a day, to who has agreed."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from msgspec import structs

from content import questing
from content.message import Reply
from content.names import isolate
from content.questing import OPEN, Entry
from content.questrules import QuestRule
from content.texts import texts
from handlers import questing as hearing
from handlers import questwords
from storage import chores, consents, direct, members, outbox, quests
from storage.books import POINTS
from storage.chores import Chore
from storage.db import Tx
from storage.programmes import Programme

CHORE = "quest_reminders"
FROM_HOUR, TO_HOUR = 10, 20
"""Of the programme's zone: who wakes up too late for today, waits for tomorrow."""
PAGE = 200
HALF = 0.5


def with_work(tx: Tx, now: datetime) -> list[int]:
    """Return the programmes whose members are to be reminded now, each by its own clock."""
    found: list[int] = []
    for zone in quests.zones(tx):
        here = now.astimezone(zone)
        if FROM_HOUR <= here.hour < TO_HOUR:
            found += quests.unreminded(tx, zone, CHORE, here.date())
    return found


def run(tx: Tx, here: Programme, now: datetime) -> int:
    """Look at a page of members and remind those who want it; return how many, 0 at the end."""
    at = now.astimezone(here.zone)
    today, done = at.date(), chores.get(tx, here.id, CHORE)
    if not FROM_HOUR <= at.hour < TO_HOUR or done.day >= today:
        return 0
    after = done.cursor if done.since == today else 0
    page = quests.page(tx, here.id, after, PAGE)
    some = [member_id for member_id, entries in page if _pick(tx, here, entries, today)]
    some = [each for each in some if consents.has(tx, here.id, each, "contact")]
    tx.books.load(tx, here.id, POINTS, some)  # what is read again now, stays so
    for member_id in some:
        _remind(tx, here, member_id, today, now)
    ended = len(page) < PAGE
    day, cursor = (today, 0) if ended else (done.day, page[-1][0])
    chores.put(tx, here.id, CHORE, Chore(day, today, here.rules_version, cursor))
    return len(page)


def _pick(
    tx: Tx, here: Programme, entries: tuple[Entry, ...], today: date
) -> tuple[QuestRule, Entry] | None:
    """Return the quest that is nearest to its end, if there is one to be reminded of."""
    found = [*_candidates(tx, here, entries, today)]
    return max(found, key=lambda each: questing.share(*each)) if found else None


def _candidates(
    tx: Tx, here: Programme, entries: tuple[Entry, ...], today: date
) -> Iterator[tuple[QuestRule, Entry]]:
    for entry in entries:
        if entry.state != OPEN or entry.reminded or not entry.first <= today <= entry.last:
            continue
        quest = hearing.quest_of(tx, here, entry)
        if quest.group or quest.period == "day":
            continue
        if questing.share(quest, entry) >= HALF or entry.last == today + timedelta(days=1):
            yield quest, entry


def _remind(tx: Tx, here: Programme, member_id: int, today: date, now: datetime) -> None:
    chats = direct.chats(tx, here.id, member_id)
    entries = quests.get(tx, here.id, member_id).entries
    picked = _pick(tx, here, entries, today)
    if picked is None or not chats:
        return
    quest, entry = picked
    words = texts(chats[0].locale or here.locale)
    have, need = questing.parts(quest, entry)
    text = words.say(
        "quest.remind",
        name=isolate(members.name(tx, here.id, member_id)),
        quest=quest.called(words.locale),
        bar=questwords.bar(quest, entry),
        have=have,
        need=need,
        step=questwords.next_step(words, here.rules, quest, entry),
        days=questwords.time_left(words, entry.last, today),
    )
    outbox.say(
        tx,
        programme_id=here.id,
        platform=chats[0].platform,
        chat_id=chats[0].chat_id,
        reply=Reply(text, once=True),
        now=now,
    )
    told = structs.replace(entry, reminded=True)
    quests.put(tx, here.id, member_id, [told if each is entry else each for each in entries])
