"""`python -m bot compensate …`: propose a compensation, decide about it, carry it out."""

import argparse
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from bot.clock import utc_now
from bot.desk import Desk
from bot.interrupts import interrupts
from bot.paper import fail, progress, say, table
from content import compensation as offers
from content.compensation import Offer, OfferError
from storage import compensating, compensation
from storage.compensation import CompensationError, Run, Share
from storage.db import Tx, reading
from storage.programmes import Programme

FEN = 100
"""Fen in a yuan."""
INTERRUPTED = 130
"""The exit status after Ctrl+C."""


def run(desk: Desk, options: argparse.Namespace) -> int:
    """Do what `options.verb` says and return the exit status. Errors: DeskError, the store's."""
    try:
        return _VERBS[options.verb](desk, desk.programme(options.programme), options)
    except (CompensationError, OfferError) as error:
        return fail(str(error))
    except UnicodeDecodeError:
        return fail(f"{options.members}: this is no text file")
    except OSError as error:
        return fail(f"{error.filename}: {error.strerror}")


def _propose(desk: Desk, here: Programme, options: argparse.Namespace) -> int:
    """Write a run down, or with --dry-run only say what it would come to."""
    offer = Offer(options.kind, options.wallet, options.percent, options.points, options.most)
    people = _people(desk, here, options)
    now = utc_now()
    if options.dry_run:
        with reading(desk.engine) as tx:
            today = now.astimezone(here.zone).date()
            found = compensation.dry_run(tx, here, offer, people, today)
        _offered(offer)
        _sums(found.members, found.points, found.cost_fen, found.largest)
        say("Nothing has been written.")
        return 0
    job = partial(
        compensation.propose,
        here=here,
        offer=offer,
        people=people,
        author=options.author,
        note=options.note,
        now=now,
    )
    made = desk.ask(job, CompensationError, OfferError)
    _describe(desk, made)
    say(f"This is run {made.id}. Approvals that it needs: {made.needs}, by different people.")
    return 0


def _people(desk: Desk, here: Programme, options: argparse.Namespace) -> list[int] | None:
    """Return the numbers of the members who are named, None when nobody is."""
    named: list[str] = list(options.member or [])
    if options.members is not None:
        lines = Path(options.members).read_text("utf-8-sig").splitlines()
        named += [line for line in lines if line.strip()]
    elif not named:
        return None
    return desk.people(here.id, named)


def _show(desk: Desk, here: Programme, options: argparse.Namespace) -> int:
    with reading(desk.engine) as tx:
        found = compensation.find(tx, here.id, options.number)
        votes = compensating.votes(tx, found)
        members, points = compensation.paid(tx, found)
    say(f"run {found.id}, {found.state}: {found.note}")
    say(f"proposed by {found.author}, {found.created.astimezone(here.zone):%Y-%m-%d %H:%M}")
    _describe(desk, found)
    rows = [
        (f"{vote.at.astimezone(here.zone):%Y-%m-%d %H:%M}", vote.name, vote.verdict, vote.note)
        for vote in votes
    ]
    if rows:
        table(("when", "who", "decision", "note"), rows)
    say(f"Paid: {members:,} of {found.members:,} members, {points:,} of {found.points:,} points.")
    return 0


def _list(desk: Desk, here: Programme, _options: argparse.Namespace) -> int:
    with reading(desk.engine) as tx:
        runs = compensation.all_runs(tx, here.id)
        rows = [
            (
                f"{one.id}",
                f"{one.created.astimezone(here.zone):%Y-%m-%d}",
                one.offer.kind,
                one.offer.wallet,
                f"{one.members:,}",
                f"{one.points:,}",
                one.state,
                f"{compensating.approvals(tx, one)}/{one.needs}",
                one.author,
            )
            for one in runs
        ]
    if not rows:
        say("There has been no compensation.")
        return 0
    head = ("run", "day", "kind", "wallet", "members", "points", "state", "approvals", "by")
    table(head, rows)
    return 0


def _approve(desk: Desk, here: Programme, options: argparse.Namespace) -> int:
    def job(tx: Tx) -> tuple[Run, int]:
        decided = compensating.approve(
            tx, here.id, options.number, by=options.by, note=options.note, now=utc_now()
        )
        return decided, compensating.approvals(tx, decided)

    found, has = desk.ask(job, CompensationError)
    say(f"run {found.id} is {found.state}: {has} of {found.needs} approvals")
    return 0


def _refuse(desk: Desk, here: Programme, options: argparse.Namespace) -> int:
    job = partial(
        compensating.refuse,
        programme_id=here.id,
        number=options.number,
        by=options.by,
        note=options.note,
        now=utc_now(),
    )
    found = desk.ask(job, CompensationError)
    say(f"run {found.id} is {found.state}")
    return 0


def _run(desk: Desk, here: Programme, options: argparse.Namespace) -> int:
    """Carry a run out, a batch in a transaction; interrupted, it goes on when it is run again."""
    begin = partial(
        compensating.begin,
        programme_id=here.id,
        number=options.number,
        by=options.by,
        now=utc_now(),
    )
    found = desk.ask(begin, CompensationError)
    paid, failed = 0, list[tuple[int, str]]()
    with interrupts() as stopped:
        batch = _batch(desk, here, found, after=0, most=options.batch)
        while True:
            paid += batch.paid
            failed += batch.failed
            progress(f"{paid:,} of {found.members:,} members")
            if batch.last is None or stopped.is_set():
                break
            batch = _batch(desk, here, found, after=batch.last, most=options.batch)
    progress("")
    with reading(desk.engine) as tx:
        members, points = compensation.paid(tx, found)
    say(f"run {found.id} is {batch.state}: {paid:,} members have been paid just now")
    say(f"In all: {members:,} of {found.members:,} members, {points:,} points.")
    for member_id, reason in failed[: compensation.LARGEST]:
        fail(f"member {member_id} could not be paid: {reason}")
    if batch.last is not None:
        fail("interrupted: the same command goes on with the others")
        return INTERRUPTED
    return fail(f"not paid: {len(failed):,}") if failed else 0


def _batch(desk: Desk, here: Programme, found: Run, *, after: int, most: int) -> compensating.Batch:
    job = partial(
        compensating.pay, here=here, number=found.id, now=utc_now(), after=after, most=most
    )
    return desk.ask(job, CompensationError)


_VERBS = {
    "propose": _propose,
    "show": _show,
    "list": _list,
    "approve": _approve,
    "refuse": _refuse,
    "run": _run,
}


def _describe(desk: Desk, found: Run) -> None:
    """Print what a run gives, to how many, and to whom the most."""
    with reading(desk.engine) as tx:
        largest = compensation.largest(tx, found)
    _offered(found.offer)
    _sums(found.members, found.points, found.points * found.value_fen, largest)


def _offered(offer: Offer) -> None:
    where = f" into the wallet {offer.wallet}"
    if offer.percent is None:
        say(f"fixed: {offer.points:,} points each{where}")
        return
    given = float(offers.ratio(offer) * 100)
    most = f", at most {offer.most:,} each" if offer.most is not None else ""
    words = {"inflation": "prices rose by", "value_drop": "a point lost"}[offer.kind]
    say(f"{offer.kind}: {words} {float(offer.percent):g}%")
    say(f"{given:.4g}% of what each member has available{most},{where}")


def _sums(members: int, points: int, cost_fen: int, largest: Iterable[Share]) -> None:
    yuan = f"{cost_fen / FEN:,.2f}"
    say(f"{members:,} members get {points:,} points, worth {cost_fen:,} fen ({yuan} yuan).")
    rows = [(f"{one.member_id}", one.name, f"{one.points:,}") for one in largest]
    if rows:
        table(("the most", "name", "points"), rows)
