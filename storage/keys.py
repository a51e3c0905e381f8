"""Keys of the HTTP API: who may tell us what, for which programme."""

import hashlib
import hmac
import re
import secrets
from datetime import date, datetime
from typing import NamedTuple

from storage.db import Sql, Tx, from_ms, to_day, to_ms
from storage.ids import new_id

EVENTS_WRITE, POINTS_READ = "events:write", "points:read"
SCOPES = (EVENTS_WRITE, POINTS_READ)
NAME_MAX = 100
TOKEN = re.compile(r"qy_([0-9a-f]{12})_([0-9a-f]{64})")
_NOBODY = "0" * 64


class Key(NamedTuple):
    """A key as it is kept. `until` is the moment from which it is refused, None for never."""

    programme_id: int
    id: int
    name: str
    prefix: str
    hash: str
    scopes: frozenset[str]
    signing_secret: str
    created: datetime
    used: date | None
    until: datetime | None

    def valid(self, now: datetime) -> bool:
        """Whether it is still good."""
        return self.until is None or now < self.until


class Made(NamedTuple):
    """A new key, and the token that is shown once: only its hash is kept."""

    key: Key
    token: str


_COLUMNS = (
    "programme_id, id, name, prefix, hash, scopes, signing_secret, created_ms, used_day, until_ms"
)
_ADD = Sql(
    f"INSERT INTO api_key ({_COLUMNS}) VALUES (:programme, :id, :name, :prefix, :hash, :scopes,"
    " :secret, :now, NULL, NULL)"
)
_BY_PREFIX = Sql(f"SELECT {_COLUMNS} FROM api_key WHERE prefix = :prefix")
_ALL = Sql(f"SELECT {_COLUMNS} FROM api_key WHERE programme_id = :programme ORDER BY id")
_END = Sql(
    "UPDATE api_key SET until_ms = :at WHERE programme_id = :programme AND id = :id"
    " AND (until_ms IS NULL OR until_ms > :at)"
)
_USED = Sql(
    "UPDATE api_key SET used_day = :day WHERE programme_id = :programme AND id = :id"
    " AND (used_day IS NULL OR used_day < :day)"
)


def check(name: str, scopes: frozenset[str]) -> None:
    """Refuse what is no name, or no scope, of a key. Errors: ValueError."""
    unknown = ", ".join(sorted(scopes - {*SCOPES}))
    if unknown or not scopes:
        raise ValueError(f"scopes are {', '.join(SCOPES)}, not {unknown or 'none'}")
    if not name.strip() or len(name) > NAME_MAX or not name.isprintable():
        raise ValueError(f"a key's name has 1 to {NAME_MAX} characters on one line")


def make(tx: Tx, programme_id: int, name: str, scopes: frozenset[str], now: datetime) -> Made:
    """Make a key: 256 random bits, told once. Errors: ValueError for a name or a scope."""
    check(name, scopes)
    prefix, secret = secrets.token_hex(6), secrets.token_hex(32)
    signing = f"qs_{secrets.token_hex(32)}"
    key = Key(programme_id, new_id(), name, prefix, _hash(secret), scopes, signing, now, None, None)
    tx.run(
        _ADD,
        programme=programme_id,
        id=key.id,
        name=name,
        prefix=prefix,
        hash=key.hash,
        scopes=" ".join(sorted(scopes)),
        secret=signing,
        now=to_ms(now),
    )
    return Made(key, f"qy_{prefix}_{secret}")


def rotate(tx: Tx, old: Key, now: datetime, until: datetime) -> Made:
    """Make a key that may do the same; the old one is good until then."""
    made = make(tx, old.programme_id, old.name, old.scopes, now)
    end(tx, old, until)
    return made


def end(tx: Tx, key: Key, at: datetime) -> None:
    """Let a key be refused from a moment on; one that ends earlier stays so."""
    tx.run(_END, programme=key.programme_id, id=key.id, at=to_ms(at))


def used(tx: Tx, key: Key, day: date) -> None:
    """Note the day on which a key was last used."""
    tx.run(_USED, programme=key.programme_id, id=key.id, day=day)


def holder(tx: Tx, token: str, now: datetime) -> Key | None:
    """Return the key that a token is for, if it is good. What is wrong takes as long as what is
    right: a hash is compared in either case, in constant time.
    """  # noqa: D205 - one thought
    parts = TOKEN.fullmatch(token)
    prefix, secret = parts.groups() if parts else ("", "")
    given = _hash(secret)
    known = by_prefix(tx, prefix)
    good = [key for key in known if hmac.compare_digest(key.hash, given) and key.valid(now)]
    if not known:
        hmac.compare_digest(_NOBODY, given)
    return good[0] if good else None


def by_prefix(tx: Tx, prefix: str) -> list[Key]:
    """Return the keys of a prefix: one, but for a miracle."""
    return [_key(row) for row in tx.all(_BY_PREFIX, prefix=prefix)]


def of_programme(tx: Tx, programme_id: int) -> list[Key]:
    """Return a programme's keys, the oldest first."""
    return [_key(row) for row in tx.all(_ALL, programme=programme_id)]


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _key(row: tuple[int, int, str, str, str, str, str, int, date | str | None, int | None]) -> Key:
    programme_id, id_, name, prefix, hashed, scopes, signing, created, used_day, until = row
    return Key(
        programme_id,
        id_,
        name,
        prefix,
        hashed,
        frozenset(scopes.split()),
        signing,
        from_ms(created),
        to_day(used_day),
        from_ms(until) if until is not None else None,
    )
