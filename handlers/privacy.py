"""Privacy: what is kept about a member, who sees him, what he agrees to, and how old he is.

It is spoken about in private alone, and goes for all places in which his account is known, for
those that he has left, too. How he gets his data, and how he leaves, is `handlers.farewell`'s.
"""

import re
from collections.abc import Callable, Iterator, Sequence

from content.message import Button, Buttons, Refusal, Reply
from content.names import clean_name, isolate
from content.privacy import BAND_DAYS, PURPOSES, VERSIONS, Band, Purpose, band_from, may, seen_by
from content.rulebook import Visibility
from handlers import farewell
from handlers.context import Context
from handlers.router import Router
from storage import ages, consents, members, programmes
from storage.members import Place

router = Router()
_VERBS = {
    "同意": "give",
    "撤回": "withdraw",
    "年龄": "age",
    "导出": "export",
    "删除": "delete",
    "注销": "delete",
    "取消删除": "keep",
    "取消注销": "keep",
    "公开": "public",
    "群友可见": "members",
    "私密": "private",
    "consent": "give",
}
_PURPOSE_WORDS: dict[str, Purpose] = {
    **{purpose: purpose for purpose in PURPOSES},
    "兴趣": "profile",
    "私信": "contact",
    "推荐": "personalised",
}
_BAND_WORDS: dict[str, Band] = {
    "under14": "under14",
    "未满14": "under14",
    "14以下": "under14",
    "minor": "minor",
    "14-17": "minor",
    "14–17": "minor",
    "adult": "adult",
    "18": "adult",
    "成年": "adult",
}
_SEEN: dict[Visibility, str] = {
    "public": "privacy.seen_public",
    "members": "privacy.seen_members",
    "private": "privacy.seen_private",
}
_WHAT: dict[Purpose, str] = {
    "profile": "privacy.what_profile",
    "contact": "privacy.what_contact",
    "personalised": "privacy.what_personalised",
}
_AGES: dict[Band | None, str] = {
    None: "privacy.age_none",
    "under14": "privacy.age_under14",
    "minor": "privacy.age_minor",
    "adult": "privacy.age_adult",
}
_YES, _NO = "✅", "◻️"
_GLUED = rf"({'|'.join(_VERBS)})({'|'.join((*_PURPOSE_WORDS, *_BAND_WORDS))})?"
Doing = Callable[[Context, list[Place], str], Reply]


@router.command("privacy", "隐私", glued=_GLUED)
def privacy(ctx: Context) -> Reply | None:
    """See and decide what is kept about you."""
    if ctx.event.secondhand:
        return None  # somebody else's words, handed on
    if ctx.event.sender.kind != "person":
        raise Refusal(f"who.{ctx.event.sender.kind}")
    verb, rest = _asked(ctx.args)
    found = members.places(ctx.tx, (ctx.event.platform, ctx.event.sender.id))
    if ctx.event.chat.kind != "private":
        here = [place for place in found if place.programme_id == ctx.programme.id]
        if verb == "keep" and here:
            return farewell.keep(ctx, here, "")
        return ctx.say("privacy.in_group", private=True)
    if not found:
        raise Refusal("privacy.nobody")
    if not verb and not rest:
        return _screen(ctx, found)
    doing = _DOINGS.get(verb)
    if doing is None:
        raise _usage(ctx)
    return doing(ctx, found, rest)


def _asked(args: str) -> tuple[str, str]:
    """Read what is to be done, and what with, with or without a space between Chinese words."""
    words = args.strip().lower()
    first, _, rest = words.partition(" ")
    if first in _DOINGS:
        return first, rest.strip()
    word = max((each for each in _VERBS if words.startswith(each)), key=len, default="")
    return (_VERBS[word], words.removeprefix(word).strip()) if word else ("", words)


def _usage(ctx: Context) -> Refusal:
    return Refusal("privacy.usage", given=isolate(clean_name(ctx.args[:20], fallback="…")))


# -- the page ------------------------------------------------------------------------------------


def _screen(ctx: Context, found: Sequence[Place], done: str = "") -> Reply:
    """Show what is kept, and what one has chosen, with what was done just now above it."""
    here = _home(ctx, found)
    band = ages.band(ctx.tx, here.programme_id, here.member_id)
    said = consents.said(ctx.tx, here.programme_id, here.member_id)
    agreed = [p for p in PURPOSES if consents.has(ctx.tx, here.programme_id, here.member_id, p)]
    lines = [*([ctx.texts.say(done), ""] if done else []), *_kept(ctx, found), ""]
    rules = programmes.programme(ctx.tx, here.programme_id, ctx.now).rules.privacy
    seen = seen_by(here.visibility, rules)
    lines.append(ctx.texts.say(_SEEN[seen]))
    if here.board_wish < 0 and seen != "private":
        lines.append(ctx.texts.say("privacy.off_boards"))
    for purpose in PURPOSES:
        line = ctx.texts.say(_WHAT[purpose], mark=_YES if purpose in agreed else _NO)
        old = purpose not in agreed and purpose in said and said[purpose].given
        lines.append(f"{line} {ctx.texts.say('privacy.renewed')}" if old else line)
    lines.append(ctx.texts.say(_AGES[band]))
    leaving = all(place.erase_ms is not None for place in found)
    buttons = _choices(ctx, seen, agreed, band, leaving=leaving)
    return Reply("\n".join(lines), buttons, replaces=True)


def _home(ctx: Context, found: Sequence[Place]) -> Place:
    """Return the place whose choices are shown: where he was last, if he is anywhere."""
    return next((place for place in found if place.programme_id == ctx.programme.id), found[0])


def _kept(ctx: Context, found: Sequence[Place]) -> Iterator[str]:
    yield ctx.texts.say("privacy.head", name=ctx.name)
    yield ctx.texts.say("privacy.kept")
    yield ctx.texts.say("privacy.where", places=farewell.named(found))


def _choices(
    ctx: Context, seen: Visibility, agreed: Sequence[Purpose], band: Band | None, *, leaving: bool
) -> Buttons:
    def label(what: str, *, on: bool) -> str:
        word = ctx.button(f"privacy {what}").label
        return f"{_YES} {word}" if on else word

    sight = tuple(Button(label(each, on=each == seen), f"privacy {each}") for each in _SEEN)
    purposes = tuple(
        Button(
            label(each, on=each in agreed),
            f"privacy withdraw {each}"
            if each in agreed
            else f"privacy give {each} {VERSIONS[each]}",
        )
        for each in PURPOSES
        if each == "contact" or may(band, each)
    )
    last = ctx.button("privacy keep" if leaving else "privacy delete")
    return (sight, purposes, (ctx.button("privacy age"), ctx.button("privacy export"), last))


# -- choosing ------------------------------------------------------------------------------------


def _see(ctx: Context, found: list[Place], visibility: Visibility) -> Reply:
    farewell.lock(ctx, found)
    for place in found:
        members.see(ctx.tx, place.programme_id, place.member_id, visibility)
    return _screen(ctx, _again(ctx), "privacy.done")


def _give(ctx: Context, found: list[Place], rest: str) -> Reply:
    """Agree to a purpose; a button of words that have changed since shows the new ones."""
    word, _, version = rest.partition(" ")
    purpose = _PURPOSE_WORDS.get(word)
    if purpose is None:
        raise _usage(ctx)
    if version and version != f"{VERSIONS[purpose]}":
        return _screen(ctx, found, "privacy.read_again")
    farewell.lock(ctx, found)
    if purpose != "contact":
        for place in found:
            if not may(ages.band(ctx.tx, place.programme_id, place.member_id), purpose):
                raise Refusal("privacy.too_young")
    for place in found:
        own = (ctx.tx, place.programme_id, place.member_id)
        consents.give(*own, purpose, identity=_identity(ctx), now=ctx.now)
    return _screen(ctx, found, "privacy.given")


def _withdraw(ctx: Context, found: list[Place], rest: str) -> Reply:
    purpose = _PURPOSE_WORDS.get(rest)
    if purpose is None:
        raise _usage(ctx)
    _take_back(ctx, found, (purpose,))
    return _screen(ctx, found, "privacy.withdrawn")


def _take_back(ctx: Context, found: list[Place], purposes: Sequence[Purpose]) -> None:
    farewell.lock(ctx, found)
    for place in found:
        own = (ctx.tx, place.programme_id, place.member_id)
        consents.withdraw(*own, purposes, identity=_identity(ctx), now=ctx.now)


def _age(ctx: Context, found: list[Place], rest: str) -> Reply:
    """Note how old somebody says he is; what is not for children he no longer agrees to."""
    band = _BAND_WORDS.get(re.sub(r"\s|岁", "", rest))
    if band is None:
        if rest:
            raise _usage(ctx)
        row = tuple(ctx.button(f"privacy age {each}") for each in ("under14", "minor", "adult"))
        text = ctx.texts.say("privacy.age_ask", days=BAND_DAYS)
        return Reply(text, (row, (ctx.button("privacy"),)), replaces=True)
    farewell.lock(ctx, found)
    said = [ages.declared(ctx.tx, place.programme_id, place.member_id) for place in found]
    for last in said:
        free = band_from(last.at, ctx.now) if last and last.band != band else None
        if free is not None:
            day = free.astimezone(ctx.programme.zone)
            raise Refusal("privacy.age_wait", days=BAND_DAYS, day=f"{day:%Y-%m-%d}")
    for place, last in zip(found, said, strict=True):
        if last is None or last.band != band:
            own = (ctx.tx, place.programme_id, place.member_id)
            ages.declare(*own, band, identity=_identity(ctx), now=ctx.now)
    barred: tuple[Purpose, ...] = ("profile", "personalised")
    if not may(band, "profile"):
        _take_back(ctx, found, barred)
    return _screen(ctx, found, "privacy.done")


def _again(ctx: Context) -> list[Place]:
    return members.places(ctx.tx, (ctx.event.platform, ctx.event.sender.id))


def _identity(ctx: Context) -> str:
    return f"{ctx.event.platform}:{ctx.event.sender.id}"


_DOINGS: dict[str, Doing] = {
    "public": lambda ctx, found, _: _see(ctx, found, "public"),
    "members": lambda ctx, found, _: _see(ctx, found, "members"),
    "private": lambda ctx, found, _: _see(ctx, found, "private"),
    "give": _give,
    "withdraw": _withdraw,
    "age": _age,
    "export": farewell.export,
    "delete": farewell.delete,
    "keep": farewell.keep,
}
