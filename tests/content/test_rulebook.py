"""Rule documents: what is refused, and what the refusal says."""

import math
import re
import tomllib

import pytest
from pydantic import BaseModel

from content.rulebook import Rulebook, RulebookError, read_rulebook, shipped_document

NAME = "营.toml"


def test_the_shipped_document_says_what_the_schema_defaults_to() -> None:
    assert read_rulebook(shipped_document(), name=NAME) == Rulebook(version=1)


def test_the_shipped_document_shows_every_key() -> None:
    def keys(model: BaseModel) -> dict[str, object]:
        return {
            name: keys(value) if isinstance(value, BaseModel) else value for name, value in model
        }

    assert tomllib.loads(shipped_document()) == keys(Rulebook(version=1))


def test_rules_are_read_from_the_document() -> None:
    rules = read_rulebook(
        """
        version = 1
        [checkin]
        points = 12
        streak = { every = 3, bonus = 0.5 }
        [boards]
        places = 50
        [limits]
        member_per_minute = 1
        group_per_minute = 1_000_000
        """,
        name=NAME,
    )
    assert rules.checkin.points == 12
    assert (rules.checkin.streak.every, rules.checkin.streak.bonus) == (3, 0.5)
    assert rules.boards.places == 50
    assert (rules.limits.member_per_minute, rules.limits.group_per_minute) == (1, 1_000_000)


@pytest.mark.parametrize(
    ("body", "key", "value"),
    [
        ("[checkin]\npoints = 0", "checkin.points", "0"),
        ("[checkin]\npoints = -5", "checkin.points", "-5"),
        ("[checkin]\npoints = 1_000_001", "checkin.points", "1000001"),
        ("[checkin]\npoints = 5.5", "checkin.points", "5.5"),
        ('[checkin]\npoints = "five"', "checkin.points", "'five'"),
        ("[checkin]\npoints = [5]", "checkin.points", "[5]"),
        ("[checkin]\npoints = 99999999999999999999", "checkin.points", "99999999999999999999"),
        ("[checkin.streak]\nevery = 1", "checkin.streak.every", "1"),
        ("[checkin.streak]\nevery = 367", "checkin.streak.every", "367"),
        ("[checkin.streak]\nbonus = -0.1", "checkin.streak.bonus", "-0.1"),
        ("[checkin.streak]\nbonus = 10.1", "checkin.streak.bonus", "10.1"),
        ("[checkin.streak]\nbonus = nan", "checkin.streak.bonus", "nan"),
        ("[checkin.streak]\nbonus = inf", "checkin.streak.bonus", "inf"),
        ("[checkin.streak]\nbonus = '20%'", "checkin.streak.bonus", "'20%'"),
        ("[limits]\nmember_per_minute = 0", "limits.member_per_minute", "0"),
        ("[limits]\nmember_per_minute = 10_001", "limits.member_per_minute", "10001"),
        ("[limits]\ngroup_per_minute = 0", "limits.group_per_minute", "0"),
        ("[limits]\ngroup_per_minute = 1_000_001", "limits.group_per_minute", "1000001"),
        ("[boards]\nplaces = 2", "boards.places", "2"),
        ("[boards]\nplaces = 51", "boards.places", "51"),
        ("checkin = 5", "checkin", "5"),
        ("boards = []", "boards", "[]"),
    ],
)
def test_a_wrong_value_is_refused_with_document_key_and_value(
    body: str, key: str, value: str
) -> None:
    with pytest.raises(RulebookError, match=rf"^{NAME}: {re.escape(f'{key} = {value}')}: \S"):
        read_rulebook(f"version = 1\n{body}", name=NAME)


@pytest.mark.parametrize("word", ["true", "false"])
@pytest.mark.parametrize("key", ["points", "streak.every"])
def test_yes_or_no_is_no_number(key: str, word: str) -> None:
    with pytest.raises(RulebookError, match=re.escape(f"checkin.{key} = {word.title()}")):
        read_rulebook(f"version = 1\n[checkin]\n{key} = {word}", name=NAME)


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ("chekin = 1", "chekin"),
        ("[checkin]\npoint = 5", "checkin.point"),
        ("[checkin.streak]\nEvery = 7", "checkin.streak.Every"),
        ("[limits]\nmember = 7", "limits.member"),
    ],
)
def test_a_key_that_is_not_known_is_refused(body: str, key: str) -> None:
    with pytest.raises(RulebookError) as refused:
        read_rulebook(f"version = 1\n{body}", name=NAME)
    assert str(refused.value) == f"{NAME}: {key}: there is no such key"


@pytest.mark.parametrize("version", ["0", "2", "-1", "'one'", "1.5"])
def test_another_form_of_the_document_is_refused(version: str) -> None:
    with pytest.raises(RulebookError, match=rf"^{NAME}: version = {version}"):
        read_rulebook(f"version = {version}", name=NAME)


@pytest.mark.parametrize("document", ["", "# nothing", "[checkin]\npoints = 5"])
def test_a_document_must_say_its_form(document: str) -> None:
    with pytest.raises(RulebookError, match=rf"^{NAME}: version: is missing$"):
        read_rulebook(document, name=NAME)


@pytest.mark.parametrize(
    "document",
    ["a b", "version = ", "version = 1\nversion = 1", "[checkin", "{}", "\x00", "version: 1"],
)
def test_what_is_not_toml_is_refused_with_the_place(document: str) -> None:
    with pytest.raises(RulebookError, match=rf"^{NAME}: not TOML: .*\(at "):
        read_rulebook(document, name=NAME)


def test_every_fault_of_a_document_is_named_at_once() -> None:
    with pytest.raises(RulebookError) as refused:
        read_rulebook("extra = 1\n[checkin]\npoints = 0\n[boards]\nplaces = 99", name=NAME)
    lines = str(refused.value).splitlines()
    assert len(lines) == 4
    assert all(line.startswith(f"{NAME}: ") for line in lines)
    for part in ("version: is missing", "checkin.points = 0", "boards.places = 99", "extra: there"):
        assert any(part in line for line in lines)


def test_rules_that_stand_cannot_be_changed() -> None:
    rules = Rulebook(version=1)
    with pytest.raises(ValueError, match="frozen"):
        rules.checkin.points = 1_000  # type: ignore[misc]
    assert math.isclose(rules.checkin.streak.bonus, 0.2)
