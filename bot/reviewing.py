"""`python -m bot reviews`: awards over the programme's budget, which wait for somebody to look."""

import argparse
import sys
from collections.abc import Callable
from functools import partial

from bot.clock import utc_now
from bot.desk import Desk, DeskError
from storage import reviews
from storage.db import Tx, from_ms, reading
from storage.programmes import Programme
from storage.reviews import DecidedError, Review

PAGE = 200


def show(desk: Desk, options: argparse.Namespace) -> None:
    """List what waits."""
    here = desk.programme(options.programme)
    with reading(desk.engine) as tx:
        number, points = reviews.count(tx, here.id)
        found = reviews.waiting(tx, here.id, most=max(options.most, 1))
    if not number:
        print("Nothing waits: the budget has been enough.")  # noqa: T201 - the answer
        return
    for each in found:
        at = from_ms(each.made_ms).astimezone(here.zone)
        line = f"{each.id}  {at:%m-%d %H:%M}  {each.name}  {each.amount} {each.wallet}"
        print(f"{line}  {each.posting.reason}  {each.why}".rstrip())  # noqa: T201 - the answer
    more = f", the oldest {len(found)} of them here" if len(found) < number else ""
    print(f"{number} waiting, {points} points{more}")  # noqa: T201 - the answer


def approve(desk: Desk, options: argparse.Namespace) -> None:
    """Pay what has waited."""

    def pay(tx: Tx, here: Programme, number: int) -> int:
        now = utc_now()
        today = now.astimezone(here.zone).date()
        return reviews.approve(tx, here.id, number, by=options.by, now=now, today=today).amount

    _decide(desk, options, pay, "paid")


def refuse(desk: Desk, options: argparse.Namespace) -> None:
    """Pay nothing."""

    def no(tx: Tx, here: Programme, number: int) -> int:
        return reviews.refuse(tx, here.id, number, by=options.by, now=utc_now()).amount

    _decide(desk, options, no, "refused")


def _decide(
    desk: Desk,
    options: argparse.Namespace,
    decide: Callable[..., int],
    word: str,
) -> None:
    here = desk.programme(options.programme)
    if bool(options.number) == options.all:
        raise DeskError("name the reviews by their numbers, or all of them by --all")
    done = points = failed = 0
    numbers = options.number or [each.id for each in _all(desk, here)]
    for number in numbers:
        try:
            points += desk.ask(partial(decide, here=here, number=number), DecidedError)
        except DecidedError as error:
            failed += 1
            print(error, file=sys.stderr)  # noqa: T201 - the answer
        else:
            done += 1
    print(f"{done} {word}, {points} points")  # noqa: T201 - the answer
    if failed:
        raise DeskError(f"{failed} of {len(numbers)} were not {word}")


def _all(desk: Desk, here: Programme) -> list[Review]:
    found: list[Review] = []
    with reading(desk.engine) as tx:
        while page := reviews.waiting(tx, here.id, after=found[-1].id if found else 0, most=PAGE):
            found += page
    return found
