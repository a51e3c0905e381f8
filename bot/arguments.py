"""The command lines of what works on the books: compensate, export, statement; privacy, risk."""

import argparse
import re
from fractions import Fraction
from pathlib import Path

KINDS = ("inflation", "value_drop", "fixed")
COUNT_MAX = 10_000
ID_END = 2**63


def compensate(parser: argparse.ArgumentParser) -> None:
    """Fill in `compensate …`."""
    verbs = parser.add_subparsers(required=True, dest="verb")

    def verb(name: str, about: str) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=about, description=about)
        _programme(sub)
        return sub

    new = verb("propose", "write down what every member would get; others have to approve it")
    new.add_argument("kind", choices=KINDS)
    new.add_argument("--percent", type=percent, help="prices rose, or a point lost, by so much")
    new.add_argument("--points", type=whole, help="a fixed sum for each")
    new.add_argument("--most", type=whole, help="a ceiling for each, with a percentage")
    new.add_argument("--member", action="append", help="a number, or telegram:123; default: all")
    new.add_argument("--members", type=Path, metavar="FILE", help="a member in each line")
    new.add_argument("--wallet", default="points", help="default: the points")
    new.add_argument("--author", required=True, help="who proposes it")
    new.add_argument("--note", required=True, help="why, in a sentence")
    new.add_argument("--dry-run", action="store_true", help="say what it comes to, write nothing")
    verb("list", "list the runs, the newest first")
    shown = verb("show", "show a run, who decided what, and how much has been paid")
    approve = verb("approve", "approve a run: as many different people as the rules ask for")
    refuse = verb("refuse", "end a run before it is approved; its author withdraws it so")
    carry = verb("run", "pay a run that is approved; interrupted, it goes on when run again")
    for way in (shown, approve, refuse, carry):
        way.add_argument("number", type=whole, help="the run")
    for way in (approve, refuse, carry):
        way.add_argument("--by", required=True, help="who decides this")
    carry.add_argument("--batch", type=whole, default=500, help="paid at a time (default 500)")
    for way in (approve, refuse):
        way.add_argument("--note", default="", help="why")


def risk(parser: argparse.ArgumentParser) -> None:
    """Fill in `risk …`."""
    verbs = parser.add_subparsers(required=True, dest="verb")
    listed = verbs.add_parser("list", help="list what waits, the oldest first")
    listed.add_argument("--most", type=int, default=50, help="how many (default 50)")
    shown = verbs.add_parser("show", help="show a finding, and what waits for it")
    confirm = verbs.add_parser("confirm", help="so it is: take back what was earned by it")
    clear = verbs.add_parser("clear", help="a mistake: give back credit, and pay what waited")
    shown.add_argument("number", type=number, help="the number that list shows")
    for way in (confirm, clear):
        way.add_argument("number", type=number, nargs="+", help="the numbers that list shows")
        way.add_argument("--by", required=True, help="who decides: it is kept")
    for way in (listed, shown, confirm, clear):
        _programme(way)


def export(parser: argparse.ArgumentParser) -> None:
    """Fill in `export …`."""
    what = parser.add_subparsers(required=True, dest="verb")
    about = "write every posting to a file, and say what they add up to"
    ledger = what.add_parser("ledger", help=about, description=about)
    ledger.add_argument("file", type=Path, metavar="FILE")
    ledger.add_argument("--programme", type=int, help="its number (default: all of them)")
    ledger.add_argument("--format", choices=("csv", "jsonl"), default="csv", help="default: csv")


def privacy(parser: argparse.ArgumentParser) -> None:
    """Fill in `privacy …`."""
    what = parser.add_subparsers(required=True, dest="verb")
    about = "write everything that is known about a member to a ZIP file, for him to have"
    person = what.add_parser("export", help=about, description=about)
    person.add_argument("member", metavar="MEMBER", help="a number, or telegram:123")
    person.add_argument("file", type=Path, metavar="FILE")
    _programme(person)


def statement(parser: argparse.ArgumentParser) -> None:
    """Fill in `statement …`."""
    _programme(parser)
    parser.add_argument("member", help="a number, or telegram:123")
    parser.add_argument("--at", metavar="TIME", help="2026-11-22 (its end), or 2026-11-22T18:30")
    parser.add_argument("--count", type=whole, default=20, help="how many movements (default 20)")
    parser.add_argument("--wallet", default="points", help="default: the points")


def percent(given: str) -> Fraction:
    """Return a percentage, exact. Errors: ValueError."""
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,2})?%?", given):
        raise ValueError(given)
    return Fraction(given.removesuffix("%"))


def whole(given: str) -> int:
    """Return a whole number from 1. Errors: ValueError."""
    if not re.fullmatch("[0-9]{1,12}", given) or int(given) == 0:
        raise ValueError(given)
    return int(given)


def number(given: str) -> int:
    """Return a row's number. Errors: ValueError."""
    if not re.fullmatch("[0-9]{1,19}", given) or int(given) >= ID_END:
        raise ValueError(given)
    return int(given)


def _programme(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--programme", type=int, default=1, help="its number (default 1)")
