"""Owners are told, once a day at most, that something waits for them: where they have written."""

from collections.abc import Collection
from datetime import datetime

from content.message import Button, Reply
from content.texts import texts
from storage import chores, direct, findings, outbox, programmes
from storage.chores import Chore
from storage.db import Tx
from storage.programmes import MAIN

_CHORE = "risk-told"
LIFE_S = 12 * 3600


def tell(tx: Tx, owners: Collection[str], now: datetime) -> int:
    """Write to owners, given as `telegram:123`, of findings that wait; return to how many."""
    told = 0
    reached: dict[int, list[tuple[str, direct.Direct]]] = {}
    for owner in sorted(owners):
        platform, _, user = owner.partition(":")
        chat = direct.of(tx, platform, user)
        if chat is not None:
            home = programmes.home(tx, platform, user) or MAIN
            reached.setdefault(home, []).append((owner, chat))
    for programme_id, people in reached.items():
        number = findings.count(tx, programme_id)
        here = programmes.programme(tx, programme_id, now)
        today = now.astimezone(here.zone).date()
        if not number or chores.get(tx, programme_id, _CHORE).day >= today:
            continue
        chores.put(tx, programme_id, _CHORE, Chore(today, today, here.rules_version, 0))
        for _, chat in people:
            words = texts(chat.locale or here.locale)
            button = Button(words.say("button.risk"), "risk")
            reply = Reply(words.say("risk.waiting", n=number), ((button,),), life_s=LIFE_S)
            outbox.say(
                tx,
                programme_id=programme_id,
                platform=chat.platform,
                chat_id=chat.chat_id,
                reply=reply,
                now=now,
            )
            told += 1
    return told
