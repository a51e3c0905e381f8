"""What is to be done about an event: something was asked for, or talk may be worth points."""

from bot.worker import Asked
from handlers.event import Event
from handlers.router import Match, Router
from storage.talk import Said, Talk


def hear(
    event: Event, router: Router, talk: Talk | None = None, *, bot_name: str = ""
) -> Asked | None:
    """Return the unit of work of an event; None for what nobody asked and what earns nothing.

    That is decided in memory, because it is most of what is said in a group.
    """
    match = router.match(event, bot_name=bot_name)
    said = None
    if talk is not None and router.listener is not None and _own_words(event):
        said = _heard(event, talk, command=match is not None and match.asks)
    if match is not None:
        return Asked(event, match, said, router.listener if said else None)
    if said is None or router.listener is None:
        return None
    return Asked(event, Match(router.listener, asks=False), said)


def _own_words(event: Event) -> bool:
    """Whether somebody says something of his own to a group."""
    return (
        event.kind == "message"
        and event.text != ""
        and event.chat.kind == "group"
        and event.sender.kind == "person"
        and not event.edited
        and not event.secondhand
    )


def _heard(event: Event, talk: Talk, *, command: bool) -> Said | None:
    person, chat = (event.platform, event.sender.id), (event.platform, event.chat.id)
    return talk.heard(person, chat, event.text, event.at, command=command)
