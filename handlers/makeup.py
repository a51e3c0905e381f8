"""Make up for a missed day: it counts for the streak, pays nothing, and costs points after a while.

Nobody pays by mistake: what costs points is done only with its price in the command, as the
button that shows the price has it.
"""

import re
from datetime import date, timedelta

from content.checkin import Repair, makeup_days, makeup_price, makeup_worthwhile
from content.message import Button, Buttons, Refusal, Reply
from content.names import clean_name, isolate
from handlers.badges import with_badges
from handlers.context import Context
from handlers.router import Router
from storage import badges, checkins, ledger
from storage.movement import PROGRAMME, InsufficientError, Posting, Side

router = Router()
BUTTONS_MAX, BUTTONS_PER_ROW = 6, 2
SOON = timedelta(days=90)
WORTH_AN_OFFER = 2
"""Days in a row that a member had before the gap, from which a repair is offered unasked."""
_DAY_WORD = r"昨天|(?:(\d{4})[-/.年])?(\d{1,2})[-/.月](\d{1,2})[日号]?"
_ARGS = re.compile(rf"(?P<day>yesterday|{_DAY_WORD})(?: (?P<price>\d{{1,7}}))?", re.IGNORECASE)


@router.command("makeup", "补签", glued=_DAY_WORD)
def makeup(ctx: Context) -> Reply:
    """Repair a missed day, so that it counts for the streak."""
    member = ctx.member
    rules = ctx.rules.checkin.makeup
    # locks the account, so that of two repairs at once the second one knows of the first
    has = ledger.account(ctx.tx, ctx.programme.id, member.id)
    days = checkins.days(ctx.tx, ctx.programme.id, member.id)
    used = checkins.repairs(ctx.tx, ctx.programme.id, member.id, ctx.today)
    if not ctx.args:
        return _choice(ctx, days, used)
    day, agreed = _asked(ctx)
    if day in days:
        raise Refusal("makeup.known", name=ctx.name, day=_words(day), buttons=ctx.row("checkin"))
    if day > ctx.today:
        raise Refusal("makeup.future", name=ctx.name, day=_words(day), buttons=ctx.row("checkin"))
    if day < ctx.today and not any(each < day for each in days):
        raise Refusal("makeup.before_first", name=ctx.name, day=_words(day))
    if day not in makeup_days(rules, days, ctx.today):
        raise Refusal(
            "makeup.too_late" if day < ctx.today else "makeup.not_missed",
            name=ctx.name,
            day=_words(day),
            window=rules.window_days,
            gap=rules.gap_days_max,
            buttons=ctx.row("makeup"),
        )
    price = makeup_price(rules, used)
    if price is None:
        raise Refusal("makeup.no_more", name=ctx.name, most=rules.max_per_month)
    if price > has.available:
        raise _unpaid(ctx, price)
    if price > agreed:
        buttons = ((_button(ctx, day, price),),)
        return ctx.say("makeup.costs", name=ctx.name, day=_words(day), price=price, buttons=buttons)
    return _repair(ctx, day, price)


def offer(ctx: Context, before: date | None) -> tuple[str, Buttons]:
    """Return a line with a button when today's check-in came just too late for a streak.

    `before` is the check-in before today's. Nothing ('' and no buttons) where there was no streak
    to speak of, it is out of reach, or the member cannot pay for it.
    """
    rules = ctx.rules.checkin.makeup
    missed = (ctx.today - before).days - 1 if before else 0
    if not 1 <= missed <= rules.gap_days_max:
        return "", ()
    programme_id, member_id = ctx.programme.id, ctx.member.id
    days = checkins.days(ctx.tx, programme_id, member_id)
    used = checkins.repairs(ctx.tx, programme_id, member_id, ctx.today)
    found = makeup_worthwhile(rules, days, ctx.today, used)
    if found is None or found.streak - len(found.days) - 1 < WORTH_AN_OFFER:
        return "", ()
    if found.price > ledger.account(ctx.tx, programme_id, member_id).available:
        return "", ()
    first = _button(ctx, found.days[0], makeup_price(rules, used) or 0)
    return _promise(ctx, "makeup.offer", found), ((first,),)


def _choice(ctx: Context, days: set[date], used: int) -> Reply:
    """Show what can be repaired, at what price, and what it would bring."""
    rules = ctx.rules.checkin.makeup
    missed = makeup_days(rules, days, ctx.today)
    if not missed:
        lately = (ctx.today - timedelta(days=ago + 1) for ago in range(rules.window_days))
        lost = any(min(days, default=ctx.today) < day and day not in days for day in lately)
        key = "makeup.gap" if lost else "makeup.nothing"
        raise Refusal(key, name=ctx.name, gap=rules.gap_days_max, buttons=ctx.row("checkin"))
    price = makeup_price(rules, used)
    if price is None:
        raise Refusal("makeup.no_more", name=ctx.name, most=rules.max_per_month)
    lines = [
        ctx.texts.say("makeup.head", name=ctx.name, days=_list(missed)),
        ctx.texts.say("makeup.price" if price else "makeup.free", price=price)
        + ctx.texts.say("makeup.left", left=rules.max_per_month - used),
    ]
    found = makeup_worthwhile(rules, days, ctx.today, used)
    if found is not None:
        lines.append(_promise(ctx, "makeup.promise", found))
    shown = (found.days if found else missed)[-BUTTONS_MAX:]
    # one after the other: the free ones come first, and a press never takes more than is shown
    prices = (makeup_price(rules, used + number) for number in range(len(shown)))
    pairs = zip(shown, prices, strict=True)
    buttons = [_button(ctx, day, price) for day, price in pairs if price is not None]
    rows = range(0, len(buttons), BUTTONS_PER_ROW)
    # a tap is answered without buttons where only the presser sees it, and these are the point
    return Reply(
        "\n".join(lines),
        tuple(tuple(buttons[n : n + BUTTONS_PER_ROW]) for n in rows),
        private=ctx.event.kind != "tap",
    )


def _repair(ctx: Context, day: date, price: int) -> Reply:
    programme_id, member_id = ctx.programme.id, ctx.member.id
    streak = checkins.repair(ctx.tx, programme_id, member_id, day, ctx.today, ctx.now)
    if streak is None:  # a check-in of that day, late, came this very moment
        raise Refusal("makeup.known", name=ctx.name, day=_words(day), buttons=ctx.row("checkin"))
    if price:
        _pay(ctx, day, price)
    new = badges.checked_in(ctx.tx, ctx.programme, member_id, ctx.member.streak, ctx.today)
    reply = ctx.say(
        "makeup.done_paid" if price else "makeup.done",
        name=ctx.name,
        day=_words(day),
        price=price,
        streak=streak,
        balance=ledger.account(ctx.tx, programme_id, member_id).available,
        buttons=ctx.row("checkin", "points"),
        private=True,
    )
    return with_badges(ctx, reply, new)


def _pay(ctx: Context, day: date, price: int) -> None:
    posting = Posting(
        programme_id=ctx.programme.id,
        key=f"{day}/makeup/{ctx.member.id}",
        source=Side(ctx.member.id, "available"),
        target=Side(PROGRAMME, "redeemed"),
        amount=price,
        reason="makeup",
        rule="makeup",
        rule_version=ctx.programme.rules_version,
        actor=ctx.actor,
        at=ctx.event.at,
        day=ctx.today,
    )
    try:
        ledger.post(ctx.tx, posting, fresh=True)
    except InsufficientError:  # some of what was there has expired
        raise _unpaid(ctx, price) from None


def _unpaid(ctx: Context, price: int) -> Refusal:
    has = ledger.account(ctx.tx, ctx.programme.id, ctx.member.id)
    buttons = ctx.row("checkin", "points")
    if has.debt:
        return Refusal("makeup.debt", name=ctx.name, debt=-has.debt, buttons=buttons)
    balance = has.available
    return Refusal("makeup.short", name=ctx.name, price=price, balance=balance, buttons=buttons)


def _asked(ctx: Context) -> tuple[date, int]:
    """Return the day that is meant and the price that was agreed to. Refuses other words."""
    found = _ARGS.fullmatch(ctx.args)
    day = _day(found, ctx.today) if found else None
    if found is None or day is None:
        given = isolate(clean_name(ctx.args[:20], fallback="…"))
        yesterday = _words(ctx.today - timedelta(days=1))
        raise Refusal("makeup.usage", given=given, example=yesterday, buttons=ctx.row("makeup"))
    return day, int(found["price"] or 0)


def _day(found: re.Match[str], today: date) -> date | None:
    """Return the day of a word: without a year the nearest past one, unless it is soon to come.

    None for no day.
    """
    year, month, number = found.group(2), found.group(3), found.group(4)
    if not month:
        return today - timedelta(days=1)
    for guess in (int(year),) if year else (today.year, today.year - 1):
        try:
            day = date(guess, int(month), int(number))
        except ValueError:
            continue
        if year or day <= today + SOON:
            return day
    return None


def _button(ctx: Context, day: date, price: int) -> Button:
    key = "button.makeup_paid" if price else "button.makeup_free"
    label = ctx.texts.say(key, day=_words(day), price=price)
    return Button(label, f"makeup {_words(day)} {price}")


def _promise(ctx: Context, key: str, found: Repair) -> str:
    price = ctx.texts.say("makeup.in_all" if found.price else "makeup.gratis", price=found.price)
    return ctx.texts.say(key, days=_list(found.days), price=price, streak=found.streak)


def _list(days: tuple[date, ...]) -> str:
    return " · ".join(_words(day) for day in days)


def _words(day: date) -> str:
    return f"{day:%m-%d}"
