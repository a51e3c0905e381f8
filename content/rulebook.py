"""Rule documents: what an operator may change without code, as a schema that refuses the rest."""

import tomllib
from functools import cache
from importlib import resources
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class _Rules(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


Points = Annotated[int, Field(ge=1, le=1_000_000)]


class StreakRules(_Rules):
    """Every how many days in a row a check-in pays more, and by what part."""

    every: Annotated[int, Field(ge=2, le=366)] = 7
    bonus: Annotated[float, Field(ge=0, le=10)] = 0.20


class CheckinRules(_Rules):
    """What a day's check-in pays."""

    points: Points = 5
    streak: StreakRules = StreakRules()


class LimitRules(_Rules):
    """How many commands a minute are answered: a member's own, and a whole group's."""

    member_per_minute: Annotated[int, Field(ge=1, le=10_000)] = 20
    group_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] = 600


class BoardRules(_Rules):
    """How many places a board shows."""

    places: Annotated[int, Field(ge=3, le=50)] = 10


class Rulebook(_Rules):
    """One rule document. `version` is the form of the document, not its revision."""

    version: Annotated[int, Field(ge=1, le=1)]
    checkin: CheckinRules = CheckinRules()
    limits: LimitRules = LimitRules()
    boards: BoardRules = BoardRules()


class RulebookError(ValueError):
    """A document that cannot be used. The message names the document, the key and the value."""


def read_rulebook(document: str, *, name: str) -> Rulebook:
    """Return the rules of a TOML document. Errors: RulebookError naming document, key, value."""
    try:
        data = tomllib.loads(document)
    except tomllib.TOMLDecodeError as error:
        raise RulebookError(f"{name}: not TOML: {error}") from error
    try:
        return Rulebook.model_validate(data)
    except ValidationError as error:
        raise RulebookError("\n".join(_explain(name, problem) for problem in error.errors())) from (
            error
        )


def _explain(name: str, problem: object) -> str:
    assert isinstance(problem, dict)
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"{name}: {key}: there is no such key"
    if problem["type"] == "missing":
        return f"{name}: {key}: is missing"
    return f"{name}: {key} = {problem['input']!r}: {problem['msg']}"


@cache
def shipped_document() -> str:
    """Return the rule document that ships with the product."""
    return resources.files("content").joinpath("rules/default.toml").read_text("utf-8")
