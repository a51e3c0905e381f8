"""Members, their identities on platforms, and the groups that they are in."""

import json
from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Literal, NamedTuple

from content.names import clean_name, person
from content.rulebook import Visibility
from storage import tallies
from storage.books import POINTS
from storage.db import Sql, Tx, from_ms, to_day, to_ms
from storage.ids import new_id
from storage.sql import arrays

BoardWish = Literal[-2, -1, 1]
"""To stand on no board, for running the place or for not wanting to; to stand there."""
RUNS_IT: BoardWish = -2


CALLED_MAX = 100
"""As wide as the column: a letter can stand for a whole phrase."""


OPEN = "open"


class Member(NamedTuple):
    """A member as an event finds him, with his points account."""

    id: int
    name: str
    state: str | None
    """His membership in the event's group: active, left, or None in private."""
    available: int
    pending: int
    held: int
    debt: int
    total_earned: int
    checkin_day: date | None
    streak: int
    since_ms: int
    """From when on he is a member, in milliseconds since 1970 UTC."""
    verified: str
    """How he has shown that he is a person; '' where nobody has asked (`OPEN`: he still has to)."""

    board_wish: int = 0
    erase_ms: int | None = None
    """When he is to be erased, as he has asked; None for who stays."""
    named_by: str = ""
    """The identity whose name he goes by (`platform:user`), where he has several."""

    @property
    def open(self) -> bool:
        """Whether he still has to show that he is a person, as long as the rules ask for it."""
        return self.verified == OPEN


class Place(NamedTuple):
    """Somebody in one of the programmes in which his account is known."""

    programme_id: int
    member_id: int
    programme: str
    visibility: str
    board_wish: int
    erase_ms: int | None


_FIND = Sql(
    "SELECT m.id, m.name, s.state, a.available, a.pending, a.held, a.debt, a.total_earned,"
    " a.checkin_day, a.streak, m.created_ms, m.verified, m.board_wish, m.erase_ms, m.named_by"
    " FROM member m"
    " JOIN account a ON a.programme_id = m.programme_id AND a.owner_id = m.id"
    " AND a.wallet = 'points'"
    " LEFT JOIN membership s ON s.programme_id = m.programme_id AND s.group_id = :group"
    " AND s.member_id = m.id"
    # a value, not a join: on tables without statistics PostgreSQL would read every member first
    " WHERE m.programme_id = :programme AND m.id = (SELECT i.member_id FROM identity i"
    " WHERE i.programme_id = :programme AND i.platform = :platform AND i.user_id = :user)"
)
_NEW_MEMBER = Sql(
    "INSERT INTO member (programme_id, id, name, called, created_ms, verified)"
    " VALUES (:programme, :id, :name, :called, :at, :verified)"
)
_NEW_IDENTITY = Sql(
    "INSERT INTO identity (programme_id, platform, user_id, member_id)"
    " VALUES (:programme, :platform, :user, :member)"
)
_NEW_MEMBERS = Sql(
    "INSERT INTO member (programme_id, id, name, called, created_ms) VALUES (?, ?, ?, ?, ?)",
    postgres="INSERT INTO member (programme_id, id, name, called, created_ms)"
    " VALUES (%s, %s, %s, %s, %s)",
)
_NEW_IDENTITIES = Sql(
    "INSERT INTO identity (programme_id, platform, user_id, member_id) VALUES (?, ?, ?, ?)",
    postgres="INSERT INTO identity (programme_id, platform, user_id, member_id)"
    " VALUES (%s, %s, %s, %s)",
)
_NEW_ACCOUNTS = Sql(
    "INSERT INTO account (programme_id, owner_id, wallet) VALUES (?, ?, ?)",
    postgres="INSERT INTO account (programme_id, owner_id, wallet) VALUES (%s, %s, %s)",
)
_NEW_ACCOUNT = Sql(
    "INSERT INTO account (programme_id, owner_id, wallet) VALUES (:programme, :member, 'points')"
)
_JOIN = Sql(
    "INSERT INTO membership (programme_id, group_id, member_id, state, joined_ms)"
    " VALUES (:programme, :group, :member, 'active', :at)"
    " ON CONFLICT (programme_id, group_id, member_id) DO UPDATE SET state = 'active'"
)
_LEAVE = Sql(
    "UPDATE membership SET state = 'left' WHERE programme_id = :programme"
    " AND group_id = :group AND member_id = :member"
)
_MAY_STAND = (
    # one in the other, not joined: a member is in few groups, of which there may be many
    "CASE WHEN EXISTS (SELECT 1 FROM membership s"
    " WHERE s.programme_id = account.programme_id AND s.member_id = account.owner_id"
    " AND s.state = 'active' AND EXISTS (SELECT 1 FROM chat_group g"
    " WHERE g.programme_id = s.programme_id AND g.id = s.group_id))"
    " OR NOT EXISTS (SELECT 1 FROM membership s"
    " WHERE s.programme_id = account.programme_id AND s.member_id = account.owner_id)"
    " THEN (SELECT CASE WHEN m.board_wish < 0 THEN 0 ELSE m.board_wish + 1 END FROM member m"
    " WHERE m.programme_id = account.programme_id AND m.id = account.owner_id) ELSE 0 END"
)
_SHOW = Sql(
    f"UPDATE account SET shown = {_MAY_STAND}"
    " WHERE programme_id = :programme AND owner_id = :member AND wallet = 'points'"
    " RETURNING shown"
)
_IN_GROUP = (
    " WHERE programme_id = :programme AND wallet = 'points' AND shown >= 0 AND owner_id IN"
    " (SELECT member_id FROM membership WHERE programme_id = :programme AND group_id = :group)"
)
_LOCK_GROUP = Sql(
    "SELECT 1", postgres=f"SELECT owner_id FROM account{_IN_GROUP} ORDER BY owner_id FOR UPDATE"
)
_TURNED = Sql(
    f"SELECT * FROM (SELECT owner_id, shown, {_MAY_STAND} AS may, {tallies.STANDING}"
    f" FROM account{_IN_GROUP}) t WHERE shown <> may"
)
_TURN = Sql(
    "UPDATE account SET shown = ? WHERE programme_id = ? AND owner_id = ? AND wallet = 'points'",
    postgres="UPDATE account a SET shown = v.shown FROM unnest(:shown::int[],"
    " :programme::bigint[], :owner::bigint[]) AS v(shown, programme_id, owner_id)"
    " WHERE a.programme_id = v.programme_id AND a.owner_id = v.owner_id AND a.wallet = 'points'",
)
_SPEND_WISH = Sql(
    "UPDATE member SET spend_wish = :wish WHERE programme_id = :programme AND id = :id"
)
_WISH = Sql(
    "UPDATE member SET board_wish = :wish, visibility = CASE WHEN :wish > 0"
    " AND visibility = 'private' THEN 'members' ELSE visibility END"
    " WHERE programme_id = :programme AND id = :member",
    postgres="UPDATE member SET board_wish = :wish, visibility = CASE WHEN :wish::int > 0"
    " AND visibility = 'private' THEN 'members' ELSE visibility END"
    " WHERE programme_id = :programme AND id = :member",
)
_SEE = Sql(
    "UPDATE member SET visibility = :visibility,"
    f" board_wish = CASE WHEN board_wish = {RUNS_IT} THEN {RUNS_IT} ELSE :wish END"
    " WHERE programme_id = :programme AND id = :member"
)
_PLACES = Sql(
    "SELECT i.programme_id, i.member_id, p.name, m.visibility, m.board_wish, m.erase_ms"
    " FROM identity i JOIN member m ON m.programme_id = i.programme_id AND m.id = i.member_id"
    " JOIN programme p ON p.id = i.programme_id"
    " WHERE i.platform = :platform AND i.user_id = :user ORDER BY i.programme_id"
)
_TITLES = Sql(
    "SELECT i.programme_id, g.title FROM identity i JOIN membership s"
    " ON s.programme_id = i.programme_id AND s.member_id = i.member_id AND s.state = 'active'"
    " JOIN chat_group g ON g.programme_id = s.programme_id AND g.id = s.group_id"
    " WHERE i.platform = :platform AND i.user_id = :user AND g.title <> ''"
    " ORDER BY i.programme_id, g.id"
)
_RENAME = Sql(
    "UPDATE member SET name = :name, called = :called WHERE programme_id = :programme AND id = :id"
    " AND erased_ms IS NULL"  # he may just have been
)
_CALLED = Sql(
    # CROSS: the few of that name first, not everybody in the group
    "SELECT m.id, m.name FROM member m CROSS JOIN membership s WHERE m.programme_id = :programme"
    " AND m.called = :called AND s.programme_id = m.programme_id AND s.group_id = :group"
    " AND s.member_id = m.id AND s.state = 'active'"
    " AND COALESCE(NULLIF(m.visibility, ''), :usual) <> 'private' LIMIT 2"
)
_BY_IDENTITY = Sql(
    # CROSS: SQLite keeps the order then; without statistics it would read every identity first
    "SELECT i.platform, i.user_id, i.member_id FROM json_each(:pairs) p CROSS JOIN identity i"
    " ON i.programme_id = :programme AND i.platform = json_extract(p.value, '$[0]')"
    " AND i.user_id = json_extract(p.value, '$[1]')",
    postgres="SELECT i.platform, i.user_id, i.member_id FROM unnest(:platforms::text[],"
    " :users::text[]) AS p(platform, user_id) JOIN identity i ON i.programme_id = :programme"
    " AND i.platform = p.platform AND i.user_id = p.user_id",
)
_KNOWN = Sql(
    "SELECT id, COALESCE(merged_into, id) FROM member WHERE programme_id = :programme"
    " AND erased_ms IS NULL AND id IN (SELECT value FROM json_each(:ids))",
    postgres="SELECT id, COALESCE(merged_into, id) FROM member WHERE programme_id = :programme"
    " AND erased_ms IS NULL AND id = ANY(:ids)",
)
_HEIRS = Sql(
    "SELECT id, COALESCE(merged_into, id) FROM member WHERE programme_id = :programme"
    " AND id IN (SELECT value FROM json_each(:ids))",
    postgres="SELECT id, COALESCE(merged_into, id) FROM member WHERE programme_id = :programme"
    " AND id = ANY(:ids)",
)
_JOINED = Sql(
    "SELECT id, created_ms FROM member WHERE programme_id = :programme"
    " AND id IN (SELECT value FROM json_each(:ids))",
    postgres="SELECT id, created_ms FROM member WHERE programme_id = :programme AND id = ANY(:ids)",
)
_BOUND_TO = Sql(
    "SELECT id, merged_into FROM member WHERE programme_id = :programme"
    " AND merged_into IN (SELECT value FROM json_each(:ids))",
    postgres="SELECT id, merged_into FROM member WHERE programme_id = :programme"
    " AND merged_into = ANY(:ids)",
)
_NAME = Sql("SELECT name FROM member WHERE programme_id = :programme AND id = :id")
_VERIFY = Sql(
    "UPDATE member SET verified = :way, verified_ms = :at"
    " WHERE programme_id = :programme AND id = :member AND verified = 'open'"
)
_VERIFIED = Sql("SELECT verified FROM member WHERE programme_id = :programme AND id = :id")
_SINCE = Sql("SELECT created_ms FROM member WHERE programme_id = :programme AND id = :id")
_WALLETS = Sql(
    "SELECT wallet, available, pending, held, debt, total_earned, next_expiry FROM account"
    " WHERE programme_id = :programme AND owner_id = :member ORDER BY wallet"
)


class Wallet(NamedTuple):
    """What a member has in one wallet; `next_expiry` is date.max where nothing expires."""

    wallet: str
    available: int
    pending: int
    held: int
    debt: int
    total_earned: int
    next_expiry: date


class Who(NamedTuple):
    """An account on a platform, by the name that it shows (as it comes: `clean_name` is ours)."""

    platform: str
    user_id: str
    name: str

    @property
    def clean_name(self) -> str:
        """The name as we show it; nameless people are told apart by the end of their number."""
        return clean_name(self.name, fallback=f"#{self.user_id[-4:]}")


def find(tx: Tx, programme_id: int, who: Who, group_id: int | None) -> Member | None:
    """Return the member behind an identity, or None."""
    row = tx.one(
        _FIND, programme=programme_id, platform=who.platform, user=who.user_id, group=group_id
    )
    if row is None:
        return None
    open_account = tx.books.accounts.get((programme_id, row[0], POINTS))
    if open_account is None:
        return Member(*row)._replace(checkin_day=to_day(row[8]))
    has = open_account  # this transaction has moved points that are not written yet
    return Member(*row)._replace(
        available=has.available,
        pending=has.pending,
        held=has.held,
        debt=has.debt,
        total_earned=has.total_earned,
        checkin_day=has.checkin_day,
        streak=has.streak,
    )


Identity = tuple[str, str]
"""Platform, user id."""


def by_identity(tx: Tx, programme_id: int, who: Collection[Identity]) -> dict[Identity, int]:
    """Return the numbers of the members behind many identities; who is unknown is left out."""
    if tx.is_sqlite:
        rows = tx.all(_BY_IDENTITY, programme=programme_id, pairs=json.dumps([*who]))
    else:
        names = {"platforms": [each[0] for each in who], "users": [each[1] for each in who]}
        rows = tx.all(_BY_IDENTITY, programme=programme_id, **names)
    return {(platform, user): member for platform, user, member in rows}


def known(tx: Tx, programme_id: int, ids: Collection[int]) -> dict[int, int]:
    """Return which of these numbers are members', and whose they are now.

    That is the number itself, or the member to whom that one has been bound.
    """
    some = json.dumps([*ids]) if tx.is_sqlite else [*ids]
    return dict(tx.all(_KNOWN, programme=programme_id, ids=some))


def heirs(tx: Tx, programme_id: int, ids: Collection[int]) -> dict[int, int]:
    """Return in whose accounts what is some members' belongs now, the erased included.

    Who has been bound to another has closed accounts; who has been erased has open ones, from which
    what still comes is written off.
    """
    some = json.dumps([*ids]) if tx.is_sqlite else [*ids]
    return dict(tx.all(_HEIRS, programme=programme_id, ids=some))


def bound_to(tx: Tx, programme_id: int, ids: Collection[int]) -> dict[int, int]:
    """Return the numbers of those who have been bound to some members, and to whom."""
    some = json.dumps([*ids]) if tx.is_sqlite else [*ids]
    return dict(tx.all(_BOUND_TO, programme=programme_id, ids=some))


def name(tx: Tx, programme_id: int, member_id: int) -> str:
    """Return a member's name. Errors: LookupError for a stranger."""
    row = tx.one(_NAME, programme=programme_id, id=member_id)
    if row is None:
        raise LookupError(f"programme {programme_id} has no member {member_id}")
    return str(row[0])


def is_open(tx: Tx, programme_id: int, member_id: int) -> bool:
    """Whether a member still has to show that he is a person."""
    row = tx.one(_VERIFIED, programme=programme_id, id=member_id)
    return row is not None and row[0] == OPEN


def since(tx: Tx, programme_id: int, member_id: int) -> datetime:
    """Return the moment from which on somebody is a member. Errors: LookupError for a stranger."""
    row = tx.one(_SINCE, programme=programme_id, id=member_id)
    if row is None:
        raise LookupError(f"programme {programme_id} has no member {member_id}")
    return from_ms(row[0])


def joined(tx: Tx, programme_id: int, ids: Collection[int]) -> dict[int, datetime]:
    """Return by number the moments from which on many are members; strangers are left out."""
    some = json.dumps([*ids]) if tx.is_sqlite else [*ids]
    rows = tx.all(_JOINED, programme=programme_id, ids=some)
    return {id_: from_ms(at) for id_, at in rows}


def called(name: str) -> str:
    """Return a name as it is looked for; nothing for one without a letter or digit."""
    return person(name)[:CALLED_MAX]


def of_name(
    tx: Tx, programme_id: int, group_id: int, name: str, usual: Visibility = "members"
) -> list[tuple[int, str]]:
    """Return (number, name) of those in a group who are called so: at most two, who are several.

    Who wants nobody to find him is not found; `usual` counts for who has said nothing.
    """
    wanted = called(name)
    if not wanted:
        return []
    values = {"programme": programme_id, "group": group_id, "called": wanted}
    return [*tx.all(_CALLED, **values, usual=usual)]


def wallets(tx: Tx, programme_id: int, member_id: int) -> list[Wallet]:
    """Return what a member has as it is written, wallet by wallet; nothing for a stranger."""
    rows = tx.all(_WALLETS, programme=programme_id, member=member_id)
    return [Wallet._make((*row[:-1], to_day(row[-1]))) for row in rows]


def enrol(tx: Tx, programme_id: int, who: Who, now: datetime, *, verified: str = "") -> Member:
    """Create the member of an identity that has none; as `OPEN` he has to be verified."""
    id_, name = new_id(), who.clean_name
    tx.send(
        _NEW_MEMBER,
        programme=programme_id,
        id=id_,
        name=name,
        called=called(name),
        at=to_ms(now),
        verified=verified,
    )
    link(tx, programme_id, id_, who)
    tx.send(_NEW_ACCOUNT, programme=programme_id, member=id_)
    return Member(id_, name, None, 0, 0, 0, 0, 0, None, 0, to_ms(now), verified)


class Enrolment(NamedTuple):
    """Somebody to be enrolled under a new number, a member since a moment."""

    id: int
    who: Who
    since: datetime


def enrol_many(tx: Tx, programme_id: int, people: Sequence[Enrolment]) -> None:
    """Create the members of many identities that have none."""
    if not people:
        return
    tx.each(
        _NEW_MEMBERS,
        [
            (programme_id, p.id, p.who.clean_name, called(p.who.clean_name), to_ms(p.since))
            for p in people
        ],
    )
    tx.each(_NEW_IDENTITIES, [(programme_id, p.who.platform, p.who.user_id, p.id) for p in people])
    tx.each(_NEW_ACCOUNTS, [(programme_id, p.id, POINTS) for p in people])


def link(tx: Tx, programme_id: int, member_id: int, who: Who) -> None:
    """Note that an account on a platform is this member's."""
    tx.send(
        _NEW_IDENTITY,
        programme=programme_id,
        platform=who.platform,
        user=who.user_id,
        member=member_id,
    )


def arrive(
    tx: Tx, programme_id: int, group_id: int, who: Who, now: datetime, *, came: bool = True
) -> Member:
    """Return the member who speaks in a group: known or new, his name and presence kept.

    Without `came` (a pressed button can be reached from outside) one who has left stays out.
    """
    known = find(tx, programme_id, who, group_id)
    return take_in(tx, programme_id, group_id, who, now, known=known, came=came)


def take_in(
    tx: Tx,
    programme_id: int,
    group_id: int,
    who: Who,
    now: datetime,
    *,
    known: Member | None,
    came: bool = True,
    asks: bool = False,
) -> Member:
    """Keep name and presence of one who speaks in a group, `known` as `find` has just found him.

    With `asks` one who is new has to show that he is a person.
    """
    name = who.clean_name
    new = known is None
    if known is None:
        known = enrol(tx, programme_id, who, now, verified=OPEN if asks else "")
    elif known.name != name and known.named_by in {"", f"{who.platform}:{who.user_id}"}:
        tx.send(_RENAME, programme=programme_id, id=known.id, name=name, called=called(name))
        known = known._replace(name=name)
    if known.state is None or (known.state != "active" and came):
        tx.send(_JOIN, programme=programme_id, group=group_id, member=known.id, at=to_ms(now))
        known = known._replace(state="active")
        if not new:
            show(tx, programme_id, known.id)
    return known


def verify(tx: Tx, programme_id: int, member_id: int, way: str, now: datetime) -> None:
    """Note that a member has shown that he is a person, and how."""
    tx.send(_VERIFY, programme=programme_id, member=member_id, way=way, at=to_ms(now))


def leave(tx: Tx, programme_id: int, group_id: int, member_id: int) -> None:
    """Note that a member has left a group. Who has left every group is on no board."""
    tx.send(_LEAVE, programme=programme_id, group=group_id, member=member_id)
    show(tx, programme_id, member_id)


def wish(tx: Tx, programme_id: int, member_id: int, wish: BoardWish) -> None:
    """Note whether a member wants to stand on boards."""
    tx.send(_WISH, programme=programme_id, member=member_id, wish=wish)
    show(tx, programme_id, member_id)


def wish_spending(tx: Tx, programme_id: int, member_id: int, *, wish: bool) -> None:
    """Note whether a member wants to stand on the board of purchases: nobody does unasked."""
    tx.send(_SPEND_WISH, programme=programme_id, id=member_id, wish=int(wish))


def see(tx: Tx, programme_id: int, member_id: int, visibility: Visibility) -> None:
    """Note who may see a member, on boards too: to be seen by nobody is to stand on none."""
    wish = -1 if visibility == "private" else 1
    tx.send(_SEE, programme=programme_id, member=member_id, visibility=visibility, wish=wish)
    show(tx, programme_id, member_id)


def places(tx: Tx, who: Identity) -> list[Place]:
    """Return where an account is known, in whatever groups it is or was, by programme.

    A place is called by the groups in which he is now, else by the programme's own name.
    """
    own = {"platform": who[0], "user": who[1]}
    titles: dict[int, list[str]] = {}
    for programme_id, title in tx.all(_TITLES, **own):
        titles.setdefault(programme_id, []).append(title)
    found = [Place._make(row) for row in tx.all(_PLACES, **own)]
    return [
        place._replace(programme=" + ".join(titles.get(place.programme_id, [place.programme])))
        for place in found
    ]


def show(tx: Tx, programme_id: int, member_id: int) -> None:
    """Let a member stand on the boards, or not: by where he is, and by what he wishes."""
    # Locked first, so that of two who change it at once the second one sees what the first did.
    tx.books.account(tx, programme_id, member_id, POINTS)
    row = tx.one(_SHOW, programme=programme_id, member=member_id)
    if row is not None:
        tx.books.tally.show(programme_id, member_id, row[0])


def show_group(tx: Tx, programme_id: int, group_id: int) -> None:
    """Do so for all who have been in a group, when it has left a programme or come to it."""
    values = {"programme": programme_id, "group": group_id}
    tx.books.write(tx)  # rows are counted as they stand
    tx.run(_LOCK_GROUP, **values)  # for the same reason, and in the order of all
    turned = []
    for member_id, was, shown, *row in tx.all(_TURNED, **values):
        stands = tallies.read_standing(row)
        tx.books.tally.turn(programme_id, member_id, was, shown, stands)
        turned.append((shown, programme_id, member_id))
    if turned and tx.is_sqlite:
        tx.each(_TURN, turned)
    elif turned:
        tx.run(_TURN, **arrays(("shown", "programme", "owner"), turned))
