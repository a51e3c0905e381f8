"""Message texts: UTF-16 lengths, the entities a server finds itself, and HTML."""

import html
import re
from typing import Any

from .errors import bad_request

MAX_ENTITIES = 100

_FOUND = (
    (
        "bot_command",
        re.compile(r"(?<![\w/@])/[A-Za-z0-9_]{1,64}(?:@[A-Za-z]\w{2,31})?(?![\w/@])", re.ASCII),
    ),
    ("mention", re.compile(r"(?<![\w@])@[A-Za-z]\w{3,31}(?!\w)", re.ASCII)),
    ("url", re.compile(r"https?://[^\s<>\"]+")),
    ("hashtag", re.compile(r"(?<![\w#])#\w*[^\W\d]\w*")),
)
_TAGS = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "tg-spoiler": "spoiler",
    "span": "spoiler",
    "code": "code",
    "pre": "pre",
    "blockquote": "blockquote",
    "a": "text_link",
}
_ATTRIBUTE = re.compile(r"""([\w-]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?""")
_TAG = re.compile(r"<(/?)([A-Za-z][\w-]*)((?:[^>\"']|\"[^\"]*\"|'[^']*')*)>")
_CHARACTER = re.compile(r"&(?:lt|gt|amp|quot|#\d+|#x[0-9a-fA-F]+);")


def utf16(text: str) -> int:
    """Count the units that the platform counts: an emoji is two."""
    return len(text.encode("utf-16-le")) // 2


def find_entities(text: str) -> list[dict[str, Any]]:
    """Entities that Telegram marks by itself: commands, mentions, links, hashtags."""
    found: list[dict[str, Any]] = []
    taken: list[range] = []
    for kind, pattern in _FOUND:
        for match in pattern.finditer(text):
            if any(match.start() in span for span in taken):
                continue
            taken.append(range(*match.span()))
            found.append(
                {"type": kind, "offset": utf16(text[: match.start()]), "length": utf16(match[0])}
            )
    return sorted(found, key=lambda entity: entity["offset"])


def merge(text: str, given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Given entities and the found ones beside them, in order, at most a hundred."""
    size = utf16(text)
    kept = []
    for entity in given:
        if entity["offset"] < 0 or entity["length"] < 0:
            raise bad_request("can't parse entities: negative offset or length")
        length = min(entity["length"], size - entity["offset"])
        if length > 0:
            kept.append({**entity, "length": length})
    spans = [range(e["offset"], e["offset"] + e["length"]) for e in kept]
    kept += [e for e in find_entities(text) if not any(e["offset"] in span for span in spans)]
    kept.sort(key=lambda e: (e["offset"], -e["length"]))
    return kept[:MAX_ENTITIES]


def parse_html(source: str, users: dict[int, Any]) -> tuple[str, list[dict[str, Any]]]:
    """Take the tags out of a text; a fault in them refuses the whole message."""
    text = ""
    entities: list[dict[str, Any]] = []
    stack: list[tuple[str, int, dict[str, Any] | None]] = []
    at = 0
    while at < len(source):
        where = f"at byte offset {len(source[:at].encode())}"
        character = source[at]
        if character == "&" and (match := _CHARACTER.match(source, at)):
            text += html.unescape(match[0])
            at = match.end()
        elif character == "<":
            match = _TAG.match(source, at)
            if match is None:
                name = re.match(r"<[^\s>]*", source[at:])[0][1:]
                raise bad_request(f'can\'t parse entities: Unsupported start tag "{name}" {where}')
            name = match[2].lower()
            if match[1]:
                _close(stack, name, text, entities, where)
            elif name in _TAGS:
                stack.append((name, utf16(text), _entity(name, match[3], users)))
            else:
                raise bad_request(f'can\'t parse entities: Unsupported start tag "{name}" {where}')
            at = match.end()
        else:
            text += character
            at += 1
    if stack:
        raise bad_request(
            "can't parse entities: Can't find end tag corresponding to start tag "
            f'"{stack[-1][0]}"'
        )
    return text, entities


def _entity(name: str, rest: str, users: dict[int, dict[str, Any]]) -> dict[str, Any] | None:
    attributes = {
        m[1].lower(): html.unescape(m[2] or m[3] or m[4] or "") for m in _ATTRIBUTE.finditer(rest)
    }
    entity: dict[str, Any] = {"type": _TAGS[name]}
    if name == "a":
        person = re.fullmatch(r"tg://user\?id=(\d+)", attributes.get("href", ""))
        if person:
            user = users.get(int(person[1]))
            # A stranger cannot be mentioned: the text stays, the entity does not.
            return {"type": "text_mention", "user": user} if user else None
        if not attributes.get("href"):
            return None
        entity["url"] = attributes["href"]
    if name == "span" and attributes.get("class") != "tg-spoiler":
        raise bad_request('can\'t parse entities: Tag "span" must have class "tg-spoiler"')
    if name == "blockquote" and "expandable" in attributes:
        entity["type"] = "expandable_blockquote"
    return entity


def _close(stack: list, name: str, text: str, entities: list, where: str) -> None:
    if not stack:
        raise bad_request(f"can't parse entities: Unexpected end tag {where}")
    opened, start, entity = stack.pop()
    if opened != name:
        raise bad_request(
            f'can\'t parse entities: Unmatched end tag {where}, expected "</{opened}>", '
            f'found "</{name}>"'
        )
    length = utf16(text) - start
    if entity and length:
        entities.append({**entity, "offset": start, "length": length})
