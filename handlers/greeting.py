"""Greeting who has come, in one message for several, and what is said when a raid is over."""

from datetime import datetime, timedelta

from content.greeting import Newcomer, buttons, greeting
from content.message import Reply
from content.texts import texts
from storage import arrivals, outbox, programmes
from storage.db import Tx, to_ms
from storage.members import OPEN
from storage.programmes import Group, Programme

FRESH = timedelta(minutes=15)
"""Who came longer ago is not greeted any more: the bot has been away."""


def greet(tx: Tx, here: Programme, group: Group, now: datetime) -> None:
    """Greet all who wait in a group, unless somebody has just been greeted, or a raid is on."""
    rules = here.rules.welcome
    if not arrivals.turn(tx, here.id, group.id, now, pause_s=rules.bundle_s):
        return
    came = arrivals.greeted(tx, here.id, group.id, now, fresh=now - FRESH)
    people = [Newcomer(each.name, each.source, each.back, each.verified == OPEN) for each in came]
    if people and rules.on:
        _say(tx, group, greeting(rules, texts(here.locale), group.title, people), now)


def run_due(tx: Tx, programme_id: int, group_id: int, now: datetime) -> None:
    """Greet who has waited long enough in a group, or end a raid that is over."""
    here = programmes.programme(tx, programme_id, now)
    group = programmes.by_id(tx, programme_id, group_id)
    if group is None:
        arrivals.end_raid(tx, programme_id, group_id)
        arrivals.greeted(tx, programme_id, group_id, now, fresh=now)
        return
    rules = here.rules.welcome
    since = now - timedelta(seconds=rules.raid_s)
    most = rules.raid_joins + 1
    rush = arrivals.rush(tx, programme_id, group_id, since=since, most=most)
    if not rush.raid:
        greet(tx, here, group, now)
        return
    if rush.came > rules.raid_joins:
        rest = timedelta(minutes=rules.raid_rest_min)
        arrivals.prolong_raid(tx, programme_id, group_id, now + rest)
        return
    over = arrivals.end_raid(tx, programme_id, group_id)
    arrivals.greeted(tx, programme_id, group_id, now, fresh=now)  # as a whole, not by name
    if over is not None and over.came and rules.on and to_ms(now - FRESH) < over.until_ms:
        words = texts(here.locale)
        text = words.say("welcome.after_raid", count=over.came)
        _say(tx, group, Reply(text, buttons(words, verify=rules.asks), once=True), now)


def _say(tx: Tx, group: Group, reply: Reply, now: datetime) -> None:
    outbox.say(
        tx,
        programme_id=group.programme_id,
        platform=group.platform,
        chat_id=group.chat_id,
        reply=reply,
        now=now,
    )
