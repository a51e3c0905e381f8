"""Who is new says who he is: a message that begins with 大家好 or 自我介绍, and has some words."""

from content.message import Refusal, Reply
from handlers import occasions
from handlers.context import Context
from handlers.occasions import Occasion
from handlers.router import Router

router = Router()
LETTERS_MIN = 10
COMMAND = "/introduce"


@router.command(
    "introduce",
    "自我介绍",
    "大家好",
    "Hello everyone",
    "Hi everyone",
    glued=r"[\s\S]{4,}",
    talk=True,
)
def introduce(ctx: Context) -> Reply | None:
    """Say who you are, when you are new."""
    asks = ctx.asks
    if ctx.event.secondhand or (ctx.person is None and not asks):
        return None  # somebody else's words, or nobody whom we know
    member = ctx.member
    if ctx.group is None:
        raise Refusal("introduce.private")
    words = ctx.event.text.removeprefix(COMMAND)
    if sum(letter.isalnum() for letter in words) < LETTERS_MIN:
        return ctx.say("introduce.usage", name=ctx.name, least=LETTERS_MIN) if asks else None
    key = f"{ctx.today}/introduce/{member.id}"
    occasion = Occasion("introduce", member.id, ctx.event.at, ctx.today, key)
    lines = occasions.tell(ctx.tx, ctx.programme, occasion, ctx.now)
    if not lines and not asks:
        return None  # a greeting like any other
    return ctx.with_lines(ctx.say("introduce.welcome", name=ctx.name), lines)
