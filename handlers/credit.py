"""A member's own credit, told to him alone: the score, why, what it means, and his own word."""

from collections.abc import Iterator

from content.credit import APPEAL_MAX, next_rise
from content.message import Button, Refusal, Reply
from content.names import clean_name, plain_words
from handlers import evidence
from handlers.context import Context
from handlers.router import Router
from storage import credit, findings, ledger
from storage.findings import Finding

router = Router()
SEPARATOR = " · "
SHOWN = 5
"""How many findings are told, the newest."""


@router.command("credit", "信用", "信用分", english=("my credit",))
def show(ctx: Context) -> Reply:
    """Show your credit score, and why it is what it is."""
    _alone(ctx)
    member = ctx.member
    found = findings.of_member(ctx.tx, ctx.programme.id, member.id)[:SHOWN]
    buttons = tuple(
        (Button(ctx.texts.say("button.appeal", day=evidence.day(ctx, each)), f"appeal {each.id}"),)
        for each in found
        if not each.appeal
    )
    return Reply("\n".join(_lines(ctx, found)), buttons)


@router.command("appeal", "申诉", glued=r"[\s:：，,].*")
def appeal(ctx: Context) -> Reply:
    """Say what you think of something in your credit: /appeal and your words."""
    _alone(ctx)
    member = ctx.member
    found = findings.of_member(ctx.tx, ctx.programme.id, member.id)
    open_ = [each for each in found if not each.appeal]
    if not open_:
        raise Refusal("credit.nothing" if not found else "credit.appealed_already", name=ctx.name)
    if ctx.event.kind == "tap":
        return _asked(ctx, open_)
    number, words = _meant(ctx.args, open_)
    words = clean_name(words, fallback="", most=APPEAL_MAX)
    if not words or ctx.event.secondhand:
        return _asked(ctx, open_)
    if not findings.appeal(ctx.tx, ctx.programme.id, member.id, number, words):
        raise Refusal("credit.appealed_already", name=ctx.name)
    return ctx.say("credit.handed_on", name=ctx.name, buttons=ctx.row("credit"))


def _alone(ctx: Context) -> None:
    """Refuse to speak of somebody's credit where others listen."""
    if ctx.event.chat.kind != "private":
        raise Refusal("credit.private", name=ctx.name)


def _asked(ctx: Context, found: list[Finding]) -> Reply:
    """Ask for a member's words about one finding, by the button that he has pressed, if any."""
    chosen = next((each for each in found if ctx.args == f"{each.id}"), found[0])
    what = evidence.told(ctx, chosen)
    number = found.index(chosen) + 1
    key = "credit.ask" if number == 1 else "credit.ask_numbered"
    return ctx.say(key, what=what, n=number, most=APPEAL_MAX)


def _meant(args: str, found: list[Finding]) -> tuple[int, str]:
    """Return which finding is meant, and the words: the newest, or one by its place."""
    words = plain_words(args).lstrip(":：，, ")
    head, _, rest = words.partition(" ")
    place = int(head) if len(head) == 1 and "1" <= head <= "9" else 0
    if place and rest and place <= len(found):
        return found[place - 1].id, rest
    return found[0].id, words


def _lines(ctx: Context, found: list[Finding]) -> Iterator[str]:
    say, rules = ctx.texts.say, ctx.rules.credit
    has = ledger.account(ctx.tx, ctx.programme.id, ctx.member.id)
    now = credit.standing(ctx.rules, has)
    yield say("credit.head", name=ctx.name, score=now.score, start=rules.start)
    if has.watched:
        yield say("credit.watched")
    elif now.multiplier < 1:
        percent = round(now.multiplier * 100)
        yield say("credit.weight" if percent else "credit.nothing_earned", percent=percent)
    else:
        yield say("credit.fine")
    if now.freeze:
        names = [say(f"frozen.{each}") for each in now.freeze]
        yield say("credit.frozen_now", what=SEPARATOR.join(names))
    for each in found:
        state = "appealed" if each.appeal and each.waits else each.state
        yield say(
            "credit.line",
            day=evidence.day(ctx, each),
            what=evidence.told(ctx, each),
            lost=credit.taken_by(ctx.tx, ctx.programme.id, ctx.member.id, each.id),
            state=say(f"credit.{state}"),
        )
    rise = next_rise(rules, has.credit_lost)
    if rise:
        yield say("credit.recover", days=rules.recover.clean_days, points=rise)
        yield say("credit.forget", days=rules.forget_days)
    if any(not each.appeal for each in found):
        yield say("credit.how")
