"""Invitations: a member's link and how it goes, and what becomes of those who follow it."""

import re
from collections.abc import Iterable, Iterator
from datetime import timedelta

from content.message import Button, MakeLink, Refusal, Reply
from content.names import isolate
from content.picture import QrCode
from content.referral import ENTRANCE, MEMBER, Why, read_payload, worth
from content.startlink import start_link
from handlers.context import Context
from handlers.invite_news import ahead
from handlers.router import Router
from storage import (
    invite_codes,
    invite_ladder,
    invite_reports,
    invite_rewards,
    members,
    outbox,
    programmes,
    referrals,
    tombstones,
)
from storage.invite_codes import Code, Way
from storage.members import Member
from storage.programmes import Programme
from storage.referrals import Referral, Touch

router = Router()

JUST_NOW = timedelta(minutes=2)
"""Several messages of the platform tell of one coming, not all of them by which link."""
PAGE = "invite"
"""What a start link carries that opens one's own invitations in private."""
_OWED = {"待发", "owed"}
_LIST_MAX = 20
_PRESSED = re.compile(r"([0-9]{1,19}) ([0-9]{1,6})")
_ID_END = 2**63


@router.command("invite", "邀请", "我的邀请", glued=r"\s+\S.{0,40}", english=("invite friends",))
def invite(ctx: Context) -> Reply | None:
    """Show your link for friends, and what has become of those you invited."""
    words = ctx.args.split()
    if words[:1] == ["done"]:
        return _hand_over(ctx, words[1:])
    if words and words[0] in _OWED:
        return _owed(ctx)
    if words and ctx.group is not None and not ctx.event.addressed:
        return None  # somebody who talks of inviting
    if ctx.event.secondhand:
        return None
    member = ctx.member
    if ctx.event.platform in ctx.rules.referral.platforms_off:
        raise Refusal("invite.off_here", name=ctx.name)
    if ctx.group is None:
        return page(ctx)
    code = invite_codes.issue(ctx.tx, ctx.programme.id, member.id, ctx.now)
    ask_links(ctx, code, ctx.name)
    tally = invite_reports.tally(ctx.tx, ctx.programme.id, member.id)
    open_page = Button(ctx.texts.say("invite.open"), url=start_link(PAGE))
    brief = ctx.texts.say(
        "invite.brief", name=ctx.name, rewarded=tally.rewarded, waiting=tally.waiting
    )
    return Reply(brief, ((open_page,),), private=True)


def page(ctx: Context) -> Reply:
    """Return a member's own page: link, what has become of whom, the ladder, today's room."""
    member = ctx.member
    code = invite_codes.issue(ctx.tx, ctx.programme.id, member.id, ctx.now)
    links = ask_links(ctx, code, ctx.name)
    link = start_link(code.payload)
    share = Button(ctx.texts.say("invite.share"), url=link)
    caption = ctx.texts.say("invite.caption", name=member.name)
    text = "\n".join(_page(ctx, member, link, links))
    return Reply(text, ((share,),), picture=QrCode(link, caption))


def _page(ctx: Context, member: Member, link: str, links: Iterable[Way]) -> Iterator[str]:
    say, ours, here = ctx.texts.say, ctx.rules.referral, ctx.programme
    yield say("invite.head", name=ctx.name)
    yield say("invite.link", link=link)
    for way in links:
        yield say("invite.group_link", group=isolate(way.title), link=way.url)
    tally = invite_reports.tally(ctx.tx, here.id, member.id)
    yield say("invite.tally", **tally._asdict())
    for key, count in (("invite.fake", tally.fake), ("invite.added", tally.added)):
        if count:
            yield say(key, n=count)
    had = invite_ladder.of(ctx.tx, here.id, member.id)
    ladder = {rung.n: rung for rung in ours.ladder}
    for rung in had:
        rule = ladder.get(rung.n)
        name = rule.called(ctx.texts.locale) if rule and not rule.points else rung.name
        yield say(f"rung.{rung.state}", n=rung.n, what=name)
    yield from ahead(here, tally.rewarded, ctx.texts)
    of_day, of_month = invite_rewards.times(ctx.tx, here.id, member.id, ctx.today)
    yield say(
        "invite.room",
        day=max(0, ctx.rules.programme.caps.invite_per_day - of_day),
        month=max(0, ours.per_month - of_month),
    )
    yield _how(ctx, here)


def _how(ctx: Context, here: Programme) -> str:
    """Tell what both get, and for what."""
    campaign, inviter, invitee = referrals.promise(here.rules, ctx.event.platform, ctx.today)
    told = ctx.texts.say(
        "invite.how",
        days=here.rules.referral.stay_days,
        proof=proofs(ctx, here),
        inviter=worth(here.rules, inviter),
        invitee=worth(here.rules, invitee),
    )
    now_on = here.rules.referral.campaign_on(ctx.today) if campaign else None
    if now_on is None:
        return told
    line = ctx.texts.say(
        "invite.campaign",
        what=now_on.called(ctx.texts.locale),
        until=f"{now_on.until:%m-%d}",
        words=now_on.told(ctx.texts.locale),
    )
    return f"{line.rstrip()}\n{told}"


def proofs(ctx: Context, here: Programme) -> str:
    """Name what somebody who was invited has to do."""
    names = (ctx.texts.say(f"proof.{p.replace('.', '_')}") for p in here.rules.referral.activate_by)
    return f" {ctx.texts.say('proof.or')} ".join(names)


# -- links into groups ---------------------------------------------------------------------------


def ask_links(ctx: Context, code: Code, name: str) -> list[Way]:
    """Return the links into the programme's groups; those that are missing are asked for."""
    ways = invite_codes.ways(ctx.tx, code.programme_id, ctx.event.platform, code.code)
    for way in ways:
        if way.url or not invite_codes.ask(
            ctx.tx, code.programme_id, code.code, way.group_id, ctx.now
        ):
            continue
        outbox.do(
            ctx.tx,
            programme_id=code.programme_id,
            platform=way.platform,
            chat_id=way.chat_id,
            action=MakeLink(
                f"invite {code.programme_id} {code.code} {way.group_id}",
                name,
                asks=ctx.rules.referral.asks and bool(code.member_id),
            ),
            now=ctx.now,
        )
    return [way for way in ways if way.url]


@router.did("invite")
def link_made(ctx: Context) -> None:
    """Keep a link that was made, or that it was refused."""
    _, programme_id, code, group_id = ctx.event.target.split()
    url = "" if ctx.event.refused else ctx.event.text
    invite_codes.made(ctx.tx, int(programme_id), code, int(group_id), url)


# -- following a link ----------------------------------------------------------------------------


def follow(ctx: Context) -> Reply | None:
    """Answer `/start` with something of ours; None where it carries nothing of ours."""
    words = ctx.args.strip()
    if words == PAGE and ctx.person is not None:
        return page(ctx)
    if not words.startswith((MEMBER, ENTRANCE)) or ctx.event.chat.kind != "private":
        return None
    payload = read_payload(words)
    code = invite_codes.find(ctx.tx, payload[1]) if payload else None
    if code is None or payload is None or code.payload != words:
        raise Refusal("invite.unknown_code")
    if ctx.event.sender.kind != "person" or ctx.event.secondhand:
        return None
    here = programmes.programme(ctx.tx, code.programme_id, ctx.now)
    member_id = _member_of(ctx, here)
    if code.member_id and member_id == code.member_id:
        _bind(ctx, here, code, "click", why="self", member_id=member_id)
        return ctx.say("invite.own", name=ctx.name)
    why = _no_news(ctx, here, member_id)
    off = ctx.event.platform in here.rules.referral.platforms_off
    if not off and _stands(ctx, code):
        _bind(ctx, here, code, "click", why=why, member_id=member_id or 0)
    if why == "existing":
        return ctx.say("invite.existing", name=ctx.name)
    return _way_in(ctx, here, code, former=why == "former")


def _member_of(ctx: Context, here: Programme) -> int | None:
    key = (ctx.event.platform, ctx.event.sender.id)
    return members.by_identity(ctx.tx, here.id, [key]).get(key)


def _no_news(ctx: Context, here: Programme, member_id: int | None) -> Why | None:
    """Return why somebody is none who is new here; None for one who is."""
    if member_id is not None and referrals.inside(ctx.tx, here.id, member_id):
        return "existing"
    return "former" if member_id is not None or known_before(ctx, here) else None


def known_before(ctx: Context, here: Programme) -> bool:
    """Whether somebody was a member who has been forgotten since."""
    who = ctx.event.who
    return tombstones.remembers(ctx.tx, here.id, (who.platform, who.user_id))


def _stands(ctx: Context, code: Code) -> bool:
    """Whether a code still leads to somebody: its member is in a group, or it is an entrance's."""
    return not code.member_id or referrals.inside(ctx.tx, code.programme_id, code.member_id)


def _bind(
    ctx: Context, here: Programme, code: Code, way: str, *, why: Why | None, member_id: int = 0
) -> None:
    day = ctx.now.astimezone(here.zone).date()
    sums = referrals.promise(here.rules, ctx.event.platform, day)
    touch = Touch(code.member_id, code.code, way, *(sums if code.member_id else ()))
    new = referrals.click(
        ctx.tx,
        here.id,
        ctx.event.who,
        touch,
        ctx.now,
        click_days=here.rules.referral.click_days,
        why=why,
        member_id=member_id,
    )
    if new and why is None:
        invite_codes.clicked(ctx.tx, code)


def _way_in(ctx: Context, here: Programme, code: Code, *, former: bool) -> Reply:
    """Welcome somebody, and show him where to go: by the one whose invitation stands."""
    found = referrals.of_identity(ctx.tx, here.id, ctx.event.who)
    bound = found if found and referrals.is_fresh(found, ctx.now, _days(here)) else None
    if bound and bound.code != code.code:
        code = invite_codes.find(ctx.tx, bound.code) or code
    who = isolate(members.name(ctx.tx, here.id, code.member_id)) if code.member_id else ""
    links = ask_links(ctx, code, who or code.name)
    lines = [ctx.texts.say("invite.hello" if who else "invite.hello_source", who=who)]
    if former:
        lines.append(ctx.texts.say("invite.former"))
    elif bound and bound.inviter_id:
        lines.append(_how_for_friend(ctx, here, bound))
    if links:
        lines.append(ctx.texts.say("invite.come"))
    else:
        lines.append(ctx.texts.say("invite.ask_him" if who else "invite.ask_staff", who=who))
    buttons = tuple((Button(way.title or "→", url=way.url),) for way in links)
    return Reply("\n".join(lines), buttons)


def _how_for_friend(ctx: Context, here: Programme, bound: Referral) -> str:
    return ctx.texts.say(
        "invite.how_friend",
        days=here.rules.referral.stay_days,
        proof=proofs(ctx, here),
        invitee=worth(here.rules, bound.invitee_points),
        within=_days(here),
    )


def _days(here: Programme) -> int:
    return here.rules.referral.click_days


# -- coming and going ----------------------------------------------------------------------------


def asked(ctx: Context) -> None:
    """Note by whose link somebody asks to be let in."""
    code = invite_codes.by_url(ctx.tx, ctx.programme.id, ctx.event.via)
    if code is None or ctx.event.sender.kind != "person" or not _stands(ctx, code):
        return
    member_id = _member_of(ctx, ctx.programme)
    why = _no_news(ctx, ctx.programme, member_id)
    _bind(ctx, ctx.programme, code, "request", why=why, member_id=member_id or 0)


def came(ctx: Context, member: Member, *, new: bool) -> None:
    """Note how somebody has come into a group, `new` in the whole programme; if that is known."""
    tx, here, who = ctx.tx, ctx.programme, ctx.event.who
    found = referrals.of_identity(tx, here.id, who)
    if found is not None and found.state == "left":
        referrals.back(tx, here.id, member.id, ctx.event.at)
        return
    code = invite_codes.by_url(tx, here.id, ctx.event.via)
    if code is not None and not _stands(ctx, code):
        code = None
    if not new and members.since(tx, here.id, member.id) < ctx.event.at - JUST_NOW:
        if code is not None and found is None:
            why: Why = "self" if code.member_id == member.id else "existing"
            _bind(ctx, here, code, "link", why=why, member_id=member.id)
        return
    if code is not None and known_before(ctx, here):
        if found is None:
            _bind(ctx, here, code, "link", why="former", member_id=member.id)
        return
    if code is not None and found is not None and found.state == "added":
        day = ctx.now.astimezone(here.zone).date()
        sums = referrals.promise(here.rules, ctx.event.platform, day)
        touch = Touch(code.member_id, code.code, "link", *(sums if code.member_id else ()))
        referrals.bind_anew(tx, found, touch, ctx.event.at)
    elif code is not None:
        _bind(ctx, here, code, "link", why=None)
    elif found is None and ctx.event.by is not None:
        _note_by(ctx, member)
    referrals.come(tx, here.id, who, member.id, ctx.event.at, here.rules)


def _note_by(ctx: Context, member: Member) -> None:
    """Note who has put somebody into the group: that is shown, and never paid."""
    by = ctx.event.by
    key = (ctx.event.platform, by.id if by else "")
    inviter = members.by_identity(ctx.tx, ctx.programme.id, [key]).get(key)
    if inviter is not None and inviter != member.id:
        referrals.added(ctx.tx, ctx.programme.id, ctx.event.who, member.id, inviter, ctx.event.at)


def going(ctx: Context, member_id: int) -> Referral | None:
    """Return how somebody came who is leaving, with all accounts locked that this may touch."""
    found = referrals.of_member(ctx.tx, ctx.programme.id, member_id)
    if found is not None:
        referrals.lock(ctx.tx, found)
    return found


def gone(ctx: Context, found: Referral | None) -> None:
    """Note that he has left this group; what he was worth, when it was the last one."""
    if found is None or referrals.inside(ctx.tx, ctx.programme.id, found.member_id):
        return
    invite_rewards.left(ctx.tx, ctx.programme, found, ctx.event.at, ctx.now)


# -- handing over --------------------------------------------------------------------------------


def _owed(ctx: Context) -> Reply:
    """List for an owner what is to be handed over."""
    _check_owner(ctx)
    waiting = invite_ladder.waiting(ctx.tx, ctx.programme.id, most=_LIST_MAX)
    if not waiting:
        return ctx.say("invite.owed_none", private=True)
    lines = [ctx.texts.say("invite.owed_head", n=len(waiting))]
    lines += [
        ctx.texts.say("invite.owed", who=isolate(each.who), n=each.n, what=each.name)
        for each in waiting
    ]
    buttons = tuple(
        (
            Button(
                ctx.texts.say("invite.done", who=each.who, what=each.name),
                f"invite done {each.member_id} {each.n}",
            ),
        )
        for each in waiting
    )
    return Reply("\n".join(lines), buttons, private=ctx.group is not None)


def _hand_over(ctx: Context, words: list[str]) -> Reply:
    """Note that a reward has been handed over, and list what is left."""
    _check_owner(ctx)
    meant = _PRESSED.fullmatch(" ".join(words))
    if not ctx.event.genuine or meant is None or int(meant[1]) >= _ID_END:
        raise Refusal("invite.owed_gone")
    member_id, n = int(meant[1]), int(meant[2])
    by = f"{ctx.event.platform}:{ctx.event.sender.id}"
    name = invite_ladder.fulfil(ctx.tx, ctx.programme.id, member_id, n, by=by, now=ctx.now)
    if not name:
        raise Refusal("invite.owed_gone")
    ctx.whisper(member_id, ctx.say("invite.handed_over", what=name))
    rest = _owed(ctx)
    return Reply(rest.text, rest.buttons, replaces=True)


def _check_owner(ctx: Context) -> None:
    if ctx.event.sender.role != "owner" or ctx.event.sender.kind != "person":
        raise Refusal("invite.owner")
