"""Everything that is known about a person, table by table, as he may have it.

Every table stands here: with what of it is somebody's, or with why nothing is (a test holds that).
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

from storage import members, tombstones
from storage.db import Sql, Tx, from_ms
from storage.ledger import ROW, as_row
from storage.members import Identity
from storage.pages import Row
from storage.tables import metadata

PAGE = 1_000
Record = dict[str, Any]

NOTHING = {
    "programme": "pools of points",
    "chat_group": "chats, not who is in them: membership is",
    "rulebook": "rules, with the name that an operator signed them with",
    "tally": "how many stand on a rung, not who",
    "chore": "how far the work of a day has come",
    "seal": "hashes over postings",
    "api_key": "keys of shops",
    "compensation_run": "what is paid to many, with the name that its author signed with",
    "compensation_vote": "the names that operators signed with",
    "inbox": "numbers of deliveries, forgotten after three days",
    "quest_goal": "how far a group's quest has come; helps are a member's",
    "invite_link": "links into groups, by code",
    "door": "when a group was last greeted, and whether many come at once",
}


class _Part(NamedTuple):
    """Which rows of a table are somebody's; `page` is a column by which to read many, in order."""

    where: str
    leave_out: tuple[str, ...] = ()
    page: str = ""


_OF_MEMBER = "programme_id = :programme AND member_id = :member"
_OF_OWNER = "programme_id = :programme AND owner_id = :member"
_PARTS = {
    "member": _Part("programme_id = :programme AND id = :member"),
    "identity": _Part(_OF_MEMBER),
    "account": _Part(_OF_OWNER, leave_out=("seals", "chain")),
    "earning": _Part(_OF_OWNER),
    "lot": _Part(_OF_OWNER),
    "maturing": _Part(_OF_OWNER),
    "hold": _Part(_OF_OWNER),
    "review": _Part(_OF_OWNER, leave_out=("posting", "decided_by", "why")),
    "spent": _Part(_OF_OWNER),
    "checkin": _Part(_OF_MEMBER, page="day"),
    "deed": _Part(_OF_MEMBER, page="key"),
    "compensation_line": _Part(_OF_MEMBER),
    "consent": _Part(_OF_MEMBER),
    "age": _Part(_OF_MEMBER),
    "arrival": _Part(_OF_MEMBER),
    "talked": _Part(_OF_MEMBER, page="day"),
    "honour": _Part(_OF_MEMBER),
    "badge": _Part(_OF_MEMBER),
    "questing": _Part(_OF_MEMBER),
    "quest_help": _Part(_OF_MEMBER),
    "survey_answer": _Part(_OF_MEMBER),
    "photo": _Part(_OF_MEMBER, leave_out=("ended_by",)),
    "photo_like": _Part(_OF_MEMBER),
    "finding": _Part(_OF_MEMBER, leave_out=("decided_by",)),
    "credit_entry": _Part(_OF_MEMBER, leave_out=("by",)),
    "habit": _Part(_OF_MEMBER),
    "binding": _Part(
        "programme_id = :programme AND survivor_id = :member",
        leave_out=("snapshot", "moved", "moved_back"),
    ),
    "link_code": _Part(_OF_MEMBER, leave_out=("hash",)),
    "link_try": _Part(_OF_MEMBER),
    "invite_code": _Part(_OF_MEMBER),
    "invite_rung": _Part(_OF_MEMBER, leave_out=("ended_by",)),
    "referral": _Part(
        "programme_id = :programme AND (member_id = :member OR inviter_id = :member)",
        leave_out=("user_id", "member_id", "inviter_id"),
    ),
    "paid_once": _Part(
        "programme_id = :programme AND (subject = 'member/' || CAST(:member AS TEXT)"
        " OR (rule = 'write_off' AND substr(subject, 8) = CAST(:member AS TEXT)))"
    ),
}
_OWN_WORDS = {
    "outbox": _Part(
        "programme_id = :programme AND platform = :platform"
        " AND (person = :user OR chat_id = :user OR chat_id = 'private-' || :user)"
        " AND state = 'waiting'"
    ),
    "question": _Part(
        "programme_id = :programme AND platform = :platform AND user_id = :user",
        leave_out=("token", "right_n"),
    ),
    "direct": _Part(
        "programme_id = 0 AND :programme > 0 AND platform = :platform AND user_id = :user"
    ),
    "download": _Part(
        "programme_id = :programme AND platform = :platform AND user_id = :user",
        leave_out=("id",),
    ),
    "room_message": _Part(
        "programme_id = :programme AND 'local' = :platform AND person = :user", page="id"
    ),
}
_MEMBERSHIP = Sql(
    "SELECT g.platform, g.title, s.state, s.tag, s.joined_ms FROM membership s JOIN chat_group g"
    " ON g.id = s.group_id WHERE s.programme_id = :programme AND s.member_id = :member"
    " ORDER BY s.joined_ms"
)
_GIFT = Sql(
    "SELECT CASE WHEN g.giver_id = :member THEN 'given' ELSE 'received' END AS direction,"
    " o.name AS other, g.amount, g.note, g.state, g.day, g.made_ms, g.due_ms, g.ended_ms"
    " FROM gift g JOIN member o ON o.programme_id = g.programme_id"
    " AND o.id = CASE WHEN g.giver_id = :member THEN g.receiver_id ELSE g.giver_id END"
    " WHERE g.programme_id = :programme AND (g.giver_id = :member OR g.receiver_id = :member)"
    " ORDER BY g.id"
)
_ENDS = Sql(f"SELECT wallet, last_posting FROM account WHERE {_OF_OWNER} ORDER BY wallet")
_CHAIN = Sql(
    f"WITH RECURSIVE chain AS (SELECT {ROW}, 1 AS place FROM posting"
    " WHERE programme_id = :programme AND id = :last UNION ALL"
    f" SELECT {', '.join(f'p.{name}' for name in Row._fields)}, c.place + 1 FROM chain c"
    # between two buckets of one account the source was touched first: its link is the old one
    " JOIN posting p ON p.programme_id = :programme AND p.id ="
    " CASE WHEN c.from_owner = :member THEN c.from_prev ELSE c.to_prev END"
    f" WHERE c.place < {PAGE}) SELECT {ROW} FROM chain ORDER BY place"
)
EXPORTED = ("posting", "gift", "membership", "tombstone", *_PARTS, *_OWN_WORDS)
"""The tables that hold something about a person, the programme's keys apart."""


def tell(tx: Tx, programme_id: int, member_id: int) -> Iterator[tuple[str, Iterator[Record]]]:
    """Yield what is known of a member: each table's name, and its rows as they are asked for.

    Instants are ISO 8601 in UTC. Of others there is what he could see: their names.
    """
    bound = members.bound_to(tx, programme_id, [member_id])
    people = [{"programme": programme_id, "member": each} for each in (member_id, *sorted(bound))]
    accounts = tombstones.identities(tx, programme_id, member_id)
    for table in ("member", "identity"):
        yield table, _of_all(people, partial(_rows, tx, table, _PARTS[table]))
    names: tuple[str, ...] = ("platform", "group", "state", "tag", "joined_ms")
    yield "membership", _of_all(people, partial(_plain, tx, _MEMBERSHIP, names))
    yield "posting", _of_all(people, partial(_postings, tx, accounts=accounts))
    names = ("direction", "other", "amount", "note", "state", "day", "made_ms", "due_ms")
    yield "gift", _of_all(people, partial(_plain, tx, _GIFT, (*names, "ended_ms")))
    for table, part in _PARTS.items():
        if table not in {"member", "identity"}:
            yield table, _of_all(people, partial(_rows, tx, table, part))
    for table, part in _OWN_WORDS.items():
        yield table, _of_accounts(tx, table, part, programme_id, accounts)
    until = tombstones.until(tx, programme_id, member_id)
    yield "tombstone", iter([_record({"until_ms": until})] if until is not None else [])


def _of_all(people: list[Record], read: Callable[[Record], Iterator[Record]]) -> Iterator[Record]:
    """Yield the rows of a member, and of those who have been bound to him: they are his as well."""
    for own in people:
        yield from read(own)


def _of_accounts(
    tx: Tx, table: str, part: _Part, programme_id: int, accounts: list[Identity]
) -> Iterator[Record]:
    for platform, user in accounts:
        own = {"programme": programme_id, "platform": platform, "user": user}
        yield from _rows(tx, table, part, own)


def _columns(table: str, part: _Part) -> tuple[str, ...]:
    left_out = {"programme_id", *part.leave_out}
    names = (column.name for column in metadata.tables[table].columns)
    return tuple(name for name in names if name not in left_out)


def _rows(tx: Tx, table: str, part: _Part, own: Record) -> Iterator[Record]:
    """Yield rows of a table: at once, or page by page where there may be many."""
    names = _columns(table, part)
    select = f"SELECT {', '.join(names)} FROM {table} WHERE {part.where}"
    if not part.page:
        yield from _plain(tx, Sql(select), names, own)
        return
    order = f" ORDER BY {part.page} LIMIT {PAGE}"
    place = names.index(part.page)
    page = tx.all(Sql(select + order), **own)
    while page:
        yield from (_record(dict(zip(names, row, strict=True))) for row in page)
        more = Sql(f"{select} AND {part.page} > :after{order}")
        page = tx.all(more, **own, after=page[-1][place]) if len(page) == PAGE else ()


def _plain(tx: Tx, sql: Sql, names: tuple[str, ...], own: Record) -> Iterator[Record]:
    for row in tx.all(sql, **own):
        yield _record(dict(zip(names, row, strict=True)))


def _record(row: Record) -> Record:
    """Return a row with its instants in words."""
    instants = [name for name in row if name.endswith("_ms")]
    for name in instants:
        value = row.pop(name)
        row[name.removesuffix("_ms")] = None if value is None else from_ms(value).isoformat()
    return row


def _postings(tx: Tx, of: Record, *, accounts: list[Identity]) -> Iterator[Record]:
    """Yield all postings of a member's wallets, the newest first, a page in one statement."""
    programme_id, member_id = of["programme"], of["member"]
    own = {f"{platform}:{user}" for platform, user in accounts} | {f"member:{member_id}"}
    for _, last in tx.all(_ENDS, programme=programme_id, member=member_id):
        next_id = last
        while next_id:
            page = tx.all(_CHAIN, programme=programme_id, member=member_id, last=next_id)
            for raw in page:
                row = as_row(tx, raw)
                outgoing = row.from_owner == member_id
                next_id = row.from_prev if outgoing else row.to_prev
                yield _posting(row, member_id, own)


def _posting(row: Row, member_id: int, own: set[str]) -> Record:
    incoming = row.to_owner == member_id
    elsewhere = row.actor.partition(":")[0]
    return {
        "id": row.id,
        "at": from_ms(row.at_ms).isoformat(),
        "day": row.day,
        "wallet": row.wallet,
        "amount": row.amount if incoming else -row.amount,
        "from": row.from_bucket,
        "to": row.to_bucket,
        "after": row.to_after if incoming else row.from_after,
        "reason": row.reason,
        "rule": row.rule,
        "rule_version": row.rule_version,
        "kind": row.kind,
        "by": row.actor if row.actor in own else elsewhere,  # another member is nobody here
        "reverses": row.reverses,
        "expires_day": row.expires_day,
    }
