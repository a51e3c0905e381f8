"""What was found about members, shown to an owner in private: he says whether it is so."""

import re
from collections.abc import Iterator

from content.message import Button, Refusal, Reply
from content.names import isolate
from content.texts import texts
from handlers import evidence
from handlers.context import Context
from handlers.router import Router
from storage import credit, direct, findings, ledger, reviews
from storage.findings import CLEARED, CONFIRMED, DecidedError, Finding, Verdict

router = Router()
_PRESSED = re.compile(r"(yes|no|next) ([0-9]{1,19})")
_DONE: dict[str, str] = {CONFIRMED: "risk.confirmed", CLEARED: "risk.cleared"}
_ANSWERS = {CONFIRMED: "credit.answer_confirmed", CLEARED: "credit.answer_cleared"}
_ID_END = 2**63
_VERDICTS: dict[str, Verdict] = {"yes": CONFIRMED, "no": CLEARED}


@router.command("risk", "风控", english=("risk",))
def risk(ctx: Context) -> Reply:
    """Owners: look at what seems to be cheating, and decide."""
    if ctx.event.sender.role != "owner":
        raise Refusal("risk.owner")
    if ctx.event.chat.kind != "private":
        raise Refusal("risk.private")
    if ctx.event.kind != "tap":
        return _next(ctx, 0)
    pressed = _PRESSED.fullmatch(ctx.args)
    if pressed is None or not ctx.event.genuine:
        raise Refusal("risk.gone")
    number = min(int(pressed[2]), _ID_END - 1)
    if pressed[1] == "next":
        return _next(ctx, number, again=True)
    return _decide(ctx, number, _VERDICTS[pressed[1]])


def _decide(ctx: Context, number: int, verdict: Verdict) -> Reply:
    by = f"{ctx.event.platform}:{ctx.event.sender.id}"[:100]
    before = findings.get(ctx.tx, ctx.programme.id, number)
    try:
        done = findings.decide(ctx.tx, ctx.programme, number, verdict, by=by, now=ctx.now)
    except DecidedError:
        raise Refusal("risk.decided") from None
    if before is not None and before.waits and done.appeal:
        _answer(ctx, done)
    name = isolate(done.name)
    line = ctx.texts.say(_DONE[verdict], name=name, taken=max(0, done.taken))
    following = _next(ctx, 0)
    return Reply(f"{line}\n\n{following.text}", following.buttons, replaces=True)


def _answer(ctx: Context, done: Finding) -> None:
    """Tell a member what has become of his words."""
    chats = direct.chats(ctx.tx, ctx.programme.id, done.member_id)
    words = texts(chats[0].locale) if chats and chats[0].locale else texts(ctx.programme.locale)
    ctx.whisper(done.member_id, Reply(words.say(_ANSWERS[done.state])))


def _next(ctx: Context, after: int, *, again: bool = False) -> Reply:
    """Show the next finding that waits; after the last the first one again."""
    tx, here = ctx.tx, ctx.programme.id
    some = findings.waiting(tx, here, after=after, most=1)
    some = some or findings.waiting(tx, here, most=1)
    if not some:
        return Reply(ctx.texts.say("risk.none"), replaces=again)
    shown = some[0]
    yes, no, on = (
        Button(ctx.texts.say(label), f"risk {press} {shown.id}")
        for label, press in (
            ("button.risk_yes", "yes"),
            ("button.risk_no", "no"),
            ("button.risk_next", "next"),
        )
    )
    return Reply("\n".join(_lines(ctx, shown)), ((yes, no), (on,)), replaces=again, alone=True)


def _lines(ctx: Context, shown: Finding) -> Iterator[str]:
    say, here = ctx.texts.say, ctx.programme.id
    yield say("risk.head", name=isolate(shown.name), n=findings.count(ctx.tx, here))
    yield evidence.told(ctx, shown)
    has = ledger.account(ctx.tx, here, shown.member_id)
    yield say(
        "risk.effect",
        day=evidence.day(ctx, shown),
        lost=credit.taken_by(ctx.tx, here, shown.member_id, shown.id),
        score=credit.standing(ctx.rules, has).score,
    )
    held = reviews.points_of_finding(ctx.tx, here, shown.id)
    if held:
        yield say("risk.held", points=held)
    if shown.state == CONFIRMED:
        yield say("risk.was_confirmed", taken=shown.taken)
    if shown.appeal:
        yield say("risk.appeal", words=isolate(shown.appeal))
    yield say("risk.what_happens")
