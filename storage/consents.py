"""What members have agreed to: for a purpose, by a version of its words, given or taken back."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from content.privacy import PURPOSES, VERSIONS, Purpose
from storage.db import Sql, Tx, to_ms
from storage.ids import new_id

_ADD = Sql(
    "INSERT INTO consent (programme_id, member_id, purpose, id, version, given, at_ms, identity)"
    " VALUES (:programme, :member, :purpose, :id, :version, :given, :at, :identity)"
)
_LAST = Sql(
    "SELECT purpose, version, given FROM consent c WHERE programme_id = :programme"
    " AND member_id = :member AND id = (SELECT MAX(d.id) FROM consent d"
    " WHERE d.programme_id = c.programme_id AND d.member_id = c.member_id"
    " AND d.purpose = c.purpose)"
)
_FORGET_WHO = Sql(
    "UPDATE consent SET identity = '' WHERE programme_id = :programme AND member_id = :member"
    " AND identity <> ''"
)


class Said(NamedTuple):
    """The last thing that a member has said about a purpose."""

    version: int
    given: bool


def said(tx: Tx, programme_id: int, member_id: int) -> dict[str, Said]:
    """Return the last that a member has said, by purpose; nothing where he has said nothing."""
    rows = tx.all(_LAST, programme=programme_id, member=member_id)
    return {purpose: Said(version, bool(given)) for purpose, version, given in rows}


def has(tx: Tx, programme_id: int, member_id: int, purpose: Purpose) -> bool:
    """Whether a member agrees to a purpose as its words are now. Without that it is not done."""
    last = said(tx, programme_id, member_id).get(purpose)
    return last is not None and last.given and last.version == VERSIONS[purpose]


def give(
    tx: Tx, programme_id: int, member_id: int, purpose: Purpose, *, identity: str, now: datetime
) -> None:
    """Note that a member agrees, if that is new. `identity` is by which account he says so."""
    if not has(tx, programme_id, member_id, purpose):
        _note(tx, programme_id, member_id, purpose, given=True, identity=identity, now=now)


def withdraw(
    tx: Tx,
    programme_id: int,
    member_id: int,
    purposes: Collection[Purpose] = PURPOSES,
    *,
    identity: str,
    now: datetime,
) -> None:
    """Note that a member takes back what he had agreed to, whatever its version."""
    last = said(tx, programme_id, member_id)
    for purpose in purposes:
        if purpose in last and last[purpose].given:
            _note(tx, programme_id, member_id, purpose, given=False, identity=identity, now=now)


def forget_who(tx: Tx, programme_id: int, member_id: int) -> None:
    """Keep that it was said, and no longer by which account."""
    tx.run(_FORGET_WHO, programme=programme_id, member=member_id)


def _note(
    tx: Tx,
    programme_id: int,
    member_id: int,
    purpose: Purpose,
    *,
    given: bool,
    identity: str,
    now: datetime,
) -> None:
    tx.run(
        _ADD,
        programme=programme_id,
        member=member_id,
        purpose=purpose,
        id=new_id(),
        version=VERSIONS[purpose],
        given=int(given),
        at=to_ms(now),
        identity=identity[:100],
    )
