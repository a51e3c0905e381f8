"""`python -m bot risk`: what was found about members, and what an owner says of it."""

import argparse
from datetime import datetime
from functools import partial

from bot.clock import utc_now
from bot.desk import Desk, DeskError
from bot.paper import say
from content.names import signature
from content.texts import texts
from storage import credit, findings, ledger, reviews
from storage.db import Tx, from_ms, reading
from storage.findings import CLEARED, CONFIRMED, DecidedError, Finding, Verdict
from storage.programmes import Programme

BY_MAX = 200
_VERDICTS: dict[str, Verdict] = {"confirm": CONFIRMED, "clear": CLEARED}


def run(desk: Desk, options: argparse.Namespace) -> None:
    """Do what the command line says. Errors: DeskError."""
    here = desk.programme(options.programme)
    if options.verb == "list":
        _list(desk, here, max(options.most, 1))
    elif options.verb == "show":
        _show(desk, here, options.number)
    else:
        _decide(desk, here, options, _VERDICTS[options.verb])


def _list(desk: Desk, here: Programme, most: int) -> None:
    with reading(desk.engine) as tx:
        number = findings.count(tx, here.id)
        found = findings.waiting(tx, here.id, most=most)
    if not number:
        say("Nothing waits for you.")
        return
    for each in found:
        say(_line(here, each))
    more = f", the oldest {len(found)} of them here" if len(found) < number else ""
    say(f"{number} waiting{more}")


def _line(here: Programme, each: Finding) -> str:
    at = from_ms(each.made_ms).astimezone(here.zone)
    appealed = "  appealed" if each.appeal else ""
    return f"{each.id}  {at:%m-%d %H:%M}  {each.name}  {each.kind}  {_told(here, each)}{appealed}"


def _told(here: Programme, each: Finding) -> str:
    return texts(here.locale).say(f"finding.{each.evidence.text}", **each.evidence.numbers)


def _show(desk: Desk, here: Programme, number: int) -> None:
    with reading(desk.engine) as tx:
        found = findings.get(tx, here.id, number)
        if found is None:
            raise DeskError(f"finding {number} does not exist")
        has = ledger.account(tx, here.id, found.member_id)
        score = credit.standing(here.rules, has).score
        lost = credit.taken_by(tx, here.id, found.member_id, number)
        held = reviews.points_of_finding(tx, here.id, number)
    say(_line(here, found))
    say(f"member {found.member_id}, credit {score}; this took {lost}")
    say(f"since {found.evidence.first}; {held} points wait for the decision")
    if found.appeal:
        say(f"the member says: {found.appeal}")
    if found.decided_ms is not None:
        at = from_ms(found.decided_ms).astimezone(here.zone)
        say(f"{found.state} by {found.decided_by}, {at:%m-%d %H:%M}; {found.taken} points taken")


def _decide(desk: Desk, here: Programme, options: argparse.Namespace, verdict: Verdict) -> None:
    try:
        by = signature(options.by, BY_MAX)
        decide = partial(_decided, here=here, verdict=verdict, by=by, now=utc_now())
        for number in options.number:
            done = desk.ask(partial(decide, number=number), DecidedError)
            say(f"{number} {verdict}: {done.name}, {done.taken} points taken back")
    except ValueError as error:
        raise DeskError(str(error)) from error


def _decided(
    tx: Tx, *, here: Programme, verdict: Verdict, by: str, now: datetime, number: int
) -> Finding:
    return findings.decide(tx, here, number, verdict, by=by, now=now)
