"""What is wrong with a document, in plain words: the key, its value, and what is allowed there."""

from collections.abc import Mapping
from typing import Any

VALUE_MAX = 80
"""Characters of a value that a message repeats."""
_KEY = ("[key]",)
"""How pydantic marks the name of an entry, as opposed to its value."""

Node = Mapping[str, Any]
Place = tuple[str | int, ...]


def line(key: str, value: object, words: str) -> str:
    """Return one fault as a line: `key = value: words`."""
    said = repr(value)
    return f"{key} = {said if len(said) <= VALUE_MAX else said[: VALUE_MAX - 1] + '…'}: {words}"


def explain(problem: Mapping[str, Any], data: object, schema: Node) -> str:
    """Return pydantic's finding about `data` as a line, in the words of its JSON schema."""
    place: Place = problem["loc"]
    if place[-1:] == _KEY:
        names = _at(place[:-2], schema)["propertyNames"]
        return f"{_key(place[:-1], data)}: this name must be {_allowed(names, schema)}"
    key = _key(place, data)
    if problem["type"] == "extra_forbidden":
        return f"{key}: there is no such key"
    allowed = _allowed(_at(place, schema), schema)
    if problem["type"] == "missing":
        return f"{key}: is missing; it must be {allowed}"
    return line(key, problem["input"], f"must be {allowed}")


def _key(place: Place, data: Any) -> str:
    """Name a place as an operator finds it: an entry of a list by its id, else by its number."""
    parts: list[str] = []
    for step in place:
        if isinstance(step, int):
            data = data[step]
            id_ = data.get("id") if isinstance(data, dict) else None
            parts.append(id_ if isinstance(id_, str) and id_ else str(step + 1))
        else:
            data = data.get(step) if isinstance(data, dict) else data  # a table written in short
            parts.append(step)
    return ".".join(parts)


def _at(place: Place, schema: Node) -> Node:
    node = schema
    for step in place:
        if isinstance(step, int):
            node = node["items"]
        elif "properties" in node:
            node = node["properties"][step]
        else:
            (node,) = node["patternProperties"].values()
        node = _plain(node, schema)
    return node


def _plain(node: Node, schema: Node) -> Node:
    """Follow references; what may be left out is described by what it is otherwise."""
    for each in node.get("anyOf", ()):
        if each.get("type") != "null":
            return _plain(each, schema)
    if "$ref" in node:
        definition: Node = schema["$defs"][node["$ref"].rpartition("/")[2]]
        return definition
    return node


def _allowed(node: Node, schema: Node) -> str:
    kind = node.get("type")
    if kind == "object":
        return "a table"
    if "description" in node:
        return str(node["description"])
    if "const" in node or "enum" in node:
        choices = [repr(choice) for choice in node.get("enum", [node.get("const")])]
        return choices[0] if len(choices) == 1 else f"one of {', '.join(choices)}"
    if kind == "array":
        item = _allowed(_plain(node["items"], schema), schema)
        return f"a list of at most {node['maxItems']} entries, each {item}"
    if kind == "boolean":
        return "true or false"
    return ("a whole number " if kind == "integer" else "a number ") + _range(node)


def _range(node: Node) -> str:
    most = _figure(node["maximum"])
    if "exclusiveMinimum" in node:
        return f"above {_figure(node['exclusiveMinimum'])} and up to {most}"
    return f"from {_figure(node['minimum'])} to {most}"


def _figure(number: float) -> str:
    return f"{int(number) if number == int(number) else number:,}"
