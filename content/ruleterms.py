"""What rule documents are made of: tables that refuse unknown keys, names, ids, numbers, lists."""

from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from content.texts import LOCALES

_T = TypeVar("_T")


class Rules(BaseModel):
    """A table of a rule document."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


Points = Annotated[int, Field(ge=1, le=1_000_000)]
Days = Annotated[int, Field(ge=1, le=3_650)]
DaysOrNone = Annotated[int, Field(ge=0, le=365)]
Factor = Annotated[float, Field(ge=0, le=100)]
PerYuan = Annotated[float, Field(gt=0, le=1_000)]
PerMinute = Annotated[int, Field(ge=1, le=1_000_000)]
Name = Annotated[
    str, Field(pattern=r"^\S(.{0,22}\S)?$", description="1 to 24 characters on one line")
]
Id = Annotated[
    str,
    Field(
        pattern=r"^[a-z][a-z0-9_-]{0,23}$",
        description="1 to 24 of a-z, 0-9, - and _, with a letter first",
    ),
]
Language = Annotated[
    str,
    Field(pattern=rf"^({'|'.join(LOCALES)})$", description=f"a language: {' or '.join(LOCALES)}"),
]
Many = Annotated[tuple[_T, ...], Field(strict=False, max_length=100)]  # TOML's lists are lists


class Named(Rules):
    """What members read the name of: `name`, and what it is called in other languages."""

    name: Name
    names: dict[Language, Name] = {}

    def called(self, locale: str) -> str:
        """Return the name in a language: `name` where the document gives no other."""
        return self.names.get(locale, self.name)
