"""A cell of a table as people fill it in, read as what its column says, or refused in words."""

import re
from datetime import date, datetime, time
from decimal import Decimal
from zoneinfo import ZoneInfo

from content.message import Refusal
from content.names import plain_words

Cell = str | int | float | datetime | date | time | None
"""Text from CSV; a workbook has numbers and dates of its own."""

CELL_MAX = 2_000
"""Characters of a cell: what is longer is a slip, and nobody's number or name."""
SHOWN_MAX = 40
DIGITS_KEPT = 15
"""A spreadsheet keeps so many digits of a number, and turns the rest into zeros."""
FEN = 100
_MONEY = re.compile(r"¥|元|cny|rmb", re.IGNORECASE)
_NOTHING = {"", "-", "--", "/", "无"}
"""How exports leave an amount out."""
_DECIMAL = re.compile(r"(\d{1,13}|\d{1,3}(?:,\d{3}){1,4})(?:\.(\d{1,12}))?", re.ASCII)
_SHORTENED = re.compile(r"\d(\.\d+)?e\+?\d+", re.ASCII | re.IGNORECASE)
_LITERAL = re.compile(r'="([^"]*)"')
"""How exports keep a spreadsheet from rounding a long number."""
_CLOCK = r"(?P<h>\d{1,2})[:时](?P<m>\d{1,2})(?:[:分](?P<s>\d{1,2})(?:\.(?P<f>\d{1,6})\d*)?秒?)?分?"
_HALF = r"(?P<half{n}>上午|下午|am|pm)?"
_MOMENT = re.compile(
    r"(?P<year>\d{4})(?P<sep>[-/.年])(?P<month>\d{1,2})(?:(?P=sep)|月)(?P<day>\d{1,2})日?"
    rf"(?:(?:t|\s+|(?<=日)){_HALF.format(n=1)}\s*{_CLOCK}\s*{_HALF.format(n=2)})?",
    re.ASCII,
)
_COMPACT = re.compile(r"(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d))?", re.ASCII)
_ZONED = re.compile(r"\d{4}-\d\d-\d\d[t ]\d\d:\d\d.*(z|[+-]\d\d:?\d\d)", re.ASCII)
_NOON = 12


def plain(cell: Cell) -> str:
    """Return what a cell shows: half width, nothing invisible, no text mark. Errors: Refusal."""
    if cell is None:
        return ""
    if isinstance(cell, str):
        if len(cell) > CELL_MAX:
            raise Refusal("import.cell_long", most=CELL_MAX)
        literal = _LITERAL.fullmatch(cell.strip())
        return plain_words(literal[1] if literal else cell)
    return f"{cell}"


def shown(cell: Cell) -> str:
    """Return a cell for a message, cut to what can be read at a glance."""
    text = " ".join(plain_words(f"{'' if cell is None else cell}"[: SHOWN_MAX * 4]).split())
    return text if len(text) <= SHOWN_MAX else f"{text[: SHOWN_MAX - 1]}…"


def number(cell: Cell, column: str) -> str | None:
    """Return an order's or a person's number as text, None for an empty cell.

    Refused is what a spreadsheet has shortened (2.02603E+16), and a formula.
    """
    if isinstance(cell, float):
        if not cell.is_integer() or abs(cell) >= 10**DIGITS_KEPT:
            raise Refusal("import.cell_shortened", column=column, given=shown(cell))
        cell = int(cell)
    text = plain(cell)
    if _SHORTENED.fullmatch(text):
        raise Refusal("import.cell_shortened", column=column, given=shown(cell))
    if text.startswith("="):
        raise Refusal("import.cell_formula", column=column, given=shown(cell))
    return text.lstrip("'`’‘") or None  # marks of text: Excel's, and those of payment bills


def amount(cell: Cell, column: str, *, unit: int = FEN) -> int | None:
    """Return an amount in the unit's parts (yuan as fen), None for an empty cell.

    Errors: Refusal for what is no number, is below zero, or has parts of a part.
    """
    value = _decimal(cell, column)
    if value is None:
        return None
    parts = value * unit
    if parts != parts.to_integral_value():
        key = "import.cell_cents" if unit == FEN else "import.cell_whole"
        raise Refusal(key, column=column, given=shown(cell))
    return int(parts)


def _decimal(cell: Cell, column: str) -> Decimal | None:
    if isinstance(cell, bool | date | time):
        raise Refusal("import.cell_number", column=column, given=shown(cell))
    if isinstance(cell, float):  # what a formula leaves of 0.1 + 0.2 is meant as 0.30
        near = round(cell, 6)
        text = f"{near:.6f}" if abs(near) < 10**DIGITS_KEPT else f"{cell}"
    else:
        text = _MONEY.sub("", plain(cell)).strip()
    if text in _NOTHING:
        return None
    if re.match(r"[-−–(]", text) and re.search(r"\d", text):
        raise Refusal("import.cell_negative", column=column, given=shown(cell))
    found = _DECIMAL.fullmatch(text.removeprefix("+"))
    if found is None:
        raise Refusal("import.cell_number", column=column, given=shown(cell))
    return Decimal(f"{found[1].replace(',', '')}.{found[2] or 0}")


def moment(cell: Cell, column: str, zone: ZoneInfo) -> datetime | None:
    """Return an aware instant, None for an empty cell. What names no zone is the programme's.

    A date alone is its first moment. Errors: Refusal for anything else, 3/4/2026 too: it is
    March in one place and April in another.
    """
    try:
        found = _moment(cell)
    except ValueError:
        found = None
    if found is None and plain(cell):
        raise Refusal("import.cell_time", column=column, given=shown(cell))
    return found if found is None or found.tzinfo else found.replace(tzinfo=zone)


def day(cell: Cell, column: str, zone: ZoneInfo) -> date | None:
    """Return a day in the programme's zone, None for an empty cell. Errors: Refusal."""
    at = moment(cell, column, zone)
    return at.astimezone(zone).date() if at is not None else None


def _moment(cell: Cell) -> datetime | None:
    """Return what a cell says of time, None where it says nothing. Errors: ValueError."""
    if isinstance(cell, datetime):
        return cell
    if isinstance(cell, date):
        return datetime.combine(cell, time())
    if isinstance(cell, float):
        cell = f"{cell:.0f}" if cell.is_integer() else "?"
    text = plain(cell).lower()
    if _ZONED.fullmatch(text):
        return datetime.fromisoformat(text.upper())
    compact = _COMPACT.fullmatch(text)
    if compact is not None:
        return datetime.strptime(text.ljust(14, "0"), "%Y%m%d%H%M%S")  # noqa: DTZ007 - its reader knows the zone
    found = _MOMENT.fullmatch(text)
    if found is None:
        return None
    said = found.groupdict()
    on = date(int(said["year"]), int(said["month"]), int(said["day"]))
    hour, half = int(said["h"] or 0), said["half1"] or said["half2"]
    if half is not None:
        if not 0 < hour <= _NOON:
            raise ValueError("an hour of half a day")
        hour = hour % _NOON + (_NOON if half in {"下午", "pm"} else 0)
    micro = int((said["f"] or "0").ljust(6, "0"))
    clock = time(hour, int(said["m"] or 0), int(said["s"] or 0), micro)
    return datetime.combine(on, clock)
