"""Show a photo (晒单), once a day: when others like it, or an owner does, it earns points."""

import re
from datetime import timedelta

from content.earning import Deed, earned
from content.message import Button, Refusal, Reply
from content.names import isolate
from content.notice import Notice
from content.rulebook import PHOTO
from handlers import deeds
from handlers.context import Context
from handlers.router import Router
from storage import ledger, levels, members, photos
from storage.photos import Photo

router = Router()
_PRESSED = re.compile(r"(like|yes|no) ([0-9]{1,19})")
_ID_END = 2**63


@router.command("photo", "晒单", "晒照片", glued=r"[\s,，。:：!！].*")
def photo(ctx: Context) -> Reply | None:
    """Show a photo; when others like it, it earns points."""
    if ctx.event.kind == "tap":
        return _pressed(ctx)
    if ctx.event.secondhand:
        return None  # somebody else's photo, handed on
    member = ctx.earner
    points = _worth(ctx)
    if not points:
        raise Refusal("photo.off")
    if ctx.group is None:
        raise Refusal("photo.private")
    if not ctx.event.photo:
        raise Refusal("photo.usage", name=ctx.name, points=points)
    shown = photos.show(ctx.tx, ctx.programme.id, member.id, ctx.today, ctx.event.at)
    if shown is None:
        raise Refusal("photo.already", name=ctx.name)
    return _told(ctx, shown, member.name, likes=0)


def _worth(ctx: Context) -> int:
    """Return the points that the rules give the asker for a photo, 0 for none."""
    has = ledger.account(ctx.tx, ctx.programme.id, ctx.member.id)
    level = levels.held(ctx.rules, has)
    deed = Deed(
        event=PHOTO,
        platform=ctx.event.platform,
        level=level.id if level else None,
        newcomer=ctx.first_days > 0,
    )
    return sum(part.points for part in earned(ctx.rules, deed))


def _told(ctx: Context, photo_id: int, name: str, *, likes: int) -> Reply:
    """Return the message below a photo, with the buttons for all and for owners."""
    needs = ctx.rules.checkin.photo.likes
    key = "photo.shown" if needs else "photo.shown_owner"
    text = ctx.texts.say(key, name=isolate(name), needs=needs, left=needs - likes)
    like = Button(
        ctx.texts.say("button.photo_like", likes=likes, needs=needs), f"photo like {photo_id}"
    )
    yes = Button(ctx.texts.say("button.photo_yes"), f"photo yes {photo_id}")
    no = Button(ctx.texts.say("button.photo_no"), f"photo no {photo_id}")
    return Reply(text, ((like,), (yes, no)) if needs else ((yes, no),), replaces=True, alone=True)


# -- deciding ------------------------------------------------------------------------------------


def _pressed(ctx: Context) -> Reply:
    """Carry out a button below a photo: for every other member, or for an owner."""
    _ = ctx.member  # refuses who is in no group of ours
    found = _PRESSED.fullmatch(ctx.args)
    number = int(found[2]) if found else _ID_END
    shown = photos.lock(ctx.tx, ctx.programme.id, number) if number < _ID_END else None
    if found is None or shown is None or not ctx.event.genuine:
        raise Refusal("photo.gone")
    if shown.state != photos.SHOWN:
        return _ended(ctx, shown, shown.state)
    if ctx.event.at - shown.made > timedelta(hours=ctx.rules.checkin.photo.valid_h):
        raise Refusal("photo.late")
    if found[1] == "like":
        return _liked(ctx, shown, ctx.earner.id)
    if ctx.event.sender.role != "owner":
        raise Refusal("photo.owners")
    if found[1] == "yes":
        return _approve(ctx, shown)
    photos.end(ctx.tx, ctx.programme.id, shown.id, photos.REFUSED, by=ctx.actor, at=ctx.event.at)
    return _ended(ctx, shown, photos.REFUSED)


def _liked(ctx: Context, shown: Photo, liker_id: int) -> Reply:
    rules = ctx.rules.checkin.photo
    if liker_id == members.heirs(ctx.tx, ctx.programme.id, [shown.member_id])[shown.member_id]:
        raise Refusal("photo.own")
    since = members.since(ctx.tx, ctx.programme.id, liker_id).astimezone(ctx.programme.zone).date()
    if (ctx.today - since).days < rules.liker_days_min:
        raise Refusal("photo.new_here", days=rules.liker_days_min)
    if not photos.like(ctx.tx, ctx.programme.id, shown.id, liker_id):
        raise Refusal("photo.liked")
    likes = photos.likes(ctx.tx, ctx.programme.id, shown.id)
    if rules.likes and likes >= rules.likes:
        return _approve(ctx, shown)
    name = members.name(ctx.tx, ctx.programme.id, shown.member_id)
    return _told(ctx, shown.id, name, likes=likes)


def _approve(ctx: Context, shown: Photo) -> Reply:
    """Pay what an approved photo earns, by rules and limits of the day on which it was shown."""
    notice = Notice(
        key=f"photo-{shown.id}",
        event=PHOTO,
        at=shown.made,
        member_id=str(shown.member_id),
        platform=ctx.event.platform,
    )
    (receipt,) = deeds.take(ctx.tx, ctx.programme.id, [notice], actor=ctx.actor, now=ctx.now)
    if isinstance(receipt, Refusal):
        raise receipt
    photos.end(ctx.tx, ctx.programme.id, shown.id, photos.APPROVED, by=ctx.actor, at=ctx.event.at)
    points = sum(part.points for part in receipt.deed.parts)
    return _ended(ctx, shown, photos.APPROVED, points)


def _ended(ctx: Context, shown: Photo, state: str, points: int = 0) -> Reply:
    """Return the message with what has become of the photo, and no buttons."""
    name = isolate(members.name(ctx.tx, ctx.programme.id, shown.member_id))
    key = "photo.approved" if state == photos.APPROVED else "photo.refused"
    key = "photo.paid" if points else key
    return Reply(ctx.texts.say(key, name=name, points=points), replaces=True)
