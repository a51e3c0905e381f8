"""Coming in: who joins is noted and greeted, who asks to join is let in, or asked a question."""

from datetime import datetime, timedelta

from content.message import LetIn, Quiet
from handlers import greeting, invites, verifying
from handlers.context import Context
from handlers.router import Router
from storage import arrivals, habits, members, outbox, programmes, questions, referrals
from storage.members import Member

router = Router()

QUIET_MIN = timedelta(seconds=60)
"""Nobody is made quiet for less: Telegram takes an end within half a minute for no end at all."""


@router.on("joined")
def joined(ctx: Context) -> None:
    """Note who has come; greet him, unless that was just now, or too many come at once."""
    if ctx.group is None or ctx.event.sender.kind != "person":
        return
    known = members.find(ctx.tx, ctx.programme.id, ctx.event.who, ctx.group.id)
    if known is not None and known.state == "active":
        # Telegram tells it twice, the second time with the link; or he has spoken before it did
        invites.came(ctx, known, new=False)
        return
    member = members.take_in(
        ctx.tx,
        ctx.programme.id,
        ctx.group.id,
        ctx.event.who,
        ctx.now,
        known=known,
        asks=ctx.rules.welcome.asks,
    )
    member = _verified_before(ctx, member)
    at = min(ctx.event.at, ctx.now)
    late = ctx.now - at > greeting.FRESH or ctx.group.state != programmes.ACTIVE
    arrivals.note(
        ctx.tx,
        ctx.programme.id,
        ctx.group.id,
        member.id,
        at=at,
        back=known is not None and known.state is not None,
        due=None if late else ctx.now + timedelta(seconds=ctx.rules.welcome.bundle_s),
        quiet=_quieten(ctx, member, at),
    )
    invites.came(ctx, member, new=known is None)
    source = referrals.source(ctx.tx, ctx.programme.id, member.id)
    if source:
        arrivals.came_by(ctx.tx, ctx.programme.id, ctx.group.id, member.id, source)
    if not _raid(ctx) and not late:
        greeting.greet(ctx.tx, ctx.programme, ctx.group, ctx.now)


def _verified_before(ctx: Context, member: Member) -> Member:
    """Let count what he has answered when he asked to join."""
    assert ctx.group is not None
    if not member.open:
        return member
    way = questions.passed(ctx.tx, ctx.programme.id, ctx.group.id, ctx.event.who, ctx.now)
    if not way:
        return member
    members.verify(ctx.tx, ctx.programme.id, member.id, way, ctx.now)
    return member._replace(verified=way)


def _quieten(ctx: Context, member: Member, at: datetime) -> datetime | None:
    """Let who still has to show that he is a person read only; return until when."""
    assert ctx.group is not None
    rules = ctx.rules.welcome
    until = at + timedelta(minutes=rules.verify_min)
    if not (rules.quiet and rules.asks and member.open) or until - ctx.now < QUIET_MIN:
        return None
    outbox.do(
        ctx.tx,
        programme_id=ctx.programme.id,
        platform=ctx.event.platform,
        chat_id=ctx.group.chat_id,
        action=Quiet("welcome", ctx.event.sender.id, until),
        now=ctx.now,
        life=until - ctx.now - QUIET_MIN / 2,
    )
    return until


def _raid(ctx: Context) -> bool:
    """Whether more come, or ask to, than can be welcome; its beginning is told to the owners."""
    assert ctx.group is not None
    rules = ctx.rules.welcome
    since = ctx.now - timedelta(seconds=rules.raid_s)
    most = rules.raid_joins + 1
    rush = arrivals.rush(ctx.tx, ctx.programme.id, ctx.group.id, since=since, most=most)
    if rush.raid or rush.came <= rules.raid_joins:
        return rush.raid
    until = ctx.now + timedelta(minutes=rules.raid_rest_min)
    if arrivals.begin_raid(ctx.tx, ctx.programme.id, ctx.group.id, since=since, until=until):
        ctx.tell_owners(
            "welcome.raid",
            group=ctx.group.title,
            count=rules.raid_joins,
            seconds=rules.raid_s,
            minutes=rules.raid_rest_min,
        )
    return True


@router.on("join_request")
def join_request(ctx: Context) -> None:
    """Let in who asks to join, or ask him first, or leave him to the administrators."""
    if ctx.group is None or ctx.event.sender.kind != "person":
        return
    invites.asked(ctx)
    requests = ctx.rules.welcome.requests
    if requests == "owner" or ctx.group.state != programmes.ACTIVE or _raid(ctx):
        return
    if requests == "ask" and not _known(ctx):
        verifying.ask_to_join(ctx)
        return
    outbox.do(
        ctx.tx,
        programme_id=ctx.programme.id,
        platform=ctx.event.platform,
        chat_id=ctx.group.chat_id,
        action=LetIn("welcome", ctx.event.sender.id),
        now=ctx.now,
    )


def _known(ctx: Context) -> bool:
    """Whether a verified member of other groups asks; who has left this one is asked again."""
    assert ctx.group is not None
    known = members.find(ctx.tx, ctx.programme.id, ctx.event.who, ctx.group.id)
    return known is not None and not known.open and known.state is None


@router.did("welcome")
def refused(ctx: Context) -> None:
    """Tell the owners, once a day, what the platform does not let the bot do."""
    if not ctx.event.refused or ctx.group is None:
        return
    if arrivals.first_refusal(ctx.tx, ctx.programme.id, ctx.group.id, ctx.now):
        ctx.tell_owners("welcome.refused", group=ctx.group.title, why=ctx.event.refused)


@router.on("left")
def left(ctx: Context) -> None:
    """Note who has gone: points stay, but are out of reach until the member is back."""
    if ctx.group is None:
        return
    known = members.find(ctx.tx, ctx.programme.id, ctx.event.who, ctx.group.id)
    if known is not None:
        how = invites.going(ctx, known.id)
        members.leave(ctx.tx, ctx.programme.id, ctx.group.id, known.id)
        invites.gone(ctx, how)
        habits.note(ctx.tx, ctx.programme.id, known.id, ctx.today, "left")
