"""Names and words as people type them, made safe to show and easy to match."""

import re
import unicodedata

NAME_MAX = 24
_FIRST_STRONG, _POP = "\u2068", "\u2069"
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
BLANK_LETTERS = "\u115f\u1160\u2800\u3164\uffa0"
"""Letters and symbols that show nothing: fillers of Hangul, the empty Braille cell."""
_SCRIPTS = {
    "CJK": "HAN",
    "IDEOGRAPHIC": "HAN",
    "VERTICAL": "HAN",
    "KATAKANA-HIRAGANA": "KATAKANA",
    "ARABIC-INDIC": "ARABIC",
    "EXTENDED": "ARABIC",
    "HANGZHOU": "HAN",
    "MODIFIER": "",  # ʻ and ʼ stand in names of any script
}
"""Scripts by the first word of their characters' names, where that is another word."""
_TOGETHER = (
    {"LATIN", "HAN", "HIRAGANA", "KATAKANA"},
    {"LATIN", "HAN", "HANGUL"},
    {"LATIN", "HAN", "BOPOMOFO"},
)
_NO_LINKS = str.maketrans("@/", "＠／")
_JOINER = "\u200d"
_SELECTOR = "\ufe0f"


def clean_name(raw: str, *, fallback: str, most: int = NAME_MAX) -> str:
    """Return a name of 1 to 24 (or `most`) visible characters on one line.

    Control, direction and zero-width characters go (the emoji joiner stays between emoji), runs
    of white space and of combining marks shrink, the rest is cut with an ellipsis. Nothing left:
    the fallback.
    """
    kept: list[str] = []
    marks = 0
    for character in unicodedata.normalize("NFC", raw[: most * 20]):
        category = unicodedata.category(character)
        if character == _JOINER:
            if kept and unicodedata.category(kept[-1]) in {"So", "Sk", "Mn"}:
                kept.append(character)
            continue
        if category in _INVISIBLE:
            continue
        marks = marks + 1 if category in {"Mn", "Me"} and character != _SELECTOR else 0
        if marks > 2:  # noqa: PLR2004 - more combining marks than any script stacks
            continue
        blank = character.isspace() or character in BLANK_LETTERS
        kept.append(" " if blank else character)
    name = re.sub(" +", " ", "".join(kept)).strip(f" {_JOINER}")
    if not any(unicodedata.category(character)[0] in "LNSP" for character in name):
        return fallback
    name = name.translate(_NO_LINKS)  # a name must not call or link to anybody
    name = re.sub(r"\.(?=\w{2})", "．", name)
    if len(name) > most:
        name = name[: most - 1].rstrip(f" {_JOINER}") + "…"
    return name


def mixed_scripts(name: str) -> list[str]:
    """Return the scripts of a name that do not go together; nothing for a name that is plain.

    A Cyrillic а in a Latin name looks like another's name. Together go Latin, Chinese characters,
    and the letters of Japanese, of Korean, or Bopomofo (Unicode's "highly restrictive" level, UTS
    #39, 5.2). Two letters of one script that look alike are not told apart.
    """
    found = {_script(c) for c in plain_words(name) if unicodedata.category(c)[0] in "LN"} - {""}
    together = any(found <= scripts for scripts in _TOGETHER)
    return [] if together or len(found) <= 1 else sorted(found)


def signature(raw: str, most: int) -> str:
    """Return the name of somebody who decides, as it is kept beside what he decided.

    Errors: ValueError, with what is wrong: nothing in it that shows, too long, or letters of
    scripts that do not go together, as those of one who passes for another.
    """
    name = " ".join(raw.split())
    if not name.isprintable() or not person(name) or max(len(name), len(person(name))) > most:
        words = f"a name has 1 to {most} characters on one line, one of them a letter or digit"
        raise ValueError(words)
    mixed = mixed_scripts(name)
    if mixed:
        raise ValueError(f"{name!r} mixes letters of {' and '.join(mixed)}: write it in one way")
    return name


def person(name: str) -> str:
    """Return what tells people apart: letters and digits, whatever their case and width.

    Everything else can be invisible, and would let one person be two.
    """
    letters = (c for c in plain_words(name).casefold() if c not in BLANK_LETTERS)
    told = (c for c in letters if unicodedata.category(c)[0] in "LN")
    return "".join(c for c in told if c.isdigit() or _script(c))  # ʼ is of no script


def _script(character: str) -> str:
    """Return the script of a letter or digit, by its Unicode name; nothing for one of no script."""
    word = unicodedata.name(character, "UNKNOWN").split()[0]
    return "" if word == "DIGIT" else _SCRIPTS.get(word, word)


def clean_text(raw: str, most: int) -> str:
    """Return a text without what no database takes (control characters but line ends, halves of
    pairs), cut to that many characters.
    """  # noqa: D205 - one thought
    kept = (c for c in raw if c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cs"})
    return "".join(kept)[:most]


def isolate(name: str) -> str:
    """Return the name so that its writing direction cannot turn the words around it."""
    if all(unicodedata.bidirectional(character) not in {"R", "AL", "AN"} for character in name):
        return name
    return f"{_FIRST_STRONG}{name}{_POP}"


def mentions(text: str, username: str) -> bool:
    """Whether a text calls `@username`, and not somebody whose longer name begins like it."""
    if not username:
        return False
    return bool(re.search(rf"@{re.escape(username)}(?![A-Za-z0-9_])", text, re.IGNORECASE))


def plain_words(text: str) -> str:
    """Return a typed text for matching: full width to half, no invisible characters, trimmed."""
    normal = unicodedata.normalize("NFKC", text)
    visible = "".join(c for c in normal if c.isspace() or unicodedata.category(c) not in _INVISIBLE)
    return visible.strip()
