"""Codes as people type them, and what forbids a binding."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from content.linking import (
    APART,
    BINDINGS_MAX,
    LETTERS,
    Case,
    code_hash,
    forbids,
    new_code,
    read_code,
)

NOW = datetime(2026, 3, 4, 4, 0, tzinfo=UTC)
FREE = Case(same=False, mine=0, others=0, parted=None)


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("ABCD2345", "ABCD2345"),
        ("abcd2345", "ABCD2345"),
        (" ABCD 2345 ", "ABCD2345"),
        ("ABCD-2345", "ABCD2345"),
        ("ＡＢＣＤ２３４５", "ABCD2345"),
        ("\u200bABCD\u200b2345", "ABCD2345"),
        ("ABCD234", None),
        ("ABCD23456", None),
        ("ABCD2340", None),
        ("ABCDI345", None),
        ("绑定绑定绑定绑定", None),
        ("😀" * 8, None),
        ("\u202eABCD2345", None),
        ("", None),
        ("A" * 10_000, None),
    ],
)
def test_a_code_is_read_as_it_was_meant(typed: str, code: str | None) -> None:
    assert read_code(typed) == code


def test_codes_are_of_letters_that_cannot_be_mistaken() -> None:
    assert len({*LETTERS}) == len(LETTERS) == 32
    assert not {*"01IO"} & {*LETTERS}
    codes = {new_code(Random(number)) for number in range(500)}
    assert len(codes) == 500
    assert all(read_code(code) == code for code in codes)
    assert {letter for code in codes for letter in code} == {*LETTERS}


def test_of_a_code_its_hash_is_kept() -> None:
    assert code_hash("ABCD2345") != code_hash("ABCD2346")
    assert "ABCD" not in code_hash("ABCD2345").upper()


@pytest.mark.parametrize(
    ("case", "why"),
    [
        (FREE, None),
        (FREE._replace(same=True), "link.own"),
        (FREE._replace(parted=NOW), "link.apart"),
        (FREE._replace(parted=NOW - APART + timedelta(seconds=1)), "link.apart"),
        (FREE._replace(parted=NOW - APART), None),
        (FREE._replace(mine=BINDINGS_MAX - 1, others=BINDINGS_MAX - 1), None),
        (FREE._replace(mine=BINDINGS_MAX), "link.often"),
        (FREE._replace(others=BINDINGS_MAX), "link.often_there"),
    ],
)
def test_what_forbids_a_binding(case: Case, why: str | None) -> None:
    assert forbids(case, NOW) == why
