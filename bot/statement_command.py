"""`python -m bot statement MEMBER`: what a member had at a moment, and how it came to that."""

import argparse
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from bot.clock import utc_now
from bot.desk import Desk, DeskError
from bot.paper import say, table
from storage import history, members
from storage.books import POINTS
from storage.db import reading


def statement(desk: Desk, options: argparse.Namespace) -> int:
    """Print a member's last movements and his balance. Errors: DeskError, the store's."""
    here = desk.programme(options.programme)
    (member_id,) = desk.people(here.id, [options.member])
    at = moment(options.at, here.zone) if options.at else None
    wallets = [POINTS, *(wallet.id for wallet in here.rules.wallet)]
    if options.wallet not in wallets:
        raise DeskError(f"there is no wallet {options.wallet!r}: {', '.join(wallets)}")
    with reading(desk.engine) as tx:
        name = members.name(tx, here.id, member_id)
        lines = history.statement(
            tx, here.id, member_id, count=options.count, wallet=options.wallet, until=at
        )
        shown = at or utc_now()
        balance = history.balance_at(tx, here.id, member_id, shown, wallet=options.wallet)
        has = members.wallets(tx, here.id, member_id)
    say(f"{name} ({member_id}), {options.wallet}")
    say(f"available on {shown.astimezone(here.zone):%Y-%m-%d %H:%M:%S} {here.zone}: {balance:,}")
    if at is None:
        for one in (each for each in has if each.wallet == options.wallet):
            say(f"pending {one.pending:,}, held {one.held:,}, debt {one.debt:,}")
    rows = [
        (
            f"{line.at.astimezone(here.zone):%Y-%m-%d %H:%M}",
            f"{line.amount:+,}",
            line.bucket,
            f"{line.after:,}",
            line.reason,
            f"{line.id}",
        )
        for line in lines
    ]
    if rows:
        table(("when", "points", "bucket", "then", "reason", "posting"), rows)
    else:
        say("No movements.")
    return 0


def moment(given: str, zone: ZoneInfo) -> datetime:
    """Return a moment as it was typed, in the programme's zone unless it says another.

    A day alone is its end. Errors: DeskError.
    """
    try:
        at = datetime.fromisoformat(given)
        if len(given) == len("2026-11-22"):
            at = datetime.combine(date.fromisoformat(given), time.max)
        return (at if at.tzinfo is not None else at.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise DeskError(f"{given!r} is no moment: 2026-11-22, or 2026-11-22T18:30") from None
