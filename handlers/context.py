"""What a handler gets: the one page that a feature's author reads."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from random import Random
from typing import Any

from msgspec import structs

from content.message import Button, Buttons, Refusal, Reply
from content.names import isolate
from content.rulebook import LevelRule, Rulebook
from content.texts import Texts
from handlers.event import Event
from storage.db import Tx
from storage.members import Member
from storage.programmes import Group, Programme
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

    def say(
        self, key: str, *, buttons: Buttons = (), private: bool = False, **values: Any
    ) -> Reply:
        """Return the text `key` with its placeholders filled."""
        return Reply(self.texts.say(key, **values), buttons, private=private)

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
