"""Where an event belongs: its programme, group and person, and the receipt of its delivery."""

from datetime import datetime
from typing import NamedTuple, TypeVar

from msgspec import structs

from content.message import Reply
from content.texts import Texts
from handlers.event import Event
from storage import direct, inbox, members, programmes, referrals
from storage.db import Tx, from_ms
from storage.journeys import Sent
from storage.members import Member
from storage.programmes import Defaults, Group, Programme

R = TypeVar("R", Reply, Reply | None)
RECEIPTS = 0
"""Receipts stand under no programme: which one is theirs may change between two deliveries."""
INTRODUCE = "introduce"
"""Talk that a quest may ask for, whether talk earns points or not."""
OPENS_A_GROUP = {"message", "tap", "joined", "bot_added", "bot_rights"}


class Place(NamedTuple):
    """Where an event belongs, and the receipt of its delivery."""

    programme: Programme
    group: Group | None
    person: Member | None
    receipt: Sent | None
    """None where nothing is to be done."""
    outside: str = "who.join_first"
    """Why there is no person: a key of the texts."""

    @property
    def first_time(self) -> bool:
        """Whether the delivery has not been dealt with before."""
        return self.receipt is not None and self.receipt.count == 1


def find_place(tx: Tx, event: Event, defaults: Defaults, now: datetime) -> Place:
    """Return where an event belongs, opening groups and members that are new.

    The receipt travels with what is read first. A delivery that has been dealt with before, or
    comes too late, changes nothing here: who has left meanwhile stays out.
    """
    receipt = inbox.receive(tx, RECEIPTS, event.key, now)
    if event.chat.kind == "private":
        return _private_place(tx, event, receipt, now)
    group = _group(tx, event, receipt, defaults, now)
    if group is None:
        return Place(programmes.programme(tx, programmes.MAIN, now), None, None, receipt)
    programme = programmes.programme(tx, group.programme_id, now)
    nobody = Place(programme, group, None, receipt)
    if event.kind not in {"message", "tap"} or event.sender.kind != "person":
        return nobody
    known = members.find(tx, programme.id, event.who, group.id)
    old_button = event.kind == "tap" and group.state != programmes.ACTIVE  # I am not there now
    if old_button or not _counts(event, receipt, now):
        return nobody._replace(outside="who.left")
    came, seen = event.kind == "message", known is not None and known.state is not None
    if event.from_outside and not came and not seen:  # a tap in a public group proves nothing
        return nobody._replace(outside="who.speak_first")
    person = members.take_in(
        tx,
        programme.id,
        group.id,
        event.who,
        now,
        known=known,
        came=came,
        asks=programme.rules.welcome.asks,
    )
    _set_aside(tx, programme, event, person)
    if known is None:  # nobody has told of his coming
        referrals.come(tx, programme.id, event.who, person.id, event.at, programme.rules)
    inside = person.state == "active"
    return nobody._replace(person=person if inside else None, outside="who.left")


def talk_place(tx: Tx, event: Event, now: datetime) -> Place | None:
    """Return where mere talk in a group belongs; None where we are not known to be.

    It opens no group, and makes no member where it earns nothing. A comment in a public group
    proves nothing: there, only who has come or asked for something, and not left, is a person.
    """
    group = programmes.group(tx, event.platform, event.chat.id)
    if group is None:
        return None
    programme = programmes.programme(tx, group.programme_id, now)
    if not programme.rules.activity.points and INTRODUCE not in programme.listens:
        return Place(programme, group, None, None)
    known = members.find(tx, programme.id, event.who, group.id)
    if event.from_outside and (known is None or known.state != "active"):
        return Place(programme, group, None, None)
    receipt = inbox.receive(tx, RECEIPTS, event.key, now)
    if not _counts(event, receipt, now):
        return Place(programme, group, None, receipt)
    asks = programme.rules.welcome.asks
    person = members.take_in(tx, programme.id, group.id, event.who, now, known=known, asks=asks)
    _set_aside(tx, programme, event, person)
    if known is None:
        referrals.come(tx, programme.id, event.who, person.id, event.at, programme.rules)
    return Place(programme, group, person, receipt)


def _set_aside(tx: Tx, programme: Programme, event: Event, person: Member) -> None:
    """Take who runs the place from the boards: they are for the members."""
    if event.sender.role == "owner" and person.board_wish != members.RUNS_IT:
        members.wish(tx, programme.id, person.id, members.RUNS_IT)


def leaving(words: Texts, programme: Programme, person: Member | None, event: Event, reply: R) -> R:
    """Return an answer, with a line for one who is to be erased soon: he may have forgotten."""
    if person is None or person.erase_ms is None or reply is None or not reply.text:
        return reply
    if event.kind == "tap" and reply.private:  # a tap's own answer has no room for it
        return reply
    day = from_ms(person.erase_ms).astimezone(programme.zone)
    line = words.say("privacy.leaving", day=f"{day:%m-%d}")
    return structs.replace(reply, text=f"{reply.text}\n{line}")


def _counts(event: Event, receipt: Sent, now: datetime) -> bool:
    """Whether an event may change anything: it is new, and not too old."""
    return now - event.at <= inbox.STALE and receipt.count == 1


def _group(tx: Tx, event: Event, receipt: Sent, defaults: Defaults, now: datetime) -> Group | None:
    """Return the group in which it happened, opened or changed by it; None for none of ours."""
    if event.chat.kind == "channel":
        return None
    group = programmes.group(tx, event.platform, event.chat.id)
    if group is None and event.kind == "migrated":
        group = programmes.group(tx, event.platform, event.target)
    by_owner = event.kind == "bot_added" and event.sender.role == "owner"
    if group is None and event.kind in OPENS_A_GROUP and _counts(event, receipt, now):
        return programmes.open_group(
            tx,
            event.platform,
            event.chat.id,
            event.chat.title,
            by_owner=by_owner,
            defaults=defaults,
            now=now,
        )
    if group is None or not _touches(event, group) or not _counts(event, receipt, now):
        return group
    if event.kind == "bot_added":
        return programmes.part(tx, group, defaults, now)
    return programmes.rename(tx, group, event.chat.title)


def _touches(event: Event, group: Group) -> bool:
    """Whether an event changes the group itself."""
    if event.kind == "bot_added":
        return group.state == programmes.LET_GO and event.sender.role != "owner"
    return event.kind == "message" and programmes.renames(group, event.chat.title)


def _private_place(tx: Tx, event: Event, receipt: Sent, now: datetime) -> Place:
    who = event.sender
    if who.kind == "person" and now - event.at <= inbox.STALE:
        direct.note(tx, event.who, event.chat.id, who.locale, now)
    home = programmes.home(tx, event.platform, event.sender.id)
    programme = programmes.programme(tx, home or programmes.MAIN, now)
    if home is not None:
        return Place(programme, None, members.find(tx, programme.id, event.who, None), receipt)
    former = programmes.known_before(tx, event.platform, event.sender.id)
    return Place(programme, None, None, receipt, "who.left" if former else "who.join_first")
