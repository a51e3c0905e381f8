"""Where an event belongs: its programme, group and person, and the receipt of its delivery."""

from datetime import datetime
from typing import NamedTuple

from handlers.event import Event
from storage import inbox, members, programmes
from storage.db import Tx
from storage.journeys import Sent
from storage.members import Member
from storage.programmes import Defaults, Group, Programme

PRIVATE_RECEIPTS = 0
"""Receipts of private chats, and of the bot's own coming and going, stand under no programme:
which one is theirs may change between two deliveries."""
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

    The receipt is sent before the member is read: the two travel together.
    """
    if event.chat.kind == "private":
        return _private_place(tx, event, now)
    group = programmes.group(tx, event.platform, event.chat.id)
    if group is None and event.kind == "migrated":
        group = programmes.group(tx, event.platform, event.target)
    if event.chat.kind == "channel" or (group is None and event.kind not in OPENS_A_GROUP):
        main = programmes.programme(tx, programmes.MAIN, now)
        return Place(main, None, None, _receive(tx, event, main, None, now))
    by_owner = event.kind == "bot_added" and event.sender.role == "owner"
    if group is None:
        group = programmes.open_group(
            tx,
            event.platform,
            event.chat.id,
            event.chat.title,
            by_owner=by_owner,
            defaults=defaults,
            now=now,
        )
    elif group.state == programmes.LET_GO and event.kind == "bot_added" and not by_owner:
        group = programmes.part(tx, group, defaults, now)
    elif event.kind == "message":
        programmes.keep_title(tx, group, event.chat.title)
    programme = programmes.programme(tx, group.programme_id, now)
    receipt = _receive(tx, event, programme, group, now)
    if event.kind not in {"message", "tap"} or event.sender.kind != "person":
        return Place(programme, group, None, receipt)
    if event.kind == "tap" and group.state != programmes.ACTIVE:
        return Place(
            programme, group, None, receipt, "who.left"
        )  # an old button: I am not there any more
    came = event.kind == "message"
    if event.from_outside and not came and not _inside(tx, programme, group, event):
        return Place(programme, group, None, receipt, "who.speak_first")
    person = members.arrive(tx, programme.id, group.id, event.who, now, came=came)
    inside = person.state == "active"
    return Place(programme, group, person if inside else None, receipt, "who.left")


def talk_place(tx: Tx, event: Event, now: datetime) -> Place | None:
    """Return where mere talk in a group belongs; None where we are not known to be.

    It opens no group, and makes no member where it earns nothing. A comment in a public group
    proves nothing: there, only who has come or asked for something, and not left, is a person.
    """
    group = programmes.group(tx, event.platform, event.chat.id)
    if group is None:
        return None
    programme = programmes.programme(tx, group.programme_id, now)
    if not programme.rules.activity.points:
        return Place(programme, group, None, None)
    if event.from_outside:
        known = members.find(tx, programme.id, event.who, group.id)
        if known is None or known.state != "active":
            return Place(programme, group, None, None)
    receipt = _receive(tx, event, programme, group, now)
    person = members.arrive(tx, programme.id, group.id, event.who, now)
    return Place(programme, group, person, receipt)


def _inside(tx: Tx, programme: Programme, group: Group, event: Event) -> bool:
    """Whether somebody has been seen in a group. A tap in a public one proves nothing."""
    known = members.find(tx, programme.id, event.who, group.id)
    return known is not None and known.state is not None


def _private_place(tx: Tx, event: Event, now: datetime) -> Place:
    home = programmes.home(tx, event.platform, event.sender.id)
    programme = programmes.programme(tx, home or programmes.MAIN, now)
    receipt = _receive(tx, event, programme, None, now)
    if home is not None:
        return Place(programme, None, members.find(tx, programme.id, event.who, None), receipt)
    former = programmes.known_before(tx, event.platform, event.sender.id)
    return Place(programme, None, None, receipt, "who.left" if former else "who.join_first")


def _receive(
    tx: Tx, event: Event, programme: Programme, group: Group | None, now: datetime
) -> Sent:
    """Write the receipt of a delivery."""
    of_members = event.kind in {"message", "tap", "joined", "left"}
    under = programme.id if group and of_members else PRIVATE_RECEIPTS
    return inbox.receive(tx, under, event.key, now)
