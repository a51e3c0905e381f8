"""The work on a batch: one transaction, a savepoint per event, one commit. Synchronous."""

import logging
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Any, NamedTuple

import psycopg
from sqlalchemy import Engine
from sqlalchemy.exc import TimeoutError as PoolTimeout

from content.message import Refusal, Reply, pack
from content.names import isolate
from content.texts import Texts, texts
from handlers.context import Context
from handlers.event import Event
from handlers.router import Match
from storage import inbox, ledger, members, outbox, programmes
from storage.db import DATABASE_ERRORS, Tx, to_ms
from storage.limits import Limiter, Verdict
from storage.members import Member
from storage.outbox import Outgoing
from storage.programmes import Defaults, Group, Programme

_log = logging.getLogger(__name__)

PRIVATE_RECEIPTS = 0
"""Receipts of private chats, and of the bot's own coming and going, stand under no programme:
which one is theirs may change between two deliveries."""
ALONE_TRIES = 3
OPENS_A_GROUP = {"message", "tap", "joined", "bot_added", "bot_promoted"}
TAP_LIFE = timedelta(seconds=150)


@dataclass(slots=True)
class Outcome:
    """What became of one unit: its state, what is to be said, what a job returned, its error."""

    state: str
    say: list[Outgoing] = field(default_factory=list)
    value: Any = None
    error: Exception | None = None


@dataclass(slots=True, eq=False)
class Asked:
    """An event together with what the router made of it.

    The rate limit is asked once for each delivery, however often its batch must be run again.
    """

    event: Event
    match: Match
    verdict: Verdict | None = None


class Apology(NamedTuple):
    """An event that fails again and again: receive it and say sorry, without its handler."""

    event: Event


Job = Callable[[Tx], Any]
Unit = Asked | Apology | Job


class Place(NamedTuple):
    """Where an event belongs."""

    programme: Programme
    group: Group | None
    person: Member | None
    former: bool = False


class BrokenBatchError(BaseException):
    """The transaction itself is gone, for all units of the batch; its cause is the database's.

    Not an Exception, so that nothing between here and the batch mistakes it for one unit's.
    """

    def __init__(self, error: Exception) -> None:
        """Take the database's error."""
        super().__init__(str(error))
        self.error = error


class StoreDownError(Exception):
    """The database is away, locked or full. `outcomes` has one for each unit of the batch.

    Those in the state `again` have not been kept, unless the connection broke while committing;
    running them again is right in either case, because receipts make it harmless.
    """

    def __init__(self, message: str, outcomes: list[Outcome]) -> None:
        """Say what the database said."""
        super().__init__(message)
        self.outcomes = outcomes


class Worker:
    """Runs batches of units against the store. One per thread."""

    def __init__(
        self,
        engine: Engine,
        *,
        clock: Callable[[], datetime],
        rng: Random,
        limiter: Limiter | None,
        defaults: Defaults,
    ) -> None:
        """Take everything that is a value elsewhere: clock, chance, defaults."""
        self._engine = engine
        self._clock = clock
        self._rng = rng
        self._limiter = limiter
        self._defaults = defaults
        self.unsure = False
        """Whether a commit may have happened without our hearing of it: rows may wait unsaid."""

    def run(self, units: Sequence[Unit]) -> list[Outcome]:
        """Do all units and commit once; each stands or falls alone.

        A batch whose transaction breaks (a lost connection) is run again one by one, and so is a
        unit that met another process (a deadlock, a key that both made). Errors: StoreDownError.
        """
        outcomes = [Outcome("again")] * len(units)
        if len(units) > 1:
            try:
                outcomes = self._transaction(units)
            except DATABASE_ERRORS as error:
                self.unsure = True
                _log.warning("batch of %d broken, one by one: %s", len(units), _name(error))
            except Exception:  # noqa: BLE001 - what cannot be written costs one unit, not the batch
                _log.exception("batch of %d cannot be written, one by one", len(units))
        for index, unit in enumerate(units):
            if outcomes[index].state == "again":
                try:
                    outcomes[index] = self._alone(unit)
                except DATABASE_ERRORS as error:
                    raise StoreDownError(_name(error), outcomes) from error
        return outcomes

    def _alone(self, unit: Unit) -> Outcome:
        """Do one unit in a transaction of its own. Errors: the database's, when it is down."""
        error: Exception | None = None
        for _ in range(ALONE_TRIES):
            try:
                outcome = self._transaction([unit])[0]
            except DATABASE_ERRORS as problem:
                self.unsure = True
                error = problem
            except Exception as problem:  # noqa: BLE001 - what cannot be written costs one unit
                _log.exception("unit cannot be written", extra={"event": _key(unit)})
                return Outcome("failed", error=problem)
            else:
                if outcome.state != "again":
                    return outcome
                error = outcome.error
            if error is not None and storage_is_down(error):
                raise error
        _log.error("unit %s failed", _key(unit), exc_info=error, extra={"event": _key(unit)})
        if isinstance(unit, Asked):
            return self._alone(Apology(unit.event))
        return Outcome("failed", error=error)

    def _transaction(self, units: Sequence[Unit]) -> list[Outcome]:
        with self._engine.connect() as connection:
            try:
                with connection.begin():
                    tx = Tx(connection)
                    outcomes = [self._unit(tx, unit) for unit in units]
                    ledger.write_totals(tx)
                    tx.write_later_rows()
            except BrokenBatchError as broken:
                connection.invalidate()
                raise broken.error from broken
            except DATABASE_ERRORS:
                connection.invalidate()
                raise
        return outcomes

    def _unit(self, tx: Tx, unit: Unit) -> Outcome:
        """Do one unit in its savepoint; if it refuses or breaks, what is said instead."""
        try:
            return self._try(tx, partial(self._do, unit=unit))
        except Refusal as refusal:
            if not isinstance(unit, Asked):
                return Outcome("failed", error=refusal)
            if unit.verdict is Verdict.SILENT:  # done in spite of the limit, but not talked about
                instead = partial(self._receive, event=unit.event)
            else:
                instead = partial(self._refuse, event=unit.event, refusal=refusal)
        except Exception as error:  # noqa: BLE001 - a bug in one handler must not stop the rest
            _log.exception("unit %s failed", _key(unit), extra={"event": _key(unit)})
            if not isinstance(unit, Asked):
                return Outcome("failed", error=error)
            instead = partial(self._apologise, event=unit.event)
        try:
            return self._try(tx, instead)
        except Exception as error:  # noqa: BLE001 - a bug in our own words must not, either
            _log.exception("unit %s has no answer", _key(unit), extra={"event": _key(unit)})
            return Outcome("failed", error=error)

    @staticmethod
    def _try(tx: Tx, what: Callable[[Tx], Outcome]) -> Outcome:
        try:
            with tx.savepoint():
                return what(tx)
        except DATABASE_ERRORS as error:
            if not tx.alive:  # what earlier units did is gone as well: the batch is broken
                raise BrokenBatchError(error) from error
            return Outcome("again", error=error)

    def _do(self, tx: Tx, unit: Unit) -> Outcome:
        if isinstance(unit, Asked):
            return self._event(tx, unit)
        if isinstance(unit, Apology):
            return self._apologise(tx, unit.event)
        return Outcome("done", value=unit(tx))

    def _event(self, tx: Tx, asked: Asked) -> Outcome:
        event, now = asked.event, self._clock()
        place = self._place(tx, event, now)
        if not self._first_time(tx, event, place, now):
            return Outcome("duplicate")
        if now - event.at > inbox.STALE:
            return Outcome("stale", self._put(tx, event, place, None, now))
        verdict = asked.verdict = asked.verdict or self._verdict(event, place)
        if verdict is Verdict.SILENT and not asked.match.always:
            return Outcome("silent")
        if verdict is Verdict.WARN and not asked.match.always:
            return self._warn(tx, event, place, now)
        ctx = Context(
            event=event,
            args=asked.match.args,
            tx=tx,
            programme=place.programme,
            group=place.group,
            person=place.person,
            former=place.former,
            now=now,
            today=min(event.at, now).astimezone(place.programme.zone).date(),
            rng=self._rng,
            texts=self._texts(event, place.programme),
        )
        reply = asked.match.handler(ctx)
        return Outcome("done", self._put(tx, event, place, reply, now))

    def _place(self, tx: Tx, event: Event, now: datetime) -> Place:
        if event.chat.kind == "private":
            return self._private_place(tx, event)
        group = programmes.group(tx, event.platform, event.chat.id)
        if group is None and event.kind == "migrated":
            group = programmes.group(tx, event.platform, event.target)
        if event.chat.kind == "channel" or (group is None and event.kind not in OPENS_A_GROUP):
            return Place(programmes.programme(tx, programmes.MAIN), None, None)
        if group is None:
            group = programmes.open_group(
                tx,
                event.platform,
                event.chat.id,
                event.chat.title,
                by_owner=event.kind == "bot_added" and event.sender.role == "owner",
                defaults=self._defaults,
                now=now,
            )
        elif event.kind == "message":
            programmes.keep_title(tx, group, event.chat.title)
        programme = programmes.programme(tx, group.programme_id)
        if event.kind not in {"message", "tap"} or event.sender.kind != "person":
            return Place(programme, group, None)
        came = event.kind == "message"
        person = members.arrive(tx, programme.id, group.id, event.who, now, came=came)
        inside = person.state == "active"
        return Place(programme, group, person if inside else None, former=not inside)

    @staticmethod
    def _private_place(tx: Tx, event: Event) -> Place:
        home = programmes.home(tx, event.platform, event.sender.id)
        programme = programmes.programme(tx, home or programmes.MAIN)
        if home is not None:
            return Place(programme, None, members.find(tx, programme.id, event.who, None))
        former = programmes.known_before(tx, event.platform, event.sender.id)
        return Place(programme, None, None, former)

    @staticmethod
    def _first_time(tx: Tx, event: Event, place: Place, now: datetime) -> bool:
        of_members = event.kind in {"message", "tap", "joined", "left"}
        under = place.programme.id if place.group and of_members else PRIVATE_RECEIPTS
        return inbox.first_time(tx, under, event.key, now)

    def _verdict(self, event: Event, place: Place) -> Verdict:
        if self._limiter is None or event.kind not in {"message", "tap"}:
            return Verdict.OPEN
        return self._limiter.ask(
            place.programme.rules.limits,
            group=f"{event.platform}:{event.chat.id}",
            member=f"{event.platform}:{event.sender.id}",
        )

    def _warn(self, tx: Tx, event: Event, place: Place, now: datetime) -> Outcome:
        name = isolate(event.who.clean_name)
        text = self._texts(event, place.programme).say("trouble.slow_down", name=name)
        return Outcome("limited", self._put(tx, event, place, Reply(text, private=True), now))

    def _receive(self, tx: Tx, *, event: Event) -> Outcome:
        now = self._clock()
        self._first_time(tx, event, self._place(tx, event, now), now)
        return Outcome("silent")

    def _refuse(self, tx: Tx, *, event: Event, refusal: Refusal) -> Outcome:
        now = self._clock()
        place = self._place(tx, event, now)
        self._first_time(tx, event, place, now)
        text = self._texts(event, place.programme).say(refusal.key, **refusal.values)
        reply = Reply(text, refusal.buttons, private=True)
        return Outcome("refused", self._put(tx, event, place, reply, now))

    def _apologise(self, tx: Tx, event: Event) -> Outcome:
        now = self._clock()
        place = self._place(tx, event, now)
        self._first_time(tx, event, place, now)
        text = self._texts(event, place.programme).say("trouble.sorry", event=event.key[-8:])
        return Outcome("failed", self._put(tx, event, place, Reply(text, private=True), now))

    @staticmethod
    def _texts(event: Event, programme: Programme) -> Texts:
        private = event.chat.kind == "private" and event.sender.locale
        return texts(event.sender.locale if private else programme.locale)

    @staticmethod
    def _put(
        tx: Tx, event: Event, place: Place, reply: Reply | None, now: datetime
    ) -> list[Outgoing]:
        """Write what is to be said. A tap is always answered, so that its button comes to rest."""

        def put(kind: str, target: str | None, said: Reply, life: timedelta) -> Outgoing:
            return outbox.put(
                tx,
                programme_id=place.programme.id,
                platform=event.platform,
                chat_id=event.chat.id,
                thread=event.chat.thread,
                kind=kind,
                target=target,
                person=event.sender.id if event.kind in {"message", "tap"} else "",
                payload=pack(said),
                created_ms=to_ms(now),
                expires_ms=to_ms(now + life),
            )

        rows: list[Outgoing] = []
        if event.kind == "tap":
            toast = reply if reply and reply.private else Reply("")
            rows.append(put("tap", event.tap_id, toast, TAP_LIFE))
            if reply is None or reply.private:
                return rows
        if reply is not None:
            life = timedelta(seconds=reply.life_s)
            if event.kind == "tap" and reply.replaces:
                rows.append(put("edit", event.message_id, reply, life))
            else:
                answers = event.message_id if event.kind == "message" else None
                rows.append(put("say", answers, reply, life))
        return rows


_SQLITE_DOWN = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
}
_POSTGRES_DOWN_CLASSES = ("08", "53", "57", "58")
"""SQLSTATE classes: connection, resources (disk full), intervention (shutdown), system error."""
_POSTGRES_READ_ONLY = "25006"  # connected to a standby


def storage_is_down(error: BaseException) -> bool:
    """Whether the database itself is in trouble (away, locked, full), not the statement."""
    original = getattr(error, "orig", None) or error
    if isinstance(original, sqlite3.Error):
        return getattr(original, "sqlite_errorcode", 0) & 0xFF in _SQLITE_DOWN
    if isinstance(original, psycopg.Error):
        if original.sqlstate is None:  # the client's own: no connection
            return isinstance(original, psycopg.OperationalError | psycopg.InterfaceError)
        state = original.sqlstate
        return state == _POSTGRES_READ_ONLY or state.startswith(_POSTGRES_DOWN_CLASSES)
    return isinstance(original, PoolTimeout)


def _name(error: BaseException) -> str:
    original = getattr(error, "orig", None) or error
    return f"{type(original).__name__}: {str(original).splitlines()[0] if str(original) else ''}"


def _key(unit: Unit) -> str:
    if isinstance(unit, Asked | Apology):
        return unit.event.key
    return getattr(unit, "__name__", "job")
