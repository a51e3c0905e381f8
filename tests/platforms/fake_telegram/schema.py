"""The published Bot API schema as a judge of what goes in and what comes out."""

import dataclasses
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

SCHEMA_PATH = Path(__file__).parents[3].parent / "shared" / "data" / "telegram-bot-api.json"

#: Parameters that stay text when there is no schema to tell (a text may look like a number).
_TEXTS = frozenset(
    [
        "text",
        "caption",
        "callback_query_id",
        "inline_query_id",
        "url",
        "secret_token",
        "name",
        "invite_link",
        "parse_mode",
        "language_code",
        "action",
        "inline_message_id",
        "photo",
        "next_offset",
    ]
)
_TRUE = frozenset({"true", "yes", "1"})
_FALSE = frozenset({"false", "no", "0"})


@dataclass(frozen=True)
class Upload:
    """A file that came in a multipart body."""

    filename: str
    content: bytes = dataclasses.field(repr=False)

    @property
    def size(self) -> int:
        """In bytes."""
        return len(self.content)


class Schema:
    """Methods and types of one Bot API version."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.version: str = document["version"]
        self.methods: dict[str, Any] = document["methods"]
        self.types: dict[str, Any] = document["types"]
        self.update_kinds = frozenset(
            field["name"]
            for field in self.types["Update"]["fields"]
            if field["name"] != "update_id"
        )
        #: The server accepts method names in any case.
        self.by_lower_name = {name.lower(): name for name in self.methods}

    @classmethod
    @cache
    def load(cls, path: Path = SCHEMA_PATH) -> "Schema | None":
        """Read the schema, or None where the project stands without it."""
        if not path.is_file():
            return None
        return cls(json.loads(path.read_text(encoding="utf-8")))

    def decode(self, method: str, raw: dict[str, Any]) -> tuple[dict[str, Any], list[str], bool]:
        """Turn raw parameters into typed ones.

        Returns the parameters, the problems found, and whether a problem is fatal: an unknown
        parameter is merely ignored by the real server, a missing or malformed one is refused.
        """
        fields = {field["name"]: field for field in self.methods[method].get("fields", [])}
        params: dict[str, Any] = {}
        problems: list[str] = []
        fatal = False
        for name, value in raw.items():
            if isinstance(value, Upload) and _points_to(name, raw):
                params[name] = value  # a file beside the parameter that names it
                continue
            if name not in fields:
                problems.append(f"{method}: unknown parameter {name!r}")
                continue
            decoded = _from_text(value, fields[name]["types"]) if isinstance(value, str) else value
            wrong = self.check_any(fields[name]["types"], decoded, f"{method}.{name}")
            if wrong:
                problems += wrong
                fatal = True
            else:
                params[name] = decoded
        for name, field in fields.items():
            if field["required"] and name not in raw:
                problems.append(f"{method}: required parameter {name!r} is missing")
                fatal = True
        return params, problems, fatal

    def required(self, method: str) -> set[str]:
        """Names of a method's required parameters."""
        fields = self.methods[method].get("fields", [])
        return {field["name"] for field in fields if field["required"]}

    def check_result(self, method: str, result: Any) -> list[str]:
        """Problems of a result that the fake is about to return."""
        return self.check_any(self.methods[method]["returns"], result, f"{method}()")

    def check_any(self, kinds: list[str], value: Any, path: str) -> list[str]:
        """Problems of a value that must be of one of these kinds (the nearest one's problems)."""
        nearest: list[str] | None = None
        for kind in kinds:
            found = self.check(kind, value, path)
            if not found:
                return []
            if nearest is None or len(found) < len(nearest):
                nearest = found
        return nearest or [f"{path}: no kind is allowed here"]

    def check(self, kind: str, value: Any, path: str) -> list[str]:
        """Problems of a value that must be of this kind."""
        if kind.startswith("Array of "):
            if not isinstance(value, list):
                return [f"{path}: {value!r} is no array"]
            inner = kind.removeprefix("Array of ")
            return [
                p for i, item in enumerate(value) for p in self.check(inner, item, f"{path}[{i}]")
            ]
        if kind in _SIMPLE:
            return [] if _SIMPLE[kind](value) else [f"{path}: {value!r} is no {kind}"]
        shape = self.types[kind]
        if shape.get("subtypes"):
            return self.check_any(shape["subtypes"], value, path)
        return self._check_object(kind, shape.get("fields", []), value, path)

    def _check_object(self, kind: str, fields: list[Any], value: Any, path: str) -> list[str]:
        if not isinstance(value, dict):
            return [f"{path}: {value!r} is no {kind}"]
        known = {field["name"]: field for field in fields}
        problems = [f"{path}: {kind} has no field {name!r}" for name in value if name not in known]
        for name, field in known.items():
            if name in value:
                problems += self.check_any(field["types"], value[name], f"{path}.{name}")
            elif field["required"]:
                problems.append(f"{path}: {kind} lacks {name!r}")
        return problems


def _points_to(name: str, raw: dict[str, Any]) -> bool:
    """Whether a parameter inside which media is described names a file of this upload."""
    texts = (value for value in raw.values() if isinstance(value, str))
    return any(f'"attach://{name}"' in text for text in texts)


_SIMPLE = {
    "Integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "Float": lambda v: isinstance(v, int | float) and not isinstance(v, bool),
    "Boolean": lambda v: isinstance(v, bool),
    "String": lambda v: isinstance(v, str),
    "InputFile": lambda v: isinstance(v, Upload),
}


def _from_text(text: str, kinds: list[str]) -> Any:
    """Read a parameter that came as text; what cannot be read stays text and fails the check."""
    if "Integer" in kinds and text.removeprefix("-").isdecimal():
        return int(text)
    if "String" in kinds or "InputFile" in kinds:
        return text
    if "Boolean" in kinds:
        return True if text.lower() in _TRUE else False if text.lower() in _FALSE else text
    try:
        return json.loads(text)
    except ValueError:
        return text


def guess(raw: dict[str, Any]) -> dict[str, Any]:
    """Decode parameters without a schema: JSON where it parses, text elsewhere."""
    params = {}
    for name, value in raw.items():
        params[name] = value
        if isinstance(value, str) and name not in _TEXTS:
            try:
                params[name] = json.loads(value)
            except ValueError:
                continue
    return params
