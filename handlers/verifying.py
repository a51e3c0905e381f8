"""Showing that one is a person, once: by a press, a sum, or a question about the group.

A wrong answer brings another question; after three there is a rest. Nobody is sent away for it.
"""

from datetime import datetime, timedelta

from msgspec import structs

from content.greeting import choices, question
from content.message import LetIn, Loud, Refusal, Reply
from content.names import isolate
from content.texts import Texts, texts
from content.welcome import WelcomeRules
from handlers.context import Context
from handlers.router import Router
from storage import arrivals, members, outbox, programmes, questions
from storage.db import from_ms, to_ms
from storage.questions import Held

router = Router()

TRIES = 3
REST = timedelta(minutes=10)
AGAIN = timedelta(seconds=20)
"""Nobody needs the same question so soon again: that would only fill the group."""
REQUEST_LIFE = timedelta(minutes=5)
"""So long the bot may write to who asks to join, and he can answer."""
TOKEN_BITS = 60


@router.command("verify", "验证")
def verify(ctx: Context) -> Reply | None:
    """Show that you are a person: then your points count."""
    tapped = ctx.event.kind == "tap"
    if tapped and ctx.args:
        return _answered(ctx)
    if ctx.event.secondhand:
        return None
    member = ctx.member
    if not ctx.unverified:
        raise Refusal("verify.known", name=ctx.name)
    if tapped and ctx.event.genuine and ctx.rules.welcome.verify == "button":
        _pass_member(ctx, "button")
        return ctx.say("verify.done", name=ctx.name, private=True)
    if ctx.group is not None and _busy(ctx):
        raise Refusal("verify.busy", name=isolate(member.name))
    held = questions.get(ctx.tx, ctx.programme.id, ctx.event.who)
    if held is not None:
        _not_too_soon(ctx, held)
    tries = held.tries if held is not None and held.wait_ms == 0 else 0
    return _ask(ctx, ctx.rules.welcome, ctx.texts, _new(ctx.programme.id, 0, tries, ctx.now))


def _busy(ctx: Context) -> bool:
    """Whether a raid is on in the group: then the bot asks nothing there."""
    assert ctx.group is not None
    now = ctx.now
    return arrivals.rush(ctx.tx, ctx.programme.id, ctx.group.id, since=now, most=1).raid


def _not_too_soon(ctx: Context, held: Held) -> None:
    wait = from_ms(held.wait_ms) - ctx.now
    if wait > timedelta():
        minutes = -(-wait // timedelta(minutes=1))
        raise Refusal("verify.wait", name=ctx.name, minutes=minutes)
    if held.group_id == 0 and held.token and ctx.now - from_ms(held.asked_ms) < AGAIN:
        raise Refusal("verify.above", name=ctx.name)


def _new(programme_id: int, group_id: int, tries: int, asked: datetime) -> Held:
    return Held(programme_id, group_id, "", "", 0, tries, to_ms(asked), 0, 0)


def _ask(ctx: Context, rules: WelcomeRules, words: Texts, held: Held) -> Reply:
    """Ask by chance, and keep what the right answer is."""
    way = rules.verify
    assert way != "off"
    asked = question(way, rules.quiz, words, ctx.rng)
    token = f"{ctx.rng.getrandbits(TOKEN_BITS):x}"
    held = held._replace(token=token, way=way, right=asked.right)
    questions.put(ctx.tx, ctx.event.who, held)
    name = isolate(ctx.event.who.clean_name)
    text = words.say("verify.ask", name=name, question=asked.words)
    return Reply(text, choices(asked, token), alone=True)


def ask_to_join(ctx: Context) -> None:
    """Ask in private somebody who asks to join. Who has failed lately is left to the owners."""
    assert ctx.group is not None
    before = questions.get(ctx.tx, ctx.programme.id, ctx.event.who)
    if before is not None and (before.wait_ms > to_ms(ctx.now) or _is_open(before, ctx.now)):
        return
    tries = before.tries if before is not None and before.wait_ms == 0 else 0
    words = texts(ctx.event.sender.locale or ctx.programme.locale)
    held = _new(ctx.programme.id, ctx.group.id, tries, ctx.now)
    reply = _ask(ctx, ctx.rules.welcome, words, held)
    head = words.say("verify.to_join", group=isolate(ctx.group.title))
    outbox.say(
        ctx.tx,
        programme_id=ctx.programme.id,
        platform=ctx.event.platform,
        chat_id=ctx.event.target,
        reply=structs.replace(
            reply, text=f"{head}\n{reply.text}", life_s=int(REQUEST_LIFE.total_seconds())
        ),
        now=ctx.now,
    )


def _is_open(held: Held, now: datetime) -> bool:
    """Whether somebody who asks to join has a question that he can still answer."""
    return bool(held.token and held.group_id) and now - from_ms(held.asked_ms) <= REQUEST_LIFE


# -- answering -----------------------------------------------------------------------------------


def _answered(ctx: Context) -> Reply:
    """Judge a pressed choice: by the person who was asked, and once."""
    token, _, place = ctx.args.partition(" ")
    held = questions.take(ctx.tx, ctx.event.who, token) if ctx.event.genuine else None
    if held is None:
        raise Refusal("verify.gone")
    if held.group_id:
        return _answered_to_join(ctx, held, right=place == f"{held.right}")
    if held.programme_id != ctx.programme.id or not ctx.unverified:
        raise Refusal("verify.known", name=ctx.name)
    if place != f"{held.right}":
        return _wrong(ctx, ctx.rules.welcome, held, "verify.enough")
    questions.put(ctx.tx, ctx.event.who, held._replace(passed_ms=to_ms(ctx.now)))
    _pass_member(ctx, held.way)
    return _instead(ctx.say("verify.done", name=ctx.name, buttons=ctx.row("checkin")))


def _answered_to_join(ctx: Context, held: Held, *, right: bool) -> Reply:
    here = programmes.programme(ctx.tx, held.programme_id, ctx.now)
    chat = questions.chat(ctx.tx, held.group_id)
    if (
        ctx.now - from_ms(held.asked_ms) > REQUEST_LIFE
        or chat is None
        or not here.rules.welcome.asks
    ):
        return _instead(ctx.say("verify.late"))
    if not right:
        return _wrong(ctx, here.rules.welcome, held, "verify.left_to_owner")
    questions.put(ctx.tx, ctx.event.who, held._replace(passed_ms=to_ms(ctx.now)))
    chat_id, title = chat
    outbox.do(
        ctx.tx,
        programme_id=held.programme_id,
        platform=ctx.event.platform,
        chat_id=chat_id,
        action=LetIn("welcome", ctx.event.sender.id),
        now=ctx.now,
    )
    return _instead(ctx.say("verify.let_in", group=isolate(title)))


def _wrong(ctx: Context, rules: WelcomeRules, held: Held, enough: str) -> Reply:
    """Ask something else, or after three wrong answers let it rest."""
    tries = held.tries + 1
    if tries >= TRIES:
        wait = to_ms(ctx.now + REST)
        questions.put(ctx.tx, ctx.event.who, held._replace(tries=tries, wait_ms=wait))
        minutes = REST // timedelta(minutes=1)
        name = isolate(ctx.event.who.clean_name)
        return _instead(ctx.say(enough, name=name, minutes=minutes))
    reply = _ask(ctx, rules, ctx.texts, held._replace(tries=tries))
    again = ctx.texts.say("verify.wrong", left=TRIES - tries)
    return structs.replace(reply, text=f"{again}\n{reply.text}", replaces=True)


def _instead(reply: Reply) -> Reply:
    """Say it in the question's place."""
    return structs.replace(reply, replaces=True)


def _pass_member(ctx: Context, way: str) -> None:
    """Let somebody's points count from now on, and let him write again where he could not."""
    member, platform = ctx.member, ctx.event.platform
    members.verify(ctx.tx, ctx.programme.id, member.id, way, ctx.now)
    for chat in arrivals.quieted(ctx.tx, ctx.programme.id, member.id, platform, ctx.now):
        outbox.do(
            ctx.tx,
            programme_id=ctx.programme.id,
            platform=platform,
            chat_id=chat,
            action=Loud("welcome", ctx.event.sender.id),
            now=ctx.now,
        )
