"""The room's door: people of the page speak and press, the bot's words appear on open pages."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bot.adapters.base import Adapter, Limits
from bot.clock import Clock
from bot.dispatcher import Dispatcher
from bot.pictures import Pictures
from content.message import Button, Doing, MakeLink, Reply
from content.picture import pack_picture
from handlers.event import Chat, Event, Kind, Mention, Role, Sender
from storage import room
from storage.outbox import Outgoing
from storage.programmes import MAIN
from storage.room import Line

PLATFORM = "local"
GROUP = "room"
BOT = "bot"
TEXT_MAX = 4096
FEED_MAX = 1000


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody that a visitor of the page can be."""

    id: str
    name: str
    role: Role = "member"


@dataclass(slots=True, eq=False)
class Feed:
    """What one open page hears: `(event, data)` pairs."""

    person: str
    chat_id: str
    events: asyncio.Queue[tuple[str, Any]] = field(
        default_factory=lambda: asyncio.Queue(maxsize=FEED_MAX)
    )


class MarkUsedError(ValueError):
    """A page's mark for something said has come with something else before."""


class LocalAdapter(Adapter):
    """The chat room: one group, and a private chat with the bot for everybody."""

    name = PLATFORM
    limits = Limits(
        text_max=1_000_000,  # the room has no limit of its own
        toast_max=1000,
        buttons=True,
        edits=True,
        chat_burst=1,
        chat_per_minute=None,
        overall_per_second=None,
        caption_max=1_000_000,
    )

    def __init__(
        self,
        people: list[Person],
        *,
        title: str,
        dispatcher: Dispatcher,
        clock: Clock,
        bot_name: str,
        address: str = "",
        pictures: Pictures | None = None,
    ) -> None:
        """`people` are whom visitors may be, in the group yet or not; `address` the server's."""
        self.pictures = pictures or Pictures()
        self.people = {person.id: person for person in people}
        self.title = title
        self.bot_name = bot_name
        self._address = address
        self._dispatcher = dispatcher
        self._clock = clock
        self._feeds: set[Feed] = set()

    @staticmethod
    def chat_id(person: str, chat: str) -> str:
        """Return the id of the group, or of somebody's private chat."""
        return GROUP if chat == "group" else f"private-{person}"

    async def speak(self, person: Person, chat: str, text: str, *, client: str, lang: str) -> None:
        """Say something, once however often the page asks: what `client` said first stands.

        Errors: MarkUsedError for another thing by the same mark, BusyError, ClosedError.
        """
        line, new = await self._add(
            chat_id=self.chat_id(person.id, chat),
            person=person.id,
            name=person.name,
            kind="person",
            text=text,
            client=client,
        )
        if new:
            self._show(line)
        elif (line.chat_id, line.text) != (self.chat_id(person.id, chat), text):
            raise MarkUsedError(client)  # it would count for the day of what was said first
        event = self._event(
            person,
            chat,
            "message",
            client=client,
            at=line.at,
            lang=lang,
            text=text,
            message_id=str(line.id),
        )
        await self._dispatcher.submit(event, bot_name=self.bot_name)

    async def press(
        self,
        person: Person,
        chat: str,
        message: str,
        data: str,
        *,
        client: str,
        lang: str,
        genuine: bool,
    ) -> None:
        """Press a button under a message; `genuine` when it does stand there."""
        event = self._event(
            person,
            chat,
            "tap",
            client=client,
            at=self._clock(),
            lang=lang,
            text=data,
            message_id=message,
            tap_id=client,
            genuine=genuine,
        )
        await self._dispatcher.submit(event)

    async def come_by(self, visits: Sequence[tuple[datetime, Person]]) -> list[Person]:
        """Let people check in without a word, each at his moment; return those who have.

        They press a button, whose answer is for themselves. Who is played on an open page, or has
        not come into the group, is left alone. Errors: BusyError, ClosedError.
        """
        played = {feed.person for feed in self._feeds}
        pressed = []
        for at, person in visits:
            if person.id in played or person.id not in self.people:
                continue
            client = f"visit-{at.timestamp():.0f}"
            event = self._event(
                person, "group", "tap", client=client, at=at, lang="", text="checkin", tap_id=client
            )
            pressed.append((person, self._dispatcher.submit(event)))
        return [person for person, outcome in pressed if (await outcome).state == "done"]

    async def join(self, person: Person, notice: str) -> None:
        """Come into the group."""
        at = self._clock()
        client = f"join-{person.id}-{at.timestamp():.0f}"
        await self._dispatcher.submit(
            self._event(person, "group", "joined", client=client, at=at, lang="")
        )
        await self.note(notice, client)
        self.refresh()

    async def note(self, text: str, client: str) -> None:
        """Write a notice into the group."""
        line, new = await self._add(
            chat_id=GROUP, person="", name="", kind="notice", text=text, client=client
        )
        if new:
            self._show(line)

    async def _add(self, **message: Any) -> tuple[Line, bool]:
        at = self._clock()
        added: tuple[Line, bool] = await self._dispatcher.run(
            lambda tx: room.add(tx, MAIN, at=at, **message)
        )
        return added

    async def speak_language(self, locale: str) -> None:
        """Let the bot speak another language in the group."""
        await self._dispatcher.run(lambda tx: room.speak(tx, MAIN, locale))

    def _event(
        self,
        person: Person,
        chat: str,
        kind: Kind,
        *,
        client: str,
        at: datetime,
        lang: str,
        text: str = "",
        message_id: str | None = None,
        tap_id: str | None = None,
        genuine: bool = False,
    ) -> Event:
        private = chat != "group"
        where = Chat(
            self.chat_id(person.id, chat),
            "private" if private else "group",
            "" if private else self.title,
        )
        return Event(
            key=f"local:{person.id}:{client}",
            platform=PLATFORM,
            kind=kind,
            chat=where,
            sender=Sender(person.id, person.name, "person", person.role, lang),
            at=at,
            addressed=private or kind == "tap" or f"@{self.bot_name}" in text,
            text=text,
            message_id=message_id,
            tap_id=tap_id,
            genuine=genuine,
            mentions=tuple(self._mentions(text)) if kind == "message" else (),
        )

    def _mentions(self, text: str) -> Iterator[Mention]:
        """Tell who is called by `@` and his whole name; of names that begin alike, the longest."""
        for person in sorted(self.people.values(), key=lambda each: -len(each.name)):
            words = f"@{person.name}"
            if words in text:
                text = text.replace(words, "")
                yield Mention(words, Sender(person.id, person.name, "person", person.role))

    def start_address(self, payload: str) -> str:
        """Return the page's address that lets a stranger send this to the bot."""
        return f"{self._address}/room?start={payload}"

    async def do(self, out: Outgoing, action: Doing) -> str:
        """Return the way into the group as its invite link. Errors: RefusedError for all else."""
        if isinstance(action, MakeLink):
            return f"{self._address}/room?chat=group"
        return await super().do(out, action)

    async def say(self, out: Outgoing, reply: Reply) -> None:
        """Write the bot's words; the row's number makes that happen once."""
        picture = await self._picture(out, reply)
        line, new = await self._add(
            chat_id=out.chat_id,
            person=BOT,
            name=self.bot_name,
            kind="bot",
            text=reply.text,
            client=f"out-{out.id}",
            buttons=_buttons(reply),
            reply_to=out.target,
            picture=picture,
        )
        if new:
            self._show(line)

    async def toast(self, out: Outgoing, text: str) -> None:
        """Show the presser, and nobody else, an answer."""
        if text:
            self._tell("toast", {"text": text}, person=out.person)

    async def edit(self, out: Outgoing, reply: Reply) -> None:
        """Replace a message of the bot."""
        id_, text, buttons = int(out.target or 0), reply.text, _buttons(reply)
        picture = await self._picture(out, reply)
        line = await self._dispatcher.run(
            lambda tx: room.edit(
                tx, MAIN, out.chat_id, id_, text=text, buttons=buttons, picture=picture
            )
        )
        if line is not None:
            self._show(line)

    async def _picture(self, out: Outgoing, reply: Reply) -> str | None:
        """Return a reply's picture as the room keeps it: its value, once it has been drawn."""
        if reply.picture is None:
            return None
        await self.draw(out, reply)  # so that a page gets it, or the words alone are written
        return pack_picture(reply.picture)

    @contextmanager
    def listen(self, person: str, chat: str) -> Iterator[Feed]:
        """Hear what happens in a chat, as one of its people, as long as the page is open."""
        feed = Feed(person, self.chat_id(person, chat))
        self._feeds.add(feed)
        try:
            yield feed
        finally:
            self._feeds.discard(feed)

    def refresh(self) -> None:
        """Let every page look at the room's state again."""
        self._tell("state", {})

    def hang_up(self) -> None:
        """End every open page's stream."""
        self._tell("bye", {})

    def _show(self, line: Line) -> None:
        self._tell("message", line, chat_id=line.chat_id)

    def _tell(
        self, event: str, data: Any, *, chat_id: str | None = None, person: str | None = None
    ) -> None:
        for feed in list(self._feeds):
            if chat_id not in {None, feed.chat_id} or person not in {None, feed.person}:
                continue
            if feed.events.full():  # a page that does not read: it will start anew
                self._feeds.discard(feed)
                while not feed.events.empty():
                    feed.events.get_nowait()
                feed.events.put_nowait(("bye", {}))
            else:
                feed.events.put_nowait((event, data))


def _buttons(reply: Reply) -> str:
    rows = [[_button(button) for button in row] for row in reply.buttons]
    return json.dumps(rows, ensure_ascii=False)


def _button(button: Button) -> dict[str, str]:
    if button.url:
        return {"label": button.label, "url": button.url}
    return {"label": button.label, "data": button.command}
