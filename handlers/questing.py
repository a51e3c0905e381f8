"""What a member does counts for his quests, and what is done is paid, once.

His quests stand in one row, read and written under his account's lock.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import NamedTuple

from msgspec import structs

from content import earning, questing
from content.message import Reply
from content.occasion import Line, Occasion
from content.questing import DONE, OPEN, PAID, Entry
from content.questrules import QuestRule, hidden
from content.rulebook import LevelRule, Rulebook
from content.texts import texts
from storage import awards, direct, ledger, levels, members, outbox, quests, rulebooks
from storage.db import Tx
from storage.direct import Direct
from storage.journeys import Sent
from storage.movement import ISSUED, Posting, Side
from storage.programmes import Programme

JUST_NOW = timedelta(hours=1)
"""What happened longer ago he hears when he next asks for something."""
LATE = timedelta(days=1)
"""What is told after midnight still counts for the day before."""
Key = tuple[str, date]
"""A quest, and its last day."""


class Heard(NamedTuple):
    """What a feature says to an occasion, and what has happened by it in turn."""

    lines: list[Line]
    occasions: list[Occasion]


class Parts(NamedTuple):
    """Quests in which a step has just been done, with how much of them is, for one line."""

    quests: tuple[tuple[QuestRule, int, int], ...]

    def called(self, locale: str) -> str:
        """Return them in a language."""
        return " · ".join(f"{quest.called(locale)} {n}/{of}" for quest, n, of in self.quests)


@dataclass(slots=True)
class _Work:
    """A member's quests while he is doing something."""

    tx: Tx
    here: Programme
    occasion: Occasion
    now: datetime
    today: date
    joined: date
    book: dict[Key, Entry]
    changed: bool = False
    parts: list[tuple[QuestRule, int, int]] = field(default_factory=list)
    done: list[QuestRule] = field(default_factory=list)
    risen: list[LevelRule] = field(default_factory=list)


def ask(tx: Tx, here: Programme, member_id: int) -> Sent:
    """Ask for a member's quests along with the statement that locks his account."""
    return quests.ask(tx, here.id, member_id)


def rules_of(tx: Tx, here: Programme, version: int) -> Rulebook:
    """Return the rules with which a quest began."""
    if version == here.rules_version:
        return here.rules
    key = ("rules", here.id, version)
    known = tx.seen.get(key)
    if not isinstance(known, Rulebook):
        known = tx.seen[key] = rulebooks.version(tx, here.id, version).rules
    return known


def quest_of(tx: Tx, here: Programme, entry: Entry) -> QuestRule:
    """Return a quest as it stood in the rules when it began."""
    for quest in rules_of(tx, here, entry.version).quest:
        if quest.id == entry.quest:
            return quest
    raise LookupError(f"version {entry.version} of the rules has no quest {entry.quest}")


def key_of(entry: Entry, member_id: int) -> str:
    """Return the key by which a quest is paid once."""
    return f"{entry.last}/quest/{entry.quest}/{member_id}"


def hear(
    tx: Tx,
    here: Programme,
    occasion: Occasion,
    now: datetime,
    *,
    asked: Sent | None,
    aloud: bool,
) -> Heard:
    """Count something that a member has done, and pay what it has completed."""
    if occasion.what not in here.listens:
        return Heard([], [])
    if here.rules.welcome.asks and members.is_open(tx, here.id, occasion.member_id):
        return Heard([], [])  # he has to show first that he is a person
    asked = asked or ask(tx, here, occasion.member_id)
    ledger.account(tx, here.id, occasion.member_id)  # locked: what is read stays so
    standing = quests.answer(asked)
    today = now.astimezone(here.zone).date()
    book = {(e.quest, e.last): e for e in standing.entries if e.last >= today - LATE}
    joined = standing.joined.astimezone(here.zone).date()
    work = _Work(tx, here, occasion, now, today, joined, book)
    for quest, entry in [*_under_way(work), *_new(work)]:
        _count(work, quest, entry)
    chat = None if aloud or not work.done else _private(work)
    lines = [*_lines(work)] if aloud or chat else []
    if chat:
        _whisper(work, chat, lines)
    if work.changed:
        quests.put(tx, here.id, occasion.member_id, [*book.values()])
    return Heard(lines if aloud else [], [_told(work, quest) for quest in work.done])


def _under_way(work: _Work) -> Iterator[tuple[QuestRule, Entry]]:
    for entry in work.book.values():
        if entry.state == OPEN:
            quest = quest_of(work.tx, work.here, entry)
            if questing.asks(quest, work.occasion.what):
                yield quest, entry


def _new(work: _Work) -> Iterator[tuple[QuestRule, Entry]]:
    """Yield the quests that begin with this, if it counts for them."""
    known = work.here.rules.quest
    unseen = hidden(known)
    for quest in known:
        if quest.id in unseen or not questing.asks(quest, work.occasion.what):
            continue
        runs = questing.window(quest, work.occasion.day, work.joined)
        if runs and runs.last >= work.today - LATE and (quest.id, runs.last) not in work.book:
            yield quest, questing.begin(quest, runs, work.here.rules_version)


def _count(work: _Work, quest: QuestRule, before: Entry) -> None:
    what, _, _, day, key, amount = work.occasion
    after = questing.heard(quest, before, what, day, key, amount)
    if after is None:
        return
    if quest.group:
        helps = sum(after.counts) - sum(before.counts)
        quests.help_on(work.tx, work.here.id, work.occasion.member_id, after, helps)
    elif questing.finished(quest, after):
        after = _complete(work, quest, after)
    elif questing.a_step_more(quest, before, after):
        work.parts.append((quest, *questing.parts(quest, after)))
    work.book[after.quest, after.last] = after
    work.changed = True


def _complete(work: _Work, quest: QuestRule, entry: Entry) -> Entry:
    """Pay a quest, and open those that it unlocks."""
    key = key_of(entry, work.occasion.member_id)
    paid = pay(work.tx, work.here, quest, entry, key, work.occasion, work.now)
    work.risen += [award.level for award in paid if award.level]
    work.done.append(quest)
    known = {each.id: each for each in work.here.rules.quest}
    for other in (known[id_] for id_ in quest.unlocks if id_ in known):
        runs = questing.window(other, work.occasion.day, work.occasion.day)
        if runs and (other.id, runs.last) not in work.book:
            opened = questing.begin(other, runs, work.here.rules_version)
            work.book[other.id, runs.last] = opened
    waits = any(award.review for award in paid)
    points = sum(award.points for award in paid)
    return structs.replace(entry, state=DONE if waits else PAID, points=points)


def worth(rules: Rulebook, quest: QuestRule) -> int:
    """Return what a quest brings without a level."""
    return sum(part.points for part in earning.of_quest(rules, quest, None))


def pay(  # noqa: PLR0917 - which quest, for what, to whom, when
    tx: Tx,
    here: Programme,
    quest: QuestRule,
    entry: Entry,
    key: str,
    occasion: Occasion,
    now: datetime,
) -> list[awards.Award]:
    """Pay a quest's points by the rules with which it began, as every award is paid."""
    rules = rules_of(tx, here, entry.version)
    level = levels.held(rules, ledger.account(tx, here.id, occasion.member_id))
    today = now.astimezone(here.zone).date()
    paid = []
    for part in earning.of_quest(rules, quest, level.id if level else None):
        expires = occasion.day + timedelta(days=part.expires_days) if part.expires_days else None
        posting = Posting(
            programme_id=here.id,
            key=key,
            source=ISSUED,
            target=Side(occasion.member_id, "available"),
            amount=part.points,
            reason=earning.QUEST,
            rule=part.rule,
            rule_version=entry.version,
            actor=earning.QUEST,
            at=occasion.at,
            day=occasion.day,
            kind=part.category,
            expires=expires,
            caps=part.caps,
        )
        paid.append(awards.award(tx, here.rules, posting, today=today, now=now))
    return paid


def _told(work: _Work, quest: QuestRule) -> Occasion:
    return work.occasion._replace(what=f"quest.{quest.id}", key=f"quest/{quest.id}", amount=1)


# -- what he hears -------------------------------------------------------------------------------


def _lines(work: _Work) -> Iterator[Line]:
    """Say what is done, if he has not heard it, and in one line where a step is."""
    for line in news(work.tx, work.here, work.book):
        work.changed = True
        yield line
    if work.parts:
        yield Line("quest.step", {"parts": Parts(tuple(work.parts))})
    if work.risen:
        yield Line("quest.level", {"level": max(work.risen, key=lambda level: level.min)})


def _private(work: _Work) -> Direct | None:
    """Return where he reads what he has just done, if he has ever written there."""
    if work.now - work.occasion.at > JUST_NOW:
        return None
    chats = direct.chats(work.tx, work.here.id, work.occasion.member_id)
    return chats[0] if chats else None


def _whisper(work: _Work, chat: Direct, lines: list[Line]) -> None:
    words = texts(chat.locale or work.here.locale)
    outbox.say(
        work.tx,
        programme_id=work.here.id,
        platform=chat.platform,
        chat_id=chat.chat_id,
        reply=Reply("\n".join(line.said(words) for line in lines)),
        now=work.now,
    )


def news(tx: Tx, here: Programme, book: dict[Key, Entry]) -> Iterator[Line]:
    """Yield a line for each quest that is done and of which nobody has told, and note it."""
    for key, entry in book.items():
        if entry.state != OPEN and not entry.told:
            quest = quest_of(tx, here, entry)
            said = "quest.done" if entry.points else "quest.done_full"
            if entry.state == DONE:
                said = "quest.done_review"
            yield Line(said, {"quest": quest, "points": entry.points})
            for other in here.rules.quest:
                if other.id in quest.unlocks:
                    yield Line("quest.unlocked", {"quest": other})
            book[key] = structs.replace(entry, told=True)
