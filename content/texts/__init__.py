"""Every word that a member reads, by language; checked whole before the first is said."""

import string
import tomllib
from functools import cache
from importlib import resources
from typing import Any

LOCALES = ("zh", "en")
DEFAULT_LOCALE = "zh"


class Texts:
    """The texts of one language."""

    def __init__(self, locale: str, table: dict[str, str]) -> None:
        """Take the flat table of a language."""
        self.locale = locale
        self._table = table

    def say(self, key: str, **values: Any) -> str:
        """Return the text, its placeholders filled. A missing key or value is a KeyError."""
        return self._table[key].format_map(values)

    def __contains__(self, key: str) -> bool:
        return key in self._table


def texts(locale: str) -> Texts:
    """Return the texts of a language; a variant (`zh-hans`) or an unknown one finds its nearest."""
    base = locale.lower().replace("_", "-").split("-")[0]
    if base not in LOCALES:
        base = "en" if base else DEFAULT_LOCALE
    return _texts(base)


@cache
def _texts(base: str) -> Texts:
    return Texts(base, _load(base))


@cache
def _load(locale: str) -> dict[str, str]:
    raw = resources.files("content").joinpath(f"texts/{locale}.toml").read_text("utf-8")
    return {
        f"{group}.{key}": text
        for group, table in tomllib.loads(raw).items()
        for key, text in table.items()
    }


def _holes(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def problems() -> list[str]:
    """Return what differs between the languages: keys missing on one side, other placeholders."""
    found: list[str] = []
    base = _load(DEFAULT_LOCALE)
    for locale in LOCALES[1:]:
        other = _load(locale)
        name = f"content/texts/{locale}.toml"
        found += [f"{name}: {key} is missing" for key in base.keys() - other.keys()]
        found += [f"{name}: {key} is not in zh.toml" for key in other.keys() - base.keys()]
        found += [
            f"{name}: {key} has other placeholders than zh.toml"
            for key in base.keys() & other.keys()
            if _holes(base[key]) != _holes(other[key])
        ]
    return sorted(found)
