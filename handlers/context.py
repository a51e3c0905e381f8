"""What a handler gets: the one page that a feature's author reads."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from random import Random
from typing import Any

from msgspec import structs

from content.message import Button, Buttons, Refusal, Reply
from content.names import isolate
from content.occasion import Line
from content.rulebook import LevelRule, Rulebook
from content.texts import Texts, texts
from content.welcome import days_left
from handlers.event import Event
from storage import direct, outbox
from storage.db import Tx, from_ms
from storage.members import Member
from storage.programmes import MAIN, Group, Programme
from storage.talk import Said, Talk


@dataclass(slots=True, kw_only=True)
class Context:
    """One event in its place: who, where, when, under which rules, and the open transaction.

    Handlers return what to say and do no input or output of their own. `now` is the moment of
    work (aware, UTC); `today` is the programme's day on which the event happened, so that a
    check-in of 23:59 that arrives after midnight counts for the day on which it was said.
    """

    event: Event
    args: str
    tx: Tx
    programme: Programme
    group: Group | None
    person: Member | None
    outside: str
    """Where there is no `person`: the text that tells somebody why he is none (`who.…`)."""
    now: datetime
    today: date
    rng: Random
    texts: Texts
    asks: bool = True
    """Whether somebody asks for something; else it is mere talk, to which nothing is said."""
    said: Said | None = None
    """For a message that may be worth points: what its sender had said before."""
    talk: Talk | None = None
    """Where that came from, for what is to be remembered about him."""
    owners: frozenset[str] = frozenset()
    """Who owns the installation, as `platform:user`."""
    public_url: str = ""
    """Where this installation's pages are seen from outside; empty where they are not."""

    @property
    def rules(self) -> Rulebook:
        """The rules in force."""
        return self.programme.rules

    @property
    def member(self) -> Member:
        """The member who asks. Refuses for somebody who is in no group of ours, or is no person."""
        if self.person is None:
            kind = self.event.sender.kind
            if kind == "person":
                raise Refusal(self.outside)
            raise Refusal(f"who.{kind}")
        return self.person

    @property
    def actor(self) -> str:
        """What a posting keeps of who did it: his number here, never that of his platform.

        Postings are sealed for ever, and a member may want to be erased.
        """
        return f"member:{self.member.id}"

    @property
    def name(self) -> str:
        """The asker's name, safe between other words."""
        return isolate(self.person.name if self.person else self.event.who.clean_name)

    @property
    def unverified(self) -> bool:
        """Whether the asker earns nothing yet: he still has to show that he is a person."""
        return self.person is not None and self.person.open and self.rules.welcome.asks

    @property
    def earner(self) -> Member:
        """The member who asks, to be paid: refuses as `member` does, and who is not verified."""
        member = self.member
        if self.unverified:
            raise Refusal("verify.first", name=self.name, buttons=self.row("verify"))
        return member

    @property
    def first_days(self) -> int:
        """How many of the asker's first days are left, today included, if they pay more."""
        if self.person is None or not self.rules.welcome.doubles:
            return 0
        joined = from_ms(self.person.since_ms).astimezone(self.programme.zone).date()
        return days_left(self.rules.welcome, joined, self.today)

    def say(
        self, key: str, *, buttons: Buttons = (), private: bool = False, **values: Any
    ) -> Reply:
        """Return the text `key` with its placeholders filled."""
        return Reply(self.texts.say(key, **values), buttons, private=private)

    def whisper(self, member_id: int, reply: Reply) -> bool:
        """Write to a member where he has last written to the bot in private; False if never."""
        chats = direct.chats(self.tx, self.programme.id, member_id)
        if chats:
            outbox.say(
                self.tx,
                programme_id=self.programme.id,
                platform=chats[0].platform,
                chat_id=chats[0].chat_id,
                reply=reply,
                now=self.now,
            )
        return bool(chats)

    def with_lines(self, reply: Reply, lines: Sequence[Line]) -> Reply:
        """Return the answer with what features say to it (`handlers.occasions`)."""
        said = [line.said(self.texts) for line in lines]
        return structs.replace(reply, text="\n".join((reply.text, *said))) if said else reply

    def tell_owners(self, key: str, **values: Any) -> None:
        """Write to the installation's owners in private: those who have opened a chat there.

        Of a stranger's group, which has points of its own, they hear nothing.
        """
        for owner in sorted(self.owners) if self.programme.id == MAIN else ():
            platform, _, user = owner.partition(":")
            chat = direct.of(self.tx, platform, user)
            if chat is not None:
                words = texts(chat.locale or self.programme.locale)
                outbox.say(
                    self.tx,
                    programme_id=self.programme.id,
                    platform=platform,
                    chat_id=chat.chat_id,
                    reply=Reply(words.say(key, **values)),
                    now=self.now,
                )

    def with_rise(self, reply: Reply, risen: Iterable[LevelRule | None]) -> Reply:
        """Return the answer with a line for the highest level that the member has risen to."""
        level = max((each for each in risen if each), key=lambda each: each.min, default=None)
        if level is None:
            return reply
        line = self.texts.say("level.up", name=self.name, level=level.called(self.texts.locale))
        return structs.replace(reply, text=f"{reply.text}\n{line}")

    def button(self, command: str, **values: Any) -> Button:
        """Return the button of a command, labelled by the text `button.<command>`."""
        word = command.replace(" ", "_")
        return Button(self.texts.say(f"button.{word}", **values), command)

    def row(self, *commands: str) -> Buttons:
        """Return one row of buttons."""
        return (tuple(self.button(command) for command in commands),)
