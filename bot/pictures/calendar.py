"""The calendar: a month of check-ins, days in a row joined, with the streak below."""

from calendar import monthrange

from bot.pictures.canvas import (
    AMBER,
    AMBER_DEEP,
    AMBER_SOFT,
    GREEN,
    GREEN_DEEP,
    GREEN_SOFT,
    INK,
    INK_FAINT,
    INK_SOFT,
    PANEL,
    WHITE,
    Canvas,
)
from bot.pictures.sizes import size_of
from bot.pictures.words import Style
from content.picture import Calendar
from content.texts import Texts, texts

_EDGE = 56
_GRID_TOP, _GRID_BOTTOM = 250, 862
_DISC = 46
_COLUMNS, _ACROSS = 7, 142
_OUT = 74
"""How far a band that goes on in another week reaches beyond the day's middle."""
_WEEKEND = 5


def draw_calendar(shown: Calendar) -> Canvas:
    """Draw a month."""
    say = texts(shown.locale)
    canvas = Canvas(*size_of(shown))
    right = canvas.image.width - _EDGE
    month = say.say(
        "picture.month",
        month=say.say("picture.months").split()[shown.month.month - 1],
        year=shown.month.year,
    )
    taken = canvas.text(right, 96, month, Style(48, bold=True), GREEN_DEEP, "right")
    room = right - _EDGE - taken - 40
    canvas.text(_EDGE, 68, shown.name or "·", Style(54, bold=True), INK, most=room)
    canvas.text(_EDGE, 130, say.say("picture.calendar"), Style(34), INK_SOFT, most=room)
    canvas.panel((_EDGE - 16, 172, right + 16, 958), 40)
    _weekdays(canvas, say)
    _days(canvas, shown)
    _legend(canvas, say)
    _figures(canvas, shown, say)
    return canvas


def _column(column: int) -> float:
    return 114 + column * _ACROSS


def _weekdays(canvas: Canvas, say: Texts) -> None:
    for column, word in enumerate(say.say("picture.weekdays").split()):
        colour = INK_FAINT if column >= _WEEKEND else INK_SOFT
        canvas.text(_column(column), 216, word, Style(34), colour, "middle")


def _days(canvas: Canvas, shown: Calendar) -> None:
    first, count = monthrange(shown.month.year, shown.month.month)
    weeks = (first + count + _COLUMNS - 1) // _COLUMNS
    height = (_GRID_BOTTOM - _GRID_TOP) / weeks
    disc = min(_DISC, height / 2 - 6)
    today = shown.today.day if shown.today.replace(day=1) == shown.month else 0
    past = count if shown.today >= shown.month.replace(day=count) else today
    done, made_up = set(shown.days), set(shown.made_up)
    where = {
        day: (_column((first + day - 1) % 7), _GRID_TOP + height * ((first + day - 1) // 7 + 0.5))
        for day in range(1, count + 1)
    }
    for day in sorted(done):  # the bands first, so that they lie below
        if day + 1 not in done:
            continue
        (x, y), (to_x, to_y) = where[day], where[day + 1]
        if to_y == y:
            _band(canvas, x, to_x, y, disc)
        else:  # on to the next week: out at one side, in at the other
            _band(canvas, x, _column(6) + _OUT, y, disc)
            _band(canvas, _column(0) - _OUT, to_x, to_y, disc)
    for day, (x, y) in where.items():
        colour = INK if day <= past else INK_FAINT
        if day in made_up:
            canvas.disc(x, y, disc, AMBER)
            canvas.disc(x, y, disc - 5, AMBER_SOFT)
            colour = AMBER_DEEP
        elif day in done:
            canvas.disc(x, y, disc, GREEN)
            colour = WHITE
        if day == today:
            if day in done:  # a gap between the disc and its ring
                canvas.disc(x, y, disc + 4, PANEL)
                canvas.disc(x, y, disc - 5, AMBER_SOFT if day in made_up else GREEN)
            canvas.ring(x, y, disc + 4, 5, GREEN_DEEP)
        canvas.text(x, y, f"{day}", Style(42, bold=day in done or day == today), colour, "middle")


def _band(canvas: Canvas, left: float, right: float, y: float, disc: float) -> None:
    canvas.bar((left, y - disc * 0.74, right, y + disc * 0.74), GREEN_SOFT)


def _legend(canvas: Canvas, say: Texts) -> None:
    x, y = float(_EDGE + 24), 912
    for word, kind in (
        ("picture.checked_in", GREEN),
        ("picture.made_up", AMBER),
        ("picture.today", ""),
    ):
        if kind:
            canvas.disc(x, y, 15, kind)
            if kind == AMBER:
                canvas.disc(x, y, 11, AMBER_SOFT)
        else:
            canvas.ring(x, y, 16, 4, GREEN_DEEP)
        x += 30 + canvas.text(x + 28, y, say.say(word), Style(32), INK_SOFT) + 44


def _figures(canvas: Canvas, shown: Calendar, say: Texts) -> None:
    """Write the three figures: this month's days, the streak and the best one."""
    across = (canvas.image.width - 2 * _EDGE + 32) / 3
    figures = (("picture.count", "📅", len(shown.days)), ("picture.streak", "🔥", shown.streak))
    for place, (word, mark, number) in enumerate((*figures, ("picture.best", "🏆", shown.best))):
        left = _EDGE - 16 + across * place
        middle = left + across / 2
        alive = word == "picture.streak" and shown.streak > 0
        fill = AMBER_SOFT if alive else PANEL
        canvas.panel(
            (left + 8 * (place > 0), 982, left + across - 8 * (word != "picture.best"), 1136),
            32,
            fill,
        )
        amount = say.say("picture.day" if number == 1 else "picture.days", n=number)
        colour = AMBER_DEEP if alive else INK
        canvas.text(middle, 1030, amount, Style(52, bold=True), colour, "middle", most=across - 40)
        label = f"{mark} {say.say(word)}"
        canvas.text(middle, 1096, label, Style(34), INK_SOFT, "middle", most=across - 32)
