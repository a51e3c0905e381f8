"""`python -m bot keys`: the keys of the HTTP API."""

import argparse
from datetime import timedelta
from functools import partial

from bot.clock import utc_now
from bot.desk import Desk, DeskError
from storage import keys
from storage.db import reading
from storage.keys import Key, Made


def new(desk: Desk, options: argparse.Namespace) -> None:
    """Make a key and show its secrets, this once."""
    here = desk.programme(options.programme)
    scopes = frozenset(options.scope or keys.SCOPES)
    try:
        keys.check(options.name, scopes)
    except ValueError as error:
        raise DeskError(str(error)) from None
    make = partial(keys.make, programme_id=here.id, name=options.name, scopes=scopes, now=utc_now())
    _show(desk.run(make))


def show_all(desk: Desk, options: argparse.Namespace) -> None:
    """List a programme's keys."""
    here = desk.programme(options.programme)
    with reading(desk.engine) as tx:
        found = keys.of_programme(tx, here.id)
    for key in found:
        ends = f"until {key.until:%Y-%m-%d %H:%M} UTC" if key.until else ""
        state = ends if key.valid(utc_now()) else "ended"
        used = f"used {key.used}" if key.used else "never used"
        scopes = ",".join(sorted(key.scopes))
        print(f"{key.prefix}  {key.name}  {scopes}  {used}  {state}".rstrip())  # noqa: T201 - the answer


def rotate(desk: Desk, options: argparse.Namespace) -> None:
    """Make a key that follows another; the old one is good for a while."""
    now = utc_now()
    old = _valid(desk, options.prefix)
    until = now + timedelta(hours=options.hours)
    _show(desk.run(partial(keys.rotate, old=old, now=now, until=until)))
    print(f"the old key is good until {until:%Y-%m-%d %H:%M} UTC")  # noqa: T201 - the answer


def revoke(desk: Desk, options: argparse.Namespace) -> None:
    """Let a key be refused from now on."""
    key = _valid(desk, options.prefix)
    desk.run(partial(keys.end, key=key, at=utc_now()))
    print(f"{key.prefix} is refused from now on")  # noqa: T201 - the answer


def _valid(desk: Desk, prefix: str) -> Key:
    with reading(desk.engine) as tx:
        found = [key for key in keys.by_prefix(tx, prefix) if key.valid(utc_now())]
    if not found:
        raise DeskError(f"there is no key {prefix} that is good")
    return found[0]


def _show(made: Made) -> None:
    lines = (
        f"key       {made.token}",
        f"webhook   /hooks/v1/{made.key.prefix}",
        f"signs it  {made.key.signing_secret}",
        "Keep them now: the key is not shown again, only its hash is stored.",
    )
    print("\n".join(lines))  # noqa: T201 - the answer
