"""A stage for conversations: real store, real router and handlers, a clock that obeys."""

import itertools
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random

from sqlalchemy import Engine

from bot.hearing import hear
from bot.worker import Outcome, Worker
from content.message import Doing, Reply, unpack
from content.rulebook import shipped_document
from handlers import clock, tags, weekly
from handlers.event import Chat, Event, Kind, Mention, Right, Role, Sender, SenderKind
from handlers.greeting import run_due
from handlers.router import Router, discover
from storage import arrivals, programmes
from storage.db import Tx, reading
from storage.limits import Limiter
from storage.outbox import Outgoing
from storage.programmes import MAIN, Defaults
from storage.talk import Talk

BOT_NAME = "qunying_bot"
NOON = datetime(2026, 3, 4, 4, 0, tzinfo=UTC)  # a Wednesday, 12:00 in Shanghai


def without_quests() -> str:
    """Return the shipped rules without quests, whose lines and points are a story of their own."""
    before, _, rest = shipped_document().partition("[[quest]]\nid")
    return before + "[redeem]" + rest.partition("[redeem]")[2]


class Stage:
    """`stage.says("小明", "签到")`, then `stage.heard()`."""

    def __init__(
        self,
        engine: Engine,
        *,
        zone: str = "Asia/Shanghai",
        locale: str = "zh",
        platform: str = "telegram",
        limiter: Limiter | None = None,
        router: Router | None = None,
        talk: Talk | None = None,
        now: datetime = NOON,
        document: str | None = None,
        owners: frozenset[str] = frozenset(),
    ) -> None:
        self.engine = engine
        self.now = now
        self.platform = platform
        self.router = router or discover()
        self.defaults = Defaults(zone, locale, document or without_quests())
        self.talk = talk
        self.worker = Worker(
            engine,
            clock=lambda: self.now,
            rng=Random(7),
            limiter=limiter,
            defaults=self.defaults,
            talk=talk,
            owners=owners,
        )
        self._keys = itertools.count(1)
        self._ids: dict[str, str] = {}
        self._heard: list[Reply] = []
        self.told: list[Outgoing] = []
        """All that went out, in order."""
        self.outcomes: list[Outcome] = []
        self.worker.run([lambda tx: programmes.create(tx, MAIN, "营", self.defaults, now)])
        self.group = Chat("-1001", "group", "露营群")
        self.worker.run([self._open])

    def _open(self, tx: Tx) -> None:
        programmes.open_group(
            tx,
            self.platform,
            self.group.id,
            self.group.title,
            by_owner=True,
            defaults=self.defaults,
            now=self.now,
        )

    def person(self, name: str, kind: SenderKind = "person", role: Role = "member") -> Sender:
        """Return a sender of that name, the same one each time."""
        id_ = self._ids.setdefault(name, str(7000 + len(self._ids)))
        return Sender(id_, name, kind, role)

    def event(
        self,
        who: str | Sender,
        text: str = "",
        *,
        kind: Kind = "message",
        chat: Chat | None = None,
        private: bool = False,
        at: datetime | None = None,
        key: str | None = None,
        platform: str | None = None,
        edited: bool = False,
        addressed: bool = False,
        target: str = "",
        lacks: tuple[Right, ...] = (),
        via: str = "",
        by: Sender | None = None,
        refused: str = "",
        from_outside: bool = False,
        genuine: bool = True,
        secondhand: bool = False,
        photo: bool = False,
        mentions: tuple[Mention, ...] = (),
        answers: Sender | None = None,
    ) -> Event:
        """Return an event as an adapter would make it."""
        number = next(self._keys)
        sender = who if isinstance(who, Sender) else self.person(who)
        where = Chat(sender.id, "private") if private else chat or self.group
        return Event(
            key=key or f"tg1:{number}",
            platform=platform or self.platform,
            kind=kind,
            chat=where,
            sender=sender,
            at=at or self.now,
            text=text,
            message_id=str(number),
            tap_id=f"tap{number}" if kind == "tap" else None,
            addressed=addressed or private or kind == "tap" or f"@{BOT_NAME}" in text,
            edited=edited,
            target=target,
            lacks=lacks,
            via=via,
            by=by,
            refused=refused,
            from_outside=from_outside,
            genuine=kind == "tap" and genuine,
            secondhand=secondhand,
            photo=photo,
            mentions=mentions,
            answers=answers,
        )

    def play(self, *events: Event) -> list[Outcome]:
        """Let events happen in one batch; return what became of each."""
        heard = (hear(event, self.router, self.talk, bot_name=BOT_NAME) for event in events)
        asked = [unit for unit in heard if unit is not None]
        return self._note(self.worker.run(asked) if asked else [])

    def _note(self, outcomes: list[Outcome]) -> list[Outcome]:
        rows = [row for outcome in outcomes for row in outcome.say]
        self.outcomes += outcomes
        self.told += rows
        self._heard += [unpack(row.payload) for row in rows]
        return outcomes

    def due(self) -> None:
        """Let the clock do all that is due by now."""
        (found,) = self.worker.run([lambda tx: clock.with_work(tx, now=self.now)])
        for programme_id in found.value:
            job = partial(clock.run_programme, programme_id=programme_id, now=self.now)
            (outcome,) = self._note(self.worker.run([job]))
            while outcome.error is None and outcome.value:
                (outcome,) = self._note(self.worker.run([job]))
            assert outcome.error is None, outcome.error
        (found,) = self.worker.run([lambda tx: arrivals.due(tx, self.now)])
        for programme_id, group_id in found.value:
            job = partial(run_due, programme_id=programme_id, group_id=group_id, now=self.now)
            (outcome,) = self._note(self.worker.run([job]))
            assert outcome.error is None, outcome.error
        for due, do in ((weekly.due, weekly.announce), (tags.due, tags.look)):
            (found,) = self.worker.run([partial(due, now=self.now)])
            for programme_id in found.value:
                job = partial(do, programme_id=programme_id, now=self.now)
                (outcome,) = self._note(self.worker.run([job]))
                assert outcome.error is None, outcome.error

    def whispers(self, who: str | Sender) -> list[str]:
        """Return what was written to somebody in private since the beginning."""
        chat = (who if isinstance(who, Sender) else self.person(who)).id
        return [unpack(row.payload).text for row in self.told if row.chat_id == chat]

    def actions(self) -> list[Doing]:
        """Return what was done in chats, besides speaking, since the beginning."""
        done = [unpack(row.payload).action for row in self.told if row.kind == "do"]
        return [action for action in done if action is not None]

    def says(self, who: str | Sender, text: str, **more: object) -> list[Outcome]:
        """Somebody says something."""
        return self.play(self.event(who, text, **more))

    def taps(self, who: str | Sender, command: str, **more: object) -> list[Outcome]:
        """Somebody presses a button."""
        return self.play(self.event(who, command, kind="tap", **more))

    def heard(self) -> str:
        """Return what has been said since last asked, as one text ('' for silence)."""
        texts = [reply.text for reply in self._heard if reply.text]
        self._heard.clear()
        return "\n---\n".join(texts)

    def replies(self) -> list[Reply]:
        """Return the replies since last asked."""
        replies, self._heard = self._heard, []
        return replies

    def advance(self, **by: float) -> datetime:
        """Move the clock on (days=1, hours=2 …)."""
        self.now += timedelta(**by)
        return self.now

    def balance(self, name: str, programme_id: int = MAIN) -> int:
        """Return what somebody has."""
        with reading(self.engine) as tx:
            row = tx.core.exec_driver_sql(
                "SELECT a.available FROM account a JOIN identity i ON i.member_id = a.owner_id"
                f" WHERE i.user_id = '{self._ids[name]}' AND a.programme_id = {programme_id}"
            ).fetchone()
        return int(row[0]) if row else 0
