"""The work on a batch: one transaction, a savepoint per event, one commit. Synchronous."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Any, NamedTuple

from sqlalchemy import Engine

from bot.place import Place, find_place, leaving, talk_place
from content.message import Refusal, Reply, pack
from content.names import isolate
from content.texts import Texts, texts
from handlers.context import Context
from handlers.event import Event
from handlers.router import Handler, Match
from storage import inbox, ledger, outbox
from storage.books import RaceError
from storage.db import DATABASE_ERRORS, Tx, is_down, to_ms
from storage.limits import Limiter, Verdict
from storage.movement import LedgerError, Posting
from storage.outbox import Outgoing
from storage.programmes import Defaults, Programme
from storage.talk import Said, Talk

_log = logging.getLogger(__name__)

ALONE_TRIES = 6
ALONE_WAIT_S = 0.05
"""Between tries, times their number and by chance: who met another process lets it pass."""
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
    said: Said | None = None
    """For a message that may be worth points: what its sender had said before."""
    also: Handler | None = None
    """What is done about such a message besides, when it asks for something as well."""
    verdict: Verdict | None = None


class Apology(NamedTuple):
    """An event that fails again and again: receive it and say sorry, without its handler."""

    event: Event


Job = Callable[[Tx], Any]
Unit = Asked | Apology | Posting | Job
"""Postings that follow each other in a batch are made together; all else stands alone."""


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
        talk: Talk | None = None,
        owners: frozenset[str] = frozenset(),
    ) -> None:
        """Take everything that is a value elsewhere: clock, chance, defaults, owners."""
        self._engine = engine
        self._clock = clock
        self._rng = rng
        self._limiter = limiter
        self._defaults = defaults
        self._talk = talk
        self._owners = owners
        self.public_url = ""
        """Where pages of ours are seen from outside, if they are."""
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
            except RaceError as error:
                _log.info("batch of %d one by one: %s", len(units), error)
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
        for number in range(ALONE_TRIES):
            try:
                outcome = self._transaction([unit], careful=number > 0)[0]
            except RaceError as problem:
                error = problem
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
            if error is not None and is_down(error):
                raise error
            time.sleep(self._rng.uniform(0, ALONE_WAIT_S * (number + 1)))
        _log.error("unit %s failed", _key(unit), exc_info=error, extra={"event": _key(unit)})
        if isinstance(unit, Asked) and unit.match.asks:
            return self._alone(Apology(unit.event))
        return Outcome("failed", error=error)

    def _transaction(self, units: Sequence[Unit], *, careful: bool = False) -> list[Outcome]:
        with self._engine.connect() as connection:
            try:
                with connection.begin():
                    tx = Tx(connection, careful=careful)
                    outcomes = self._units(tx, units)
                    tx.close(commit=True)
            except BrokenBatchError as broken:
                connection.invalidate()
                raise broken.error from broken
            except DATABASE_ERRORS:
                connection.invalidate()
                raise
        return outcomes

    def _units(self, tx: Tx, units: Sequence[Unit]) -> list[Outcome]:
        """Do units in order. What a person said after something that must be run again waits."""
        outcomes: list[Outcome] = []
        held_back: set[str] = set()
        postings: list[Posting] = []
        for unit in units:
            if isinstance(unit, Posting):
                postings.append(unit)
                continue
            outcomes += self._post(tx, postings)
            postings = []
            sender = unit.event.sender.id if isinstance(unit, Asked | Apology) else ""
            outcome = Outcome("again") if sender in held_back else self._unit(tx, unit)
            if outcome.state == "again" and sender:
                held_back.add(sender)
            outcomes.append(outcome)
        return outcomes + self._post(tx, postings)

    def _post(self, tx: Tx, postings: Sequence[Posting]) -> list[Outcome]:
        """Make movements together; one that the ledger refuses disturbs no other."""
        if not postings:
            return []
        made = self._try(tx, lambda tx: Outcome("done", value=ledger.post_many(tx, postings)))
        if made.state == "again":
            return [made] * len(postings)
        return [
            Outcome("failed", error=each)
            if isinstance(each, LedgerError)
            else Outcome("done", value=each)
            for each in made.value
        ]

    def _unit(self, tx: Tx, unit: Asked | Apology | Job) -> Outcome:
        """Do one unit in its savepoint; if it refuses or breaks, what is said instead."""
        try:
            return self._try(tx, partial(self._do, unit=unit))
        except Refusal as refusal:
            if not isinstance(unit, Asked):
                return Outcome("failed", error=refusal)
            # mere talk, or done in spite of the limit: nothing is said about it
            if not unit.match.asks or unit.verdict is Verdict.SILENT:
                instead = partial(self._receive, event=unit.event)
            else:
                instead = partial(self._refuse, event=unit.event, refusal=refusal)
        except Exception as error:  # noqa: BLE001 - a bug in one handler must not stop the rest
            _log.exception("unit %s failed", _key(unit), extra={"event": _key(unit)})
            if not isinstance(unit, Asked) or not unit.match.asks:
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
                outcome = what(tx)
        except RaceError as error:
            return Outcome("again", error=error)
        except DATABASE_ERRORS as error:
            if not tx.alive:  # what earlier units did is gone as well: the batch is broken
                raise BrokenBatchError(error) from error
            return Outcome("again", error=error)
        outcome.say, tx.told = tx.told, []
        return outcome

    def _do(self, tx: Tx, unit: Asked | Apology | Job) -> Outcome:
        if isinstance(unit, Asked):
            return self._event(tx, unit)
        if isinstance(unit, Apology):
            return self._apologise(tx, unit.event)
        return Outcome("done", value=unit(tx))

    def _event(self, tx: Tx, asked: Asked) -> Outcome:
        event, now = asked.event, self._clock()
        if asked.match.asks:
            place: Place | None = find_place(tx, event, self._defaults, now)
        else:
            place = talk_place(tx, event, now)
        self._learn(event, place)
        if place is None or place.receipt is None:
            return Outcome("ignored")
        if not place.first_time:
            return Outcome("duplicate")
        if now - event.at > inbox.STALE:
            return self._put(tx, event, place, None, now, state="stale")
        verdict = asked.verdict = asked.verdict or self._verdict(asked, place)
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
            outside=place.outside,
            now=now,
            today=min(event.at, now).astimezone(place.programme.zone).date(),
            rng=self._rng,
            texts=self._texts(event, place.programme),
            asks=asked.match.asks,
            said=asked.said,
            talk=self._talk,
            owners=self._owners,
            public_url=self.public_url,
        )
        answer = asked.match.handler(ctx)
        reply = leaving(ctx.texts, place.programme, ctx.person, event, answer)
        if asked.also is not None:
            asked.also(ctx)
        return self._put(tx, event, place, reply, now, state="done")

    def _learn(self, event: Event, place: Place | None) -> None:
        """Let talk be judged by the rules in force here, which may just have changed."""
        if self._talk is not None and place is not None and place.group is not None:
            rules = place.programme.rules.activity
            self._talk.learn((event.platform, event.chat.id), place.programme.id, rules)

    def _verdict(self, asked: Asked, place: Place) -> Verdict:
        event = asked.event
        counted = event.kind in {"message", "tap"} and asked.match.asks
        if self._limiter is None or not counted:
            return Verdict.OPEN
        return self._limiter.ask(
            place.programme.rules.limits,
            group=f"{event.platform}:{event.chat.id}" + ("" if place.person else ":outside"),
            member=f"{event.platform}:{event.sender.id}",
            command=asked.match.name,
        )

    def _warn(self, tx: Tx, event: Event, place: Place, now: datetime) -> Outcome:
        name = isolate(event.who.clean_name)
        text = self._texts(event, place.programme).say("trouble.slow_down", name=name)
        return self._put(tx, event, place, Reply(text, private=True), now, state="limited")

    def _receive(self, tx: Tx, *, event: Event) -> Outcome:
        place, _ = self._received(tx, event)
        return Outcome("silent" if place is not None else "duplicate")

    def _refuse(self, tx: Tx, *, event: Event, refusal: Refusal) -> Outcome:
        place, now = self._received(tx, event)
        if place is None:
            return Outcome("duplicate")
        words = self._texts(event, place.programme)
        text = words.say(refusal.key, **refusal.values)
        no = Reply(text, refusal.buttons, private=True)
        reply = leaving(words, place.programme, place.person, event, no)
        return self._put(tx, event, place, reply, now, state="refused")

    def _apologise(self, tx: Tx, event: Event) -> Outcome:
        place, now = self._received(tx, event)
        if place is None:
            return Outcome("duplicate")
        text = self._texts(event, place.programme).say("trouble.sorry", event=event.key[-8:])
        return self._put(tx, event, place, Reply(text, private=True), now, state="failed")

    def _received(self, tx: Tx, event: Event) -> tuple[Place | None, datetime]:
        """Write the receipt once more: it was undone. No place for one who came second now."""
        now = self._clock()
        place = find_place(tx, event, self._defaults, now)
        return place if place.first_time else None, now

    @staticmethod
    def _texts(event: Event, programme: Programme) -> Texts:
        private = event.chat.kind == "private" and event.sender.locale
        return texts(event.sender.locale if private else programme.locale)

    @staticmethod
    def _put(
        tx: Tx, event: Event, place: Place, reply: Reply | None, now: datetime, *, state: str
    ) -> Outcome:
        """Write what is to be said. A tap is always answered, so that its button comes to rest."""

        def put(kind: str, target: str | None, said: Reply, life: timedelta) -> None:
            outbox.put(
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

        outcome = Outcome(state)
        if event.kind == "tap":
            toast = reply if reply and reply.private else Reply("")
            put("tap", event.tap_id, toast, TAP_LIFE)
            if reply is None or reply.private:
                return outcome
        if reply is not None:
            life = timedelta(seconds=reply.life_s)
            if event.kind == "tap" and reply.replaces and event.genuine:
                put("edit", event.message_id, reply, life)
            else:
                answers = event.message_id if event.kind == "message" else None
                put("say", answers, reply, life)
        return outcome


def _name(error: BaseException) -> str:
    original = getattr(error, "orig", None) or error
    return f"{type(original).__name__}: {str(original).splitlines()[0] if str(original) else ''}"


def _key(unit: Unit) -> str:
    if isinstance(unit, Asked | Apology):
        return unit.event.key
    return unit.key if isinstance(unit, Posting) else getattr(unit, "__name__", "job")
