"""Tags beside members' names in a group: the level or the title of the week, where the bot may.

They follow a rise at a check-in and the titles of Monday at once, everything else within a day.
"""

import logging
import re
import unicodedata
from collections.abc import Iterable
from datetime import datetime, timedelta

from content import windows
from content.message import SetTag
from content.texts import texts
from handlers.context import Context
from handlers.router import Router
from storage import chores, outbox, programmes, tags
from storage.chores import Chore
from storage.db import Tx
from storage.programmes import Programme
from storage.tags import Change

_log = logging.getLogger(__name__)

router = Router()
CHORE = "tags"
TAG_MAX = 16
"""As many characters as platforms show."""
LIFE = timedelta(days=1)
_REF = re.compile(r"tag (\d{1,19}) (\d{1,19})")
_NO_TAG = {"So", "Sk", "Cf", "Cs", "Cn", "Co", "Cc", "Mn", "Me"}
"""Kinds of characters that tags cannot have: emoji, and what goes with them."""


def words_of(name: str) -> str:
    """Return a name as a tag: without emoji, short enough."""
    plain = "".join(each for each in name if unicodedata.category(each) not in _NO_TAG)
    return " ".join(plain.split())[:TAG_MAX].strip()


def wear(tx: Tx, here: Programme, now: datetime, members: Iterable[int] = (0,)) -> int:
    """Let members (else all) wear what they have come to; return how many tags change."""
    today, rules = now.astimezone(here.zone).date(), here.rules
    lowest = rules.level[0].id if rules.level else ""
    week = windows.start("week", today)
    done = 0
    for member_id in members:
        changes = tags.changed(
            tx, here.id, rules.boards.tags, lowest, week, today, member_id=member_id
        )
        for each in changes:
            _set(tx, here, each, now)
        tags.note(tx, here.id, changes)
        done += len(changes)
    return done


def _set(tx: Tx, here: Programme, change: Change, now: datetime) -> None:
    ref = f"tag {change.group_id} {change.member_id}"
    outbox.do(
        tx,
        programme_id=here.id,
        platform=change.platform,
        chat_id=change.chat_id,
        action=SetTag(ref, change.user_id, _words(here, change.tag)),
        now=now,
        life=LIFE,
    )


def _words(here: Programme, tag: str) -> str:
    level = next((each for each in here.rules.level if each.id == tag), None)
    if level is not None and here.rules.boards.tags == "level":
        return words_of(level.called(here.locale))
    say = texts(here.locale)
    return words_of(say.say(f"title.{tag}")) if f"title.{tag}" in say else ""


def due(tx: Tx, now: datetime) -> list[int]:
    """Return the programmes in which tags have not been looked at today."""
    return chores.behind(tx, CHORE, lambda today: today, now)


def look(tx: Tx, programme_id: int, now: datetime) -> int:
    """Look at everybody's tags, once a day; return how many change."""
    here = programmes.programme(tx, programme_id, now)
    today = now.astimezone(here.zone).date()
    if not chores.claim(tx, here.id, CHORE, Chore(today)):
        return 0
    return wear(tx, here, now)


@router.did("tag")
def set_or_not(ctx: Context) -> None:
    """Note quietly, and once, that tags cannot be set in a group for lack of a right.

    Another refusal is about one person, such as an administrator: it is not tried again.
    """
    found = _REF.fullmatch(ctx.event.target)
    if found is None or ctx.group is None or "rights" not in ctx.event.refused.lower():
        return
    group_id, member_id = int(found[1]), int(found[2])
    today = ctx.now.astimezone(ctx.programme.zone).date()
    if tags.rest(ctx.tx, ctx.programme.id, group_id, member_id, today):
        _log.warning(
            "group %s: members' tags cannot be set (%s): the bot needs the right to edit them",
            ctx.event.chat.id,
            ctx.event.refused,
        )
