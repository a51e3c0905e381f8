"""From words to handlers: commands with slash names, Chinese and English words, arguments."""

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import handlers
from content.message import Reply
from content.names import mentions, plain_words
from handlers.context import Context
from handlers.event import Event, Kind

Handler = Callable[[Context], Reply | None]
_TAIL = re.compile(r"[\W_]*")
_SLASH = re.compile(r"/([A-Za-z0-9_]{1,32})(?:@(\S+))?(?:\s+(.*))?$", re.DOTALL)
ARGS_MAX = 200
WORDS_MAX = 300
"""Longer talk is no command; what is matched stays short whatever is sent."""
ENGLISH_MAX = 40
"""English words count when they are all that is said, so that talk stays talk."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command: `name` after the slash, `words` in Chinese, `glued` arguments without a space.

    `english` are words that mean it when somebody says nothing else; when the bot is spoken to,
    `name` does so as well. With `talk` its words are talk that may get an answer, not a command.
    """

    name: str
    words: tuple[str, ...]
    handler: Handler
    glued: re.Pattern[str] | None
    presets: dict[str, str]
    always: bool
    english: tuple[str, ...]
    talk: bool = False

    @property
    def summary(self) -> str:
        """The first line of the handler's docstring."""
        return (self.handler.__doc__ or "").strip().splitlines()[0]


@dataclass(frozen=True, slots=True)
class Match:
    """What an event asks for."""

    handler: Handler
    args: str = ""
    always: bool = False
    """Carried out in spite of the rate limit: what is paid once a day must not be missed."""
    name: str = ""
    """The command's slash name; none for what is no command."""
    asks: bool = True
    """False for mere talk: it is not answered, whatever happens, and no rate limit counts it."""


@dataclass(slots=True)
class Router:
    """The commands and event handlers of one feature file, or of all of them."""

    commands: dict[str, Command] = field(default_factory=dict)
    events: dict[Kind, Handler] = field(default_factory=dict)
    deeds: dict[str, Handler] = field(default_factory=dict)
    fallback: Handler | None = None
    listener: Handler | None = None
    _words: dict[str, tuple[Command, str]] = field(default_factory=dict)
    _english: dict[str, Command] = field(default_factory=dict)

    def command(
        self,
        name: str,
        *words: str,
        glued: str | None = None,
        presets: dict[str, str] | None = None,
        always: bool = False,
        english: tuple[str, ...] = (),
        talk: bool = False,
    ) -> Callable[[Handler], Handler]:
        """Register a command.

        `presets` are words that stand for it with an argument; `always` lifts the rate limit;
        `english` holds no word that a group says to itself, like top or help; with `talk`, `words`
        are such: nothing is said of what goes wrong, and what they are worth as talk they are.
        """

        def register(handler: Handler) -> Handler:
            pattern = re.compile(glued) if glued else None
            self._add(Command(name, words, handler, pattern, presets or {}, always, english, talk))
            return handler

        return register

    def on(self, kind: Kind) -> Callable[[Handler], Handler]:
        """Register what happens on an event that is no command."""

        def register(handler: Handler) -> Handler:
            if kind in self.events:
                raise ValueError(f"two handlers for {kind}: {handler.__module__}")
            self.events[kind] = handler
            return handler

        return register

    def did(self, about: str) -> Callable[[Handler], Handler]:
        """Register what happens when an action was done whose `ref` begins with this word."""

        def register(handler: Handler) -> Handler:
            if about in self.deeds:
                raise ValueError(f"two handlers for what {about} did: {handler.__module__}")
            self.deeds[about] = handler
            return handler

        return register

    def unknown(self, handler: Handler) -> Handler:
        """Register the answer to words that mean nothing, when the bot is spoken to."""
        self.fallback = handler
        return handler

    def listen(self, handler: Handler) -> Handler:
        """Register what is done about talk that may be worth points."""
        self.listener = handler
        return handler

    def _add(self, command: Command) -> None:
        names = [(command.name, ""), *((word, "") for word in command.words)]
        names += command.presets.items()
        for word, args in names:
            if word in self._words:
                taken = self._words[word][0].handler.__module__
                raise ValueError(f"{word!r} is taken by {taken}: {command.handler.__module__}")
            self._words[word] = (command, args)
        for phrase in command.english:
            if self._english.setdefault(phrase, command) is not command:
                raise ValueError(f"{phrase!r} is taken: {command.handler.__module__}")
        self.commands[command.name] = command

    def include(self, other: "Router") -> None:
        """Add another router's commands and handlers. Errors: ValueError for a name taken."""
        for command in other.commands.values():
            self._add(command)
        for kind, handler in other.events.items():
            self.on(kind)(handler)
        for about, handler in other.deeds.items():
            self.did(about)(handler)
        self.fallback = other.fallback or self.fallback
        self.listener = other.listener or self.listener

    def match(self, event: Event, *, bot_name: str = "") -> Match | None:
        """Return what to do with an event; None for what nobody asked us about."""
        if event.kind not in {"message", "tap"}:
            handler = self.events.get(event.kind)
            if event.kind == "did":
                handler = self.deeds.get(event.target.partition(" ")[0])
            return Match(handler) if handler else None
        if event.edited or event.sender.kind in {"bot", "service"}:
            return None
        words = plain_words(event.text[:WORDS_MAX])[:WORDS_MAX]
        if event.kind == "tap":
            found = self._pressed(words)
        else:
            words = _without_mention(words, bot_name)
            slash = _SLASH.match(words)
            to = slash.group(2) if slash else None
            if to and to.casefold() != bot_name.casefold() and event.chat.kind != "private":
                return None
            found = self._slash(slash) if slash else self._chinese(words)
            found = found or self._in_english(words, to_us=event.addressed)
            if found and self.commands[found.name].talk and not slash and not event.addressed:
                own = event.sender.kind == "person" and not event.secondhand
                return replace(found, asks=False) if own else None
        if found:
            return found
        return Match(self.fallback) if event.addressed and self.fallback else None

    def _pressed(self, words: str) -> Match | None:
        name, _, args = words.partition(" ")
        command = self.commands.get(name)
        return (
            Match(command.handler, args[:ARGS_MAX].strip(), command.always, command.name)
            if command
            else None
        )

    def _slash(self, slash: re.Match[str]) -> Match | None:
        name, _, args = slash.groups(default="")
        command = self.commands.get(name.lower())
        return (
            Match(command.handler, args[:ARGS_MAX].strip(), command.always, command.name)
            if command
            else None
        )

    def _chinese(self, words: str) -> Match | None:
        head, _, rest = words.partition(" ")
        bare = _without_ending(head)
        known = self._words.get(bare) if not bare.isascii() else None
        if known:
            command, preset = known
            rest = rest.strip()
            if not rest or command.glued is None:
                return (
                    Match(command.handler, preset, command.always, command.name)
                    if _TAIL.fullmatch(rest)
                    else None
                )
            return Match(
                command.handler, f"{preset} {rest[:ARGS_MAX]}".strip(), command.always, command.name
            )
        return self._glued(words)

    def _in_english(self, words: str, *, to_us: bool) -> Match | None:
        if len(words) > ENGLISH_MAX:
            return None
        phrase = " ".join(_without_ending(words).casefold().split())
        command = self._english.get(phrase) or (self.commands.get(phrase) if to_us else None)
        return Match(command.handler, "", command.always, command.name) if command else None

    def _glued(self, words: str) -> Match | None:
        for command in self.commands.values():
            for word in command.words if command.glued else ():
                rest = words.removeprefix(word)
                if command.glued and rest != words and command.glued.fullmatch(rest):
                    return Match(command.handler, rest, command.always, command.name)
        return None


def _without_ending(word: str) -> str:
    """Return a word without the punctuation and pictures at its end."""
    end = len(word)
    while end and not word[end - 1].isalnum():
        end -= 1
    return word[:end]


def _without_mention(words: str, bot_name: str) -> str:
    """Return the words without `@bot` before or after them."""
    mention = f"@{bot_name}".casefold()
    if bot_name and words.casefold().startswith(mention) and mentions(words, bot_name):
        rest = words[len(mention) :]
        words = rest.strip() if not rest[:1].isascii() or not rest[:1].isalnum() else words
    if bot_name and words.casefold().endswith(f" {mention}"):
        words = words[: -len(mention)].rstrip()
    return words


def discover() -> Router:
    """Return one router with every feature in this folder. Errors: ValueError for a name taken."""
    whole = Router()
    for name in _feature_names():
        module = importlib.import_module(f"handlers.{name}")
        found = getattr(module, "router", None)
        if isinstance(found, Router):
            whole.include(found)
    return whole


def _feature_names() -> Iterator[str]:
    for info in sorted(pkgutil.iter_modules(handlers.__path__), key=lambda info: info.name):
        if info.name not in {"context", "event", "router"}:
            yield info.name
