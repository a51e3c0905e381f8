"""One person, several platforms: a code from one account makes the other one the same member.

Codes are made, typed and confirmed in private alone: whoever reads a code could use it.
"""

import re
from typing import Any, NamedTuple

from content.checkin import streak_now
from content.linking import (
    APART,
    BINDINGS_MAX,
    BINDINGS_WITHIN,
    CODE_LIFE,
    LETTERS,
    TRIES_PER_HOUR,
    Case,
    code_hash,
    forbids,
    new_code,
    read_code,
)
from content.message import Button, Refusal, Reply
from content.names import isolate
from handlers.context import Context
from handlers.router import Router
from storage import bindings, joining, ledger, linkcodes, members, pairs, parting, uniting
from storage.account import Account
from storage.books import POINTS
from storage.linkcodes import Code
from storage.pairs import Act

router = Router()
_UNDO = {"undo", "撤销", "撤回", "取消"}
_GLUED = rf"(?:撤销|撤回|取消|[{LETTERS}{LETTERS.lower()}]{{8}})"
_HINDERED: dict[uniting.Hindrance, str] = {
    "leaving": "link.leaving",
    "credit": "link.credit",
    "invites": "link.invites",
}
_PRESSED = re.compile(rf"(yes|no) ([{LETTERS}]{{8}})")


class _Side(NamedTuple):
    """One of the two who are to become one: his name, points and streak."""

    id: int
    name: str
    has: Account


@router.command("link", "绑定", glued=_GLUED)
def link(ctx: Context) -> Reply | None:
    """Make accounts on several platforms one member, with one balance."""
    if ctx.event.secondhand:
        return None  # somebody else's words, handed on
    if ctx.event.chat.kind != "private":
        return _in_group(ctx)
    if ctx.event.kind == "tap" and ctx.args:
        return _pressed(ctx)
    if not ctx.args:
        return _new(ctx)
    if ctx.args.strip().lower() in _UNDO:
        return _undo(ctx)
    return _typed(ctx)


def _in_group(ctx: Context) -> Reply:
    """Point to the private chat. A code that was typed here is none any more."""
    code = read_code(ctx.args) if ctx.event.kind != "tap" else None
    if code is not None and linkcodes.void(ctx.tx, code_hash(code)):
        return ctx.say("link.seen", private=True)
    raise Refusal("link.private")


# -- a code --------------------------------------------------------------------------------------


def _new(ctx: Context) -> Reply:
    """Give a new code."""
    member = ctx.member
    case = Case(same=False, mine=_lately(ctx, member.id), others=0, parted=None)
    why = forbids(case, ctx.now)
    if why is not None:
        raise _refusal(ctx, why)
    code = new_code(ctx.rng)
    linkcodes.make(ctx.tx, ctx.programme.id, member.id, code_hash(code), ctx.now + CODE_LIFE)
    minutes = int(CODE_LIFE.total_seconds() // 60)
    return ctx.say("link.code", name=ctx.name, code=code, minutes=minutes)


def _typed(ctx: Context) -> Reply:
    """Show what a code would bind, and ask. What is wrong is counted, so it is no refusal."""
    tx, programme_id, member = ctx.tx, ctx.programme.id, ctx.member
    code = read_code(ctx.args)
    if code is None:
        raise Refusal("link.usage", name=ctx.name)
    if linkcodes.tries(tx, programme_id, member.id, ctx.now) >= TRIES_PER_HOUR:
        raise Refusal("link.tries", name=ctx.name, tries=TRIES_PER_HOUR)
    tried = linkcodes.note_try(tx, programme_id, member.id, ctx.now)
    found = linkcodes.find(tx, programme_id, code_hash(code))
    if found is None:
        key = "link.elsewhere" if linkcodes.anywhere(tx, code_hash(code)) else "link.wrong"
        return ctx.say(key, name=ctx.name, left=max(0, TRIES_PER_HOUR - tried))
    why = (
        _unusable(ctx, found)
        or forbids(_case(ctx, found), ctx.now)
        or _hindered(ctx, found.member_id)
    )
    if why is not None:
        return ctx.say(why, **_values(ctx))
    return _ask(ctx, found, code)


def _hindered(ctx: Context, other: int) -> str | None:
    """Return what about the two hinders it, as the key of the text; None for nothing."""
    why = uniting.hinders(ctx.tx, _act(ctx), other, ctx.member.id)
    return _HINDERED[why] if why else None


def _unusable(ctx: Context, code: Code) -> str | None:
    """Return why a code cannot be used, as the key of the text; None when it can."""
    if code.state != linkcodes.OPEN:
        return "link.used" if code.state == linkcodes.USED else "link.void"
    return "link.expired" if ctx.now >= code.due else None


def _case(ctx: Context, code: Code) -> Case:
    tx, programme_id, mine, other = ctx.tx, ctx.programme.id, ctx.member.id, code.member_id
    return Case(
        same=mine == other,
        mine=_lately(ctx, mine),
        others=_lately(ctx, other),
        parted=bindings.parted(tx, programme_id, mine, other),
    )


def _lately(ctx: Context, member_id: int) -> int:
    return bindings.count(ctx.tx, ctx.programme.id, member_id, ctx.now - BINDINGS_WITHIN)


def _ask(ctx: Context, code: Code, words: str) -> Reply:
    mine, other = ctx.member.id, code.member_id
    ctx.tx.books.load(ctx.tx, ctx.programme.id, POINTS, {mine, other})  # in the order of all
    survivor, bound = _side(ctx, other), _side(ctx, mine)
    yes = Button(ctx.texts.say("button.link_yes"), f"link yes {words}")
    no = Button(ctx.texts.say("button.link_no"), f"link no {words}")
    lines = [
        ctx.texts.say("link.ask", name=bound.name, survivor=survivor.name),
        *(_line(ctx, side) for side in (survivor, bound)),
        ctx.texts.say("link.means", survivor=survivor.name),
    ]
    return Reply("\n".join(lines), ((yes, no),), alone=True)


def _side(ctx: Context, member_id: int) -> _Side:
    name = isolate(members.name(ctx.tx, ctx.programme.id, member_id))
    return _Side(member_id, name, ledger.account(ctx.tx, ctx.programme.id, member_id))


def _line(ctx: Context, side: _Side) -> str:
    has = side.has
    streak = streak_now(has.checkin_day, has.streak, ctx.today)
    more = ctx.texts.say("link.debt", debt=-has.debt) if has.debt else ""
    aside = has.pending + has.held
    more += ctx.texts.say("link.aside", points=aside) if aside else ""
    points = has.available
    return ctx.texts.say("link.side", name=side.name, points=points, streak=streak) + more


# -- binding and parting -------------------------------------------------------------------------


def _pressed(ctx: Context) -> Reply:
    """Carry out a button under a question: for the one whose account is to be bound."""
    mine = ctx.member.id
    found = _PRESSED.fullmatch(ctx.args)
    if found is None or not ctx.event.genuine:
        raise Refusal("link.gone", name=ctx.name)
    press, hashed = found[1], code_hash(found[2])
    if press == "no":
        linkcodes.void(ctx.tx, hashed)
        return Reply(ctx.texts.say("link.no", name=ctx.name), replaces=True)
    code = linkcodes.find(ctx.tx, ctx.programme.id, hashed)
    if code is None:
        raise Refusal("link.gone", name=ctx.name)
    why = _unusable(ctx, code)
    if why is None and code.member_id != mine:
        pair = pairs.lock(ctx.tx, _act(ctx), code.member_id, mine)
        why = forbids(_case(ctx, code), ctx.now)  # as it is now, and stays
        why = why or _hindered(ctx, code.member_id)
        if why is None and linkcodes.use(ctx.tx, ctx.programme.id, hashed, ctx.now):
            joining.bind(pair)
            return _told(ctx, "link.done", code.member_id)
        why = why or "link.used"
    raise _refusal(ctx, why or "link.own")


def _undo(ctx: Context) -> Reply:
    """Part again what was bound last."""
    known = bindings.last(ctx.tx, ctx.programme.id, ctx.member.id)
    if known is None:
        raise Refusal("link.nothing", name=ctx.name)
    if ctx.event.at >= parting.until(known):
        raise Refusal("link.too_late", name=ctx.name)
    parting.part(ctx.tx, _act(ctx), known)
    sides = (_side(ctx, each) for each in (known.survivor_id, known.bound_id))
    lines = [ctx.texts.say("link.undone"), *(_line(ctx, side) for side in sides)]
    return Reply("\n".join([*lines, ctx.texts.say("link.apart_now", days=APART.days)]))


def _told(ctx: Context, key: str, member_id: int) -> Reply:
    side = _side(ctx, member_id)
    text = "\n".join([ctx.texts.say(key, survivor=side.name), _line(ctx, side)])
    return Reply(f"{text}\n{ctx.texts.say('link.undo_hint')}", replaces=True)


def _act(ctx: Context) -> Act:
    return Act(ctx.programme.id, ctx.rules, ctx.actor, ctx.event.at, ctx.today)


def _refusal(ctx: Context, key: str) -> Refusal:
    return Refusal(key, **_values(ctx))


def _values(ctx: Context) -> dict[str, Any]:
    return {
        "name": ctx.name,
        "most": BINDINGS_MAX,
        "days": APART.days,
        "within": BINDINGS_WITHIN.days,
    }
