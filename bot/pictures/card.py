"""The member's card: name, level and honours, the way to the next one, three figures."""

from zlib import crc32

from bot.pictures.canvas import (
    AMBER,
    AMBER_DEEP,
    AMBER_SOFT,
    GREEN,
    GREEN_DEEP,
    GREEN_SOFT,
    INK,
    INK_SOFT,
    LINE,
    PANEL,
    Canvas,
)
from bot.pictures.sizes import size_of
from bot.pictures.words import Style, pieces, runs, width
from content.picture import Card
from content.texts import Texts, texts

_EDGE = 56
_AVATARS = (
    ("#dcefe4", "#14674d"),
    ("#fbe3d3", "#9a4a17"),
    ("#dfe8f6", "#2d5290"),
    ("#efe2f3", "#6f3a82"),
    ("#fbeacb", "#8a5a00"),
    ("#f8dde0", "#97303f"),
)


def draw_card(shown: Card) -> Canvas:
    """Draw a card."""
    say = texts(shown.locale)
    canvas = Canvas(*size_of(shown))
    wide, high = canvas.image.size
    canvas.panel((24, 24, wide - 24, high - 24), 48, PANEL)
    _head(canvas, shown, say)
    _level(canvas, shown, say)
    _figures(canvas, shown, say)
    return canvas


def _head(canvas: Canvas, shown: Card, say: Texts) -> None:
    soft, deep = _AVATARS[crc32(shown.name.encode("utf-8", "replace")) % len(_AVATARS)]
    canvas.disc(144, 146, 72, soft)
    letters = [piece for piece in pieces(shown.name) if piece != " " and runs(piece, "bold")]
    canvas.text(144, 146, letters[0] if letters else "·", Style(68, bold=True), deep, "middle")
    right = float(canvas.image.width - _EDGE - 16)
    if shown.level:
        style = Style(36, bold=True)
        level = f"🎖 {shown.level}"
        across = min(width(level, style), 300) + 52
        canvas.panel((right - across, 82, right, 142), 30, AMBER_SOFT)
        canvas.text(right - across / 2, 112, level, style, AMBER_DEEP, "middle", most=across - 40)
        right -= across + 24
    honours = "  ".join(part for part in (shown.title, shown.badges) if part)
    first, second = (98, 160) if honours else (112, 184)
    canvas.text(248, first, shown.name or "·", Style(58, bold=True), INK, most=right - 248)
    since = say.say("picture.since", since=f"{shown.since:%Y-%m-%d}", days=shown.days)
    most = canvas.image.width - 250 - _EDGE
    canvas.text(250, second, since, Style(34), INK_SOFT, most=most)
    canvas.text(250, 214, honours, Style(34, bold=True), AMBER_DEEP, most=most)


def _level(canvas: Canvas, shown: Card, say: Texts) -> None:
    """Draw the way to the next level; at the top it is done, without levels there is none."""
    left, right = _EDGE + 16, canvas.image.width - _EDGE - 16
    if not shown.level:
        return
    done = shown.percent if shown.next else 100
    words = say.say("picture.top_level")
    if shown.next:
        words = say.say("picture.to_next", missing=f"{shown.missing:,}", next=shown.next)
    canvas.text(left, 286, words, Style(34), INK_SOFT, most=right - left - 140)
    canvas.text(right, 286, f"{done}%", Style(34, bold=True), GREEN_DEEP, "right")
    canvas.panel((left, 320, right, 348), 14, GREEN_SOFT)
    if done:
        reach = left + max(28, (right - left) * min(done, 100) / 100)
        canvas.panel((left, 320, reach, 348), 14, GREEN if shown.next else AMBER)


def _figures(canvas: Canvas, shown: Card, say: Texts) -> None:
    left, right = _EDGE + 16, canvas.image.width - _EDGE - 16
    across = (right - left) / 3
    rank = say.say("picture.nth", n=shown.rank) if shown.rank else say.say("picture.unranked")
    streak = say.say("picture.day" if shown.streak == 1 else "picture.days", n=shown.streak)
    figures = (
        ("💰", "picture.points", f"{shown.points:,}"),
        ("🔥", "picture.streak", streak),
        ("🏅", "picture.rank", rank),
    )
    top = 400 if shown.level else 332
    canvas.bar((left, top, right, top + 3), LINE)
    for place, (mark, word, amount) in enumerate(figures):
        middle = left + across * (place + 0.5)
        if place:
            canvas.bar(
                (left + across * place, top + 46, left + across * place + 3, top + 236), LINE
            )
        canvas.text(middle, top + 62, mark, Style(48), INK, "middle")
        canvas.text(
            middle, top + 148, amount, Style(60, bold=True), INK, "middle", most=across - 32
        )
        label = say.say(word)
        canvas.text(middle, top + 220, label, Style(36), INK_SOFT, "middle", most=across - 32)
