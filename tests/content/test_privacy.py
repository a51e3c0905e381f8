"""What a member agrees to are words of a version; and what his age leaves open."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from content.privacy import PURPOSES, VERSIONS, band_from, erased_name, mark, marked, may, seen_by
from content.rulebook import PrivacyRules
from content.texts import LOCALES, texts

READ = {
    ("profile", 1): "774ba28b960506e5",
    ("contact", 1): "f55fda5e74b1957e",
    ("personalised", 1): "5ebc18ee3028468d",
}
"""The words of each version, as their hash: with other words a version is another one."""
NOW = datetime(2026, 3, 4, 4, 0, tzinfo=UTC)


@pytest.mark.parametrize("purpose", PURPOSES)
def test_other_words_are_another_version(purpose: str) -> None:
    said = "\n".join(texts(locale).say(f"privacy.what_{purpose}", mark="") for locale in LOCALES)
    found = hashlib.sha256(said.encode()).hexdigest()[:16]
    assert READ[purpose, VERSIONS[purpose]] == found


@pytest.mark.parametrize(
    ("band", "matter", "allowed"),
    [
        (None, "gift", True),
        ("under14", "gift", False),
        ("under14", "draw", False),
        ("under14", "profile", False),
        ("under14", "personalised", False),
        ("minor", "gift", True),
        ("minor", "profile", True),
        ("adult", "draw", True),
    ],
)
def test_what_an_age_leaves_open(band, matter, allowed) -> None:
    assert may(band, matter) is allowed


@pytest.mark.parametrize(
    ("days", "waits"), [(None, False), (0, True), (29, True), (30, False), (400, False)]
)
def test_an_age_stands_for_a_month(days, waits) -> None:
    last = None if days is None else NOW - timedelta(days=days)
    free = band_from(last, NOW)
    assert (free is not None) is waits
    if free is not None:
        assert free == last + timedelta(days=30)


@pytest.mark.parametrize(
    ("said", "usual", "seen"),
    [
        ("", "members", "members"),
        ("", "private", "private"),
        ("public", "private", "public"),
        ("private", "public", "private"),
        ("nonsense", "members", "members"),
    ],
)
def test_who_has_said_nothing_is_seen_by_the_rules(said, usual, seen) -> None:
    assert seen_by(said, PrivacyRules(visibility=usual)) == seen


@pytest.mark.parametrize(
    ("visibility", "boards", "opt_in"),
    [
        ("members", "opt_out", False),
        ("members", "opt_in", True),
        ("private", "opt_out", True),
        ("public", "opt_out", False),
    ],
)
def test_boards_follow_the_rules_of_both(visibility, boards, opt_in) -> None:
    assert PrivacyRules(visibility=visibility, boards=boards).opt_in is opt_in


def test_a_mark_needs_the_secret_and_every_word() -> None:
    right = mark(b"secret", "person", "1", "telegram", "7000")
    assert len(right) == 64
    assert marked(b"secret", right, "person", "1", "telegram", "7000")
    for secret, words in (
        (b"other", ("person", "1", "telegram", "7000")),
        (b"secret", ("person", "2", "telegram", "7000")),
        (b"secret", ("person", "1", "telegram", "700", "0")),
        (b"secret", ()),
    ):
        assert not marked(secret, right, *words)
    assert not marked(b"secret", "é", "person")


def test_an_erased_member_has_a_short_number() -> None:
    assert erased_name(texts("zh"), 1883115876007110042) == "已注销用户0042"
    assert erased_name(texts("en"), 7) == "Erased member 0007"
