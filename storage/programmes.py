"""Programmes (pools of points) and their groups: where an event belongs."""

from datetime import date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from content import questing, rulebook
from content.names import clean_text
from content.rulebook import Rulebook, RulebookError
from storage import members, rulebooks
from storage.db import Sql, Tx, from_ms, to_ms
from storage.ids import new_id

MAIN = 1
"""The installation's own programme. Groups that its owners open share it; a group that a stranger
opens gets a programme to itself, so that nobody can farm points in a group of his own."""

ACTIVE, LET_GO = "active", "let_go"
"""A group's states, beside `removed`: an owner let go of it, so that only an owner brings it back
to the main programme."""

NAME_MAX, TITLE_MAX = 200, 255


class Programme(NamedTuple):
    """A pool of points, with its zone, language and the rules in force."""

    id: int
    name: str
    zone: ZoneInfo
    locale: str
    rules_version: int
    rules: Rulebook
    rules_since: datetime
    """When this version came into force."""
    listens: frozenset[str]
    """The deeds that count for quests under these rules, or those of before (`rulebook.heard`)."""


class Group(NamedTuple):
    """A chat that the bot serves."""

    id: int
    programme_id: int
    platform: str
    chat_id: str
    title: str
    state: str


class Defaults(NamedTuple):
    """What a new programme starts with."""

    zone: str
    locale: str
    document: str = ""
    """Its rules; the shipped ones when empty."""

    @property
    def zone_info(self) -> ZoneInfo:
        """The zone itself."""
        return ZoneInfo(self.zone)


_PROGRAMME = Sql(
    "SELECT p.id, p.name, p.zone, p.locale, r.version, r.document, r.effective_ms,"
    " r.heard"
    f" FROM programme p CROSS JOIN rulebook r WHERE p.id = :programme AND {rulebooks.IN_FORCE}"
)
_NEW_PROGRAMME = Sql(
    "INSERT INTO programme (id, name, zone, locale, rules_version, created_ms)"
    " VALUES (:id, :name, :zone, :locale, 1, :at) ON CONFLICT DO NOTHING"
)
_NEW_RULES = Sql(
    "INSERT INTO rulebook (programme_id, version, document, author, note, created_ms,"
    " effective_ms) VALUES (:id, 1, :document, 'shipped', '', :at, :at)"
)
_GROUP = Sql(
    "SELECT id, programme_id, platform, chat_id, title, state, moved_to FROM chat_group"
    " WHERE platform = :platform AND chat_id = :chat"
)
_GROUP_HELD = Sql(_GROUP.sqlite, postgres=f"{_GROUP.sqlite} FOR KEY SHARE")
"""It stays in its programme until the transaction ends: who speaks there, joins that one."""
_BY_ID = Sql(
    "SELECT id, programme_id, platform, chat_id, title, state FROM chat_group"
    " WHERE programme_id = :programme AND id = :id AND state = 'active'"
)
_CHATS = Sql(
    "SELECT chat_id, title FROM chat_group WHERE platform = :platform AND state = 'active'"
    " ORDER BY id DESC LIMIT :most"
)
_OWN_CHATS = Sql(
    "SELECT platform, chat_id FROM chat_group WHERE programme_id = :programme AND state = 'active'"
    " ORDER BY id"
)
_LIVELY = Sql(
    "SELECT g.id, g.programme_id, g.platform, g.chat_id, g.title, g.state FROM chat_group g"
    " WHERE g.programme_id = :programme AND g.state = 'active' AND EXISTS (SELECT 1"
    " FROM membership s JOIN account a ON a.programme_id = s.programme_id"
    " AND a.owner_id = s.member_id AND a.wallet = 'points' AND a.earned_day >= :since"
    " WHERE s.programme_id = g.programme_id AND s.group_id = g.id AND s.state = 'active')"
    " ORDER BY g.id"
)
_ZONES = Sql("SELECT DISTINCT zone FROM programme")
_NEW_GROUP = Sql(
    "INSERT INTO chat_group (programme_id, id, platform, chat_id, title, created_ms)"
    " VALUES (:programme, :id, :platform, :chat, :title, :at)"
)
_RENAME = Sql("UPDATE chat_group SET title = :title WHERE id = :id")
_STATE = Sql("UPDATE chat_group SET state = :state WHERE id = :id")
_ADOPT = Sql(
    "UPDATE chat_group SET programme_id = :main WHERE id = :id"
    " AND (created_ms > :since OR NOT EXISTS (SELECT 1 FROM posting WHERE programme_id = :own))"
)
_PART = Sql("UPDATE chat_group SET programme_id = :new WHERE id = :id")
_KNOWN = Sql("SELECT 1 FROM identity WHERE platform = :platform AND user_id = :user LIMIT 1")
_WHERE_KNOWN = Sql(
    "SELECT programme_id FROM identity WHERE platform = :platform AND user_id = :user"
    " ORDER BY programme_id LIMIT 5"
)
_FORWARD = Sql(
    "INSERT INTO chat_group (programme_id, id, platform, chat_id, title, state, created_ms,"
    " moved_to) VALUES (:programme, :id, :platform, :chat, '', 'moved', 0, :new)"
)
"""What is still said under a chat's old id belongs to the group that it became."""
_MOVE = Sql("UPDATE chat_group SET chat_id = :new WHERE id = :id")
_HOME = Sql(
    "SELECT i.programme_id FROM identity i"
    " JOIN account a ON a.programme_id = i.programme_id AND a.owner_id = i.member_id"
    " WHERE i.platform = :platform AND i.user_id = :user AND a.wallet = 'points' AND EXISTS"
    " (SELECT 1 FROM membership m JOIN chat_group g ON g.programme_id = m.programme_id"
    " AND g.id = m.group_id WHERE m.programme_id = i.programme_id"
    " AND m.member_id = i.member_id AND m.state = 'active' AND g.state = 'active')"
    " ORDER BY a.last_posting DESC LIMIT 1"
)


def programme(tx: Tx, programme_id: int, now: datetime) -> Programme:
    """Return a programme with the rules in force. Errors: LookupError when there is none."""
    known = tx.seen.get(programme_id)
    if isinstance(known, Programme):
        return known
    row = tx.one(_PROGRAMME, programme=programme_id, now=to_ms(now))
    if row is None:
        raise LookupError(f"there is no programme {programme_id}")
    id_, name, zone, locale, version, document, since_ms, heard = row
    try:
        rules = rulebooks.parsed(document)
    except RulebookError as error:
        raise RulebookError(f"rules of programme {id_}, version {version}: {error}") from error
    listens = questing.listens(rules.quest) | rulebooks.heard(heard)
    since = from_ms(since_ms)
    found = Programme(id_, name, ZoneInfo(zone), locale, version, rules, since, listens)
    tx.seen[programme_id] = found
    return found


def create(tx: Tx, programme_id: int, name: str, defaults: Defaults, now: datetime) -> None:
    """Create a programme under the rules to start with; one that exists stays as it is."""
    at = to_ms(now)
    created = tx.run(
        _NEW_PROGRAMME,
        id=programme_id,
        name=clean_text(name, NAME_MAX),
        zone=defaults.zone,
        locale=defaults.locale,
        at=at,
    )
    if created.rowcount == 1:
        document = defaults.document or rulebook.shipped_document()
        tx.run(_NEW_RULES, id=programme_id, document=document, at=at)


def group(tx: Tx, platform: str, chat_id: str) -> Group | None:
    """Return the group of a chat, or None."""
    key = (platform, chat_id)
    known = tx.seen.get(key)
    if isinstance(known, Group):
        return known
    row = tx.one(_GROUP_HELD if tx.writes else _GROUP, platform=platform, chat=chat_id)
    if row is None:
        return None
    *known_of, moved_to = row
    found = group(tx, platform, moved_to) if moved_to else Group(*known_of)
    if found is not None:
        tx.seen[key] = found
    return found


def by_id(tx: Tx, programme_id: int, group_id: int) -> Group | None:
    """Return a group that the bot is in, by its number; None when it has left, or been parted."""
    row = tx.one(_BY_ID, programme=programme_id, id=group_id)
    return Group(*row) if row else None


def active_chats(tx: Tx, platform: str, most: int) -> list[tuple[str, str]]:
    """Return (chat id, title) of the groups served on a platform, newest first."""
    return [(chat, title) for chat, title in tx.all(_CHATS, platform=platform, most=most)]


def chats(tx: Tx, programme_id: int) -> list[tuple[str, str]]:
    """Return (platform, chat id) of the groups that a programme serves."""
    rows = tx.all(_OWN_CHATS, programme=programme_id)
    return [(platform, chat) for platform, chat in rows]


def lively(tx: Tx, programme_id: int, since: date) -> list[Group]:
    """Return the groups in which somebody is who has earned something since a day."""
    tx.books.write(tx)
    rows = tx.all(_LIVELY, programme=programme_id, since=since)
    return [Group(*row) for row in rows]


def zones(tx: Tx) -> list[ZoneInfo]:
    """Return the zones in which there are programmes."""
    return [ZoneInfo(zone) for (zone,) in tx.all(_ZONES)]


def open_group(
    tx: Tx,
    platform: str,
    chat_id: str,
    title: str,
    *,
    by_owner: bool,
    defaults: Defaults,
    now: datetime,
) -> Group:
    """Create the group of a chat: in the main programme for an owner, else in one of its own."""
    programme_id = MAIN if by_owner else new_id()
    create(tx, programme_id, title or chat_id, defaults, now)
    tx.run(
        _NEW_GROUP,
        programme=programme_id,
        id=new_id(),
        platform=platform,
        chat=chat_id,
        title=clean_text(title, TITLE_MAX),
        at=to_ms(now),
    )
    made = group(tx, platform, chat_id)
    assert made is not None
    return made


def adopt(tx: Tx, known: Group, *, since: datetime) -> None:
    """Take a group into the main programme, as long as no points have been posted in its own.

    One that was opened after `since` comes along in any case; its few points stay where they are.
    """
    if known.programme_id != MAIN:
        tx.books.write(tx)
        tx.run(_ADOPT, id=known.id, main=MAIN, own=known.programme_id, since=to_ms(since))
        for each in (known.programme_id, MAIN):
            members.show_group(tx, each, known.id)
        tx.seen.clear()


def part(tx: Tx, known: Group, defaults: Defaults, now: datetime) -> Group:
    """Give a group a programme of its own: the points of its members stay in the one it leaves."""
    programme_id = new_id()
    create(tx, programme_id, known.title or known.chat_id, defaults, now)
    tx.run(_PART, id=known.id, new=programme_id)
    members.show_group(tx, known.programme_id, known.id)
    tx.seen.clear()
    parted = group(tx, known.platform, known.chat_id)
    assert parted is not None
    return parted


def renames(known: Group, title: str) -> bool:
    """Whether a chat has another title than we know."""
    return clean_text(title, TITLE_MAX) not in {"", known.title}


def rename(tx: Tx, known: Group, title: str) -> Group:
    """Note that a chat has been renamed."""
    title = clean_text(title, TITLE_MAX)
    tx.send(_RENAME, id=known.id, title=title)
    tx.seen.clear()
    return known._replace(title=title)


def set_state(tx: Tx, known: Group, state: str) -> None:
    """Note that the bot came (`ACTIVE`), was removed (`removed`), or by an owner (`LET_GO`)."""
    if state != known.state:
        tx.send(_STATE, id=known.id, state=state)
        tx.seen.clear()


def follow_chat(tx: Tx, platform: str, old: str, new: str) -> None:
    """Keep a group whose chat got another id. Harmless when it has been done before.

    If somebody spoke under the new id before this became known, that short-lived group steps aside.
    """
    known = group(tx, platform, old)
    if known is None or known.chat_id == new:
        return
    stray = group(tx, platform, new)
    if stray is not None:
        tx.run(_MOVE, id=stray.id, new=f"{new}#{stray.id}")
        tx.send(_STATE, id=stray.id, state="merged")
    tx.run(_MOVE, id=known.id, new=new)
    tx.run(
        _FORWARD, id=new_id(), programme=known.programme_id, platform=platform, chat=old, new=new
    )
    tx.seen.clear()


def known_before(tx: Tx, platform: str, user_id: str) -> bool:
    """Whether somebody has ever been a member, anywhere here."""
    return tx.one(_KNOWN, platform=platform, user=user_id) is not None


def elsewhere(tx: Tx, platform: str, user_id: str) -> list[int]:
    """Return the programmes, five at most, in which somebody is a member."""
    return [number for (number,) in tx.all(_WHERE_KNOWN, platform=platform, user=user_id)]


def home(tx: Tx, platform: str, user_id: str) -> int | None:
    """Return the programme in which a person, met in private, was last active in a group."""
    tx.books.write(tx)
    row = tx.one(_HOME, platform=platform, user=user_id)
    return row[0] if row else None
