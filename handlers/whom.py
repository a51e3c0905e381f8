"""Who is meant: by a mention, by a reply to his message, or by a name that is his alone here."""

from typing import NamedTuple

from content.message import Refusal
from content.names import clean_name, isolate, plain_words
from handlers.context import Context
from handlers.event import Sender
from storage import members
from storage.members import Who


class Whom(NamedTuple):
    """A member of the group in which it was said."""

    id: int
    name: str


def mentioned(ctx: Context) -> tuple[Whom | None, str]:
    """Return who is called in the command's words, if anybody, and the words without him.

    Refuses where somebody is called of whom we do not know who he is, or who is no member here.
    """
    for mention in ctx.event.mentions:
        words = plain_words(mention.words)
        if words and words in ctx.args:
            if mention.who is None:
                raise Refusal("whom.username", who=_shown(words))
            return _member(ctx, mention.who), ctx.args.replace(words, " ", 1).strip()
    return None, ctx.args


def replied_to(ctx: Context) -> Whom | None:
    """Return whose message is replied to, if any. Refuses for one who is no member here."""
    return _member(ctx, ctx.event.answers) if ctx.event.answers else None


def named(ctx: Context, name: str) -> Whom | None:
    """Return who is called so in this group; None for nobody. Refuses where several are."""
    if ctx.group is None:
        raise Refusal("whom.private")
    usual = ctx.rules.privacy.visibility
    found = members.of_name(ctx.tx, ctx.programme.id, ctx.group.id, name, usual)
    if len(found) > 1:
        raise Refusal("whom.several", who=_shown(found[0][1]))
    return Whom(*found[0]) if found else None


def _member(ctx: Context, who: Sender) -> Whom:
    if ctx.group is None:
        raise Refusal("whom.private")
    if who.kind != "person":
        raise Refusal("whom.bot" if who.kind == "bot" else "whom.nobody")
    account = Who(ctx.event.platform, who.id, who.name)
    known = members.find(ctx.tx, ctx.programme.id, account, ctx.group.id)
    name = isolate(account.clean_name)
    if known is None or known.state is None:
        raise Refusal("whom.unknown", who=name)
    if known.state != "active":
        raise Refusal("whom.left", who=name)
    return Whom(known.id, known.name)


def _shown(words: str) -> str:
    return isolate(clean_name(words, fallback="…"))
