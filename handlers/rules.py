"""The rules in force, as members read them, rendered from the rule document."""

from collections.abc import Iterator

from content.earning import Deed, earned, multiplier, of_quest
from content.message import Reply
from content.questrules import hidden
from content.referral import worth
from content.rulebook import EarnRule, Visibility, exact
from handlers import invites
from handlers.context import Context
from handlers.router import Router

router = Router()
SEPARATOR = " · "
_QUESTS = {
    "new": "rules.quest_new",
    "day": "rules.quest_day",
    "week": "rules.quest_week",
    "month": "rules.quest_month",
    "year": "rules.quest_year",
    "once": "rules.quest_once",
}
"""What is said of quests, by when they are."""
_SEEN: dict[Visibility, str] = {
    "public": "rules.seen_public",
    "members": "rules.seen_members",
    "private": "rules.seen_private",
}


@router.command("rules", "规则", "积分规则", english=("rules",))
def rules(ctx: Context) -> Reply:
    """Show the rules in force here."""
    if ctx.event.kind == "tap" and ctx.args == "mine":
        return _privately(ctx)
    return _rules(ctx)


def _privately(ctx: Context) -> Reply:
    """Show them to the presser alone: in his private chat with the bot, else in short."""
    if ctx.person is not None and ctx.whisper(ctx.person.id, _rules(ctx)):
        return ctx.say("rules.sent", private=True)
    points = sum(part.points for part in earned(ctx.rules, Deed(event="checkin")))
    cap = ctx.rules.programme.caps.earn_per_day
    every = ctx.rules.checkin.streak.every
    return ctx.say("rules.short", points=points, every=every, cap=cap, private=True)


def _rules(ctx: Context) -> Reply:
    lines = (
        *_checkin(ctx),
        *_activity(ctx),
        *_earn(ctx),
        *_newcomers(ctx),
        *_levels(ctx),
        *_perks(ctx),
        *_rebate(ctx),
        *_quests(ctx),
        *_gifts(ctx),
        *_credit(ctx),
        *_invites(ctx),
        *_keeping(ctx),
    )
    return Reply("\n".join(lines), ctx.row("checkin", "points", "top week"))


def _checkin(ctx: Context) -> Iterator[str]:
    say, checkin = ctx.texts.say, ctx.rules.checkin
    since = ctx.programme.rules_since.astimezone(ctx.programme.zone)
    yield say("rules.head", version=ctx.programme.rules_version, since=f"{since:%Y-%m-%d}")
    yield say(
        "rules.checkin",
        points=sum(part.points for part in earned(ctx.rules, Deed(event="checkin"))),
        every=checkin.streak.every,
        percent=round(checkin.streak.bonus * 100),
        bonus=sum(part.points for part in earned(ctx.rules, Deed(event="checkin", streak=True))),
    )
    makeup = checkin.makeup
    if makeup.max_per_month:
        key = "rules.makeup_free" if makeup.free_per_month else "rules.makeup"
        if makeup.free_per_month == makeup.max_per_month or not makeup.price:
            key = "rules.makeup_all_free"
        yield say(
            key,
            window=makeup.window_days,
            free=makeup.free_per_month,
            most=makeup.max_per_month,
            price=makeup.price,
            gap=makeup.gap_days_max,
        )


def _activity(ctx: Context) -> Iterator[str]:
    points = sum(part.points for part in earned(ctx.rules, Deed(event="activity")))
    if points:
        most = ctx.rules.programme.caps.activity_per_day
        yield ctx.texts.say("rules.activity", points=points, most=most)


def _earn(ctx: Context) -> Iterator[str]:
    for rule in ctx.rules.earn:
        if ctx.event.platform not in rule.platforms_off:
            line = ctx.texts.say("rules.earn", what=_what(ctx, rule), points=_worth(ctx, rule))
            most = rule.limit and ctx.texts.say(f"per.{rule.limit.per}", n=rule.limit.n)
            yield f"{line}{most or ''}"


def _what(ctx: Context, rule: EarnRule) -> str:
    """Return what is to be done: in the operator's words, else in ours."""
    return rule.called(ctx.texts.locale) or ctx.texts.say(f"earn.{rule.event.replace('.', '_')}")


def _worth(ctx: Context, rule: EarnRule) -> str:
    """Return what a rule pays."""
    factor = multiplier(ctx.rules, rule, Deed(event=rule.event))
    if rule.points is not None:
        return ctx.texts.say("rules.points", points=int(rule.points * factor))
    rate = float(exact(rule.per_yuan or 0) * factor)
    return ctx.texts.say("rules.per_yuan", points=f"{rate:g}")


def _newcomers(ctx: Context) -> Iterator[str]:
    """Tell what is different for who is new."""
    welcome, say = ctx.rules.welcome, ctx.texts.say
    if welcome.asks:
        yield say("rules.verify")
    if welcome.doubles:
        names = [f"kind.{kind}" for kind in welcome.double_categories]
        kinds = [say(n) if n in ctx.texts else n.removeprefix("kind.") for n in names]
        factor = f"{welcome.double:g}"
        what = SEPARATOR.join(kinds)
        yield say("rules.first_days", days=welcome.double_days, what=what, factor=factor)


def _levels(ctx: Context) -> Iterator[str]:
    """Tell from which points on which level multiplies by what."""
    steps = [
        ctx.texts.say(
            "rules.level",
            level=level.called(ctx.texts.locale),
            points=level.min,
            factor=f"{level.multiplier:g}",
        )
        for level in ctx.rules.level[1:]
    ]
    if steps:
        days = ctx.rules.levels.window_days
        yield ctx.texts.say("rules.levels", days=days, steps=SEPARATOR.join(steps))


def _perks(ctx: Context) -> Iterator[str]:
    """Tell what a level brings besides."""
    for level in ctx.rules.level:
        perks = SEPARATOR.join(ctx.texts.say(f"perk.{perk}") for perk in level.perks)
        if perks:
            name = level.called(ctx.texts.locale)
            yield ctx.texts.say("rules.perks", level=name, perks=perks)


def _rebate(ctx: Context) -> Iterator[str]:
    """Tell what of a month's spending comes back, into which wallet."""
    rules = ctx.rules.rebate
    steps = [
        ctx.texts.say("rules.step", yuan=step.from_yuan, percent=f"{step.pct:g}")
        for step in rules.steps
        if step.pct
    ]
    names = (each.called(ctx.texts.locale) for each in ctx.rules.wallet if each.id == rules.wallet)
    wallet = next(names, "")
    if steps and wallet:
        yield ctx.texts.say("rules.rebate", wallet=wallet, steps=SEPARATOR.join(steps))


def _quests(ctx: Context) -> Iterator[str]:
    """Tell which quests there are, but for those that others unlock."""
    known = ctx.rules.quest
    unseen = hidden(known)
    shown = [
        ctx.texts.say(
            _QUESTS["new" if quest.within_days else quest.period or "once"],
            quest=quest.called(ctx.texts.locale),
            points=sum(part.points for part in of_quest(ctx.rules, quest, None)),
            days=quest.within_days or 0,
        )
        for quest in known
        if quest.id not in unseen
    ]
    if shown:
        yield ctx.texts.say("rules.quests", quests=SEPARATOR.join(shown))


def _gifts(ctx: Context) -> Iterator[str]:
    """Tell what members may give each other."""
    gift = ctx.rules.redeem.gift
    if not gift.allowed:
        return
    yield ctx.texts.say(
        "rules.gift", times=gift.per_day_n, most=gift.per_day_points, hours=gift.expires_h
    )
    if gift.account_days_min:
        yield ctx.texts.say("rules.gift_days", days=gift.account_days_min)


def _credit(ctx: Context) -> Iterator[str]:
    """Tell that everybody has credit, and from where on points count less."""
    rules = ctx.rules.credit
    if rules.watch and rules.weights:
        yield ctx.texts.say("rules.credit", start=rules.start, below=rules.weights[0].below)


def _invites(ctx: Context) -> Iterator[str]:
    """Tell what an invitation brings, when it is taken back, and what many bring."""
    ours = ctx.rules.referral
    inviter, invitee = worth(ctx.rules, ours.inviter), worth(ctx.rules, ours.invitee)
    if ctx.event.platform in ours.platforms_off or not inviter + invitee:
        return
    yield ctx.texts.say(
        "rules.invite",
        days=ours.stay_days,
        proof=invites.proofs(ctx, ctx.programme),
        inviter=inviter,
        invitee=invitee,
    )
    most = ctx.rules.programme.caps.invite_per_day
    yield ctx.texts.say("rules.invite_most", day=most, month=ours.per_month)
    if ours.clawback.leave_within_days:
        yield ctx.texts.say("rules.invite_back", days=ours.clawback.leave_within_days)
    steps = [
        ctx.texts.say(
            "rules.ladder_step",
            n=rung.n,
            what=ctx.texts.say("rules.points", points=rung.points)
            if rung.points
            else rung.called(ctx.texts.locale),
        )
        for rung in ours.ladder
    ]
    if steps:
        yield ctx.texts.say("rules.ladder", steps=SEPARATOR.join(steps))


def _keeping(ctx: Context) -> Iterator[str]:
    """Tell how much a day, from when, and until when."""
    say, programme = ctx.texts.say, ctx.rules.programme
    yield say("rules.cap", points=programme.caps.earn_per_day)
    if programme.pending_days and any(rule.per_yuan for rule in ctx.rules.earn):
        yield say("rules.pending", days=programme.pending_days)
    yield say(f"expiry.{programme.expiry.base}", days=programme.expiry.base_days)
    yield say("rules.day", zone=ctx.programme.zone.key)
    yield say(_SEEN[ctx.rules.privacy.visibility])
    yield say("rules.who")
