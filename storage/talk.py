"""What members said lately, in this process's memory alone: nothing of it is written or logged.

It tells before the store is asked whether a message may be worth points, so that talk costs
nothing else (docs/decisions/0015).
"""

import threading
from collections import deque
from datetime import datetime
from typing import NamedTuple

from content.activity import COMPARED, worth
from content.rulebook import ActivityRules

KEPT = 200
"""How many characters of a message are looked at and kept."""
PEOPLE_MAX = 10_000
CHARACTERS_MAX = 2_000_000
"""Of all people together: at most 8 MB. Who has been silent longest is forgotten first."""
CHATS_MAX = 10_000
ECHOES = 40
"""How many of a person's messages are recognised when they come again."""
ALIKE_TOLD = 5
"""So many messages that say the same are worth a row; fewer are what people do."""
LOOK_AGAIN_S = 1.0
"""A person's messages are compared no more often: it is the one step that takes long."""
SHIPPED = ActivityRules()
"""The rules of such a chat."""

UNKNOWN = 0
"""The programme of a chat of which nothing is known yet."""

Person = tuple[str, str]
"""Platform, user id."""
ChatKey = tuple[str, str]
"""Platform, chat id."""


class Said(NamedTuple):
    """What somebody had said before a message: `previous`, the last first, and how long since
    the last one that was let through, in seconds (None: there is none). `alike` counts now and
    then the messages since it was last told that said what he had said before.
    """  # noqa: D205 - one thought

    previous: tuple[str, ...] = ()
    since_s: float | None = None
    alike: int = 0


class _Memory:
    """Of one person in one programme. Instants are seconds since 1970 by the platform's clock."""

    __slots__ = ("alike", "characters", "echoes", "last", "looked", "passed", "rests_until")

    def __init__(self) -> None:
        self.alike = 0
        self.echoes: deque[int] = deque(maxlen=ECHOES)
        """Of what was let through before that: no words, and in this process they mean nothing."""
        self.last: deque[str] = deque(maxlen=COMPARED)
        self.characters = 0
        self.passed: float | None = None
        self.looked = float("-inf")
        self.rests_until = float("-inf")

    def echo(self, words: str) -> None:
        """Count a message that says again what was said a while ago."""
        mark = hash(words)
        self.alike += mark in self.echoes
        self.echoes.append(mark)

    def tell(self) -> int:
        """Return how many messages said the same again, where there are some, and begin anew."""
        told = self.alike if self.alike >= ALIKE_TOLD else 0
        self.alike -= told
        return told

    def add(self, words: str) -> int:
        """Keep a message; return by how many characters the memory has grown."""
        gone = len(self.last[-1]) if len(self.last) == COMPARED else 0
        self.last.appendleft(words)
        self.characters += len(words) - gone
        return len(words) - gone


class Talk:
    """Judges messages by the rules that were last in force in their chat, as far as known.

    Doors ask it on their thread, workers tell it what they have learned on theirs.
    """

    def __init__(self) -> None:
        """Know nobody."""
        self._people: dict[tuple[Person, int], _Memory] = {}
        self._chats: dict[ChatKey, tuple[int, ActivityRules]] = {}
        self._characters = 0
        self._lock = threading.Lock()

    def heard(
        self, person: Person, chat: ChatKey, text: str, at: datetime, *, command: bool = False
    ) -> Said | None:
        """Note a message; return what was said before it when it may be worth points.

        None is most messages' lot: too soon after the last, too short, the same again, in a chat
        without points for talk, or from one who has had today's. A message that is let through
        counts as paid from here on, whatever becomes of it, so that a flood passes once.
        """
        words, now = text[:KEPT], at.timestamp()
        with self._lock:
            programme_id, rules = self._chats.get(chat, (UNKNOWN, SHIPPED))
            if not rules.points or (command and not rules.commands_count):
                return None
            memory = self._memory(person, programme_id)
            said = self._judge(memory, rules, words, now, command=command)
            self._characters += memory.add(words)
            if self._characters > CHARACTERS_MAX or len(self._people) > PEOPLE_MAX:
                self._forget()
            return said

    def learn(self, chat: ChatKey, programme_id: int, rules: ActivityRules) -> None:
        """Note a chat's programme and the rules in force there."""
        known = self._chats.get(chat)
        if known is not None and known[0] == programme_id and known[1] is rules:
            return
        with self._lock:
            self._chats[chat] = (programme_id, rules)
            if len(self._chats) > CHATS_MAX:
                del self._chats[next(iter(self._chats))]

    def rest(self, person: Person, programme_id: int, until: datetime) -> None:
        """Let nothing of a person through for a while: he has had all that the day gives."""
        with self._lock:
            self._memory(person, programme_id).rests_until = until.timestamp()

    @staticmethod
    def _judge(
        memory: _Memory, rules: ActivityRules, words: str, now: float, *, command: bool
    ) -> Said | None:
        since = None if memory.passed is None else now - memory.passed
        if now < memory.rests_until or (since is not None and since < rules.cooldown_s):
            return None
        if not worth(rules, words, (), since_s=since, command=command):
            return None
        if now < memory.looked + LOOK_AGAIN_S:
            return None
        memory.looked = now
        said = Said(tuple(memory.last), since)
        if not worth(rules, words, said.previous, since_s=since, command=command):
            memory.alike += 1
            return None
        memory.passed = now
        memory.echo(words)
        return said._replace(alike=memory.tell())

    def _memory(self, person: Person, programme_id: int) -> _Memory:
        """Return what is known of a person, from now on the last to be forgotten."""
        known = self._people.pop((person, programme_id), None)
        if known is None:  # perhaps from before we knew whose chat it is
            known = self._people.pop((person, UNKNOWN), None) or _Memory()
        self._people[person, programme_id] = known
        return known

    def _forget(self) -> None:
        while self._people and (
            self._characters > CHARACTERS_MAX or len(self._people) > PEOPLE_MAX
        ):
            oldest = next(iter(self._people))
            self._characters -= self._people.pop(oldest).characters
