"""The fonts that pictures are drawn with: found by name on the machine, never downloaded."""

import os
from functools import cache
from pathlib import Path

CHINESE = {
    "regular": (
        "NotoSansCJK-Regular.ttc",
        "NotoSansCJKsc-Regular.otf",
        "NotoSansSC-Regular.otf",
        "SourceHanSansSC-Regular.otf",
        "wqy-zenhei.ttc",
        "wqy-microhei.ttc",
        "Hiragino Sans GB.ttc",
        "msyh.ttc",
    ),
    "bold": (
        "NotoSansCJK-Bold.ttc",
        "NotoSansCJKsc-Bold.otf",
        "NotoSansSC-Bold.otf",
        "SourceHanSansSC-Bold.otf",
        "msyhbd.ttc",
    ),
}
"""The best first. Without a bold one the regular one is drawn thicker."""
OTHER_SCRIPTS = {
    "regular": ("DejaVuSans.ttf", "Arial Unicode.ttf"),
    "bold": ("DejaVuSans-Bold.ttf",),
}
"""Arabic, Hebrew and more, in which names are written: the Chinese fonts do not have them."""
EMOJI = "NotoColorEmoji.ttf"
SIMPLIFIED = {"NotoSansCJK-Regular.ttc": 2, "NotoSansCJK-Bold.ttc": 2}
"""Which face of a collection is the one for simplified Chinese, where it is not the first."""
FOLDERS = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "~/.local/share/fonts",
    "~/.fonts",
    "/System/Library/Fonts",
    "/Library/Fonts",
    "C:/Windows/Fonts",
)
FILES_MAX = 20_000


class NoFontError(Exception):
    """There is no font with Chinese characters: nothing can be drawn that would not be boxes."""


def find(names: tuple[str, ...]) -> Path | None:
    """Return the file of the first of these fonts that is there."""
    files = _files(_folders())
    return next((files[name] for name in names if name in files), None)


def chinese(weight: str) -> tuple[Path, int, bool]:
    """Return a Chinese font's file, its face in there, and whether it must be drawn thicker.

    Errors: NoFontError.
    """
    found = find(CHINESE[weight])
    thicker = found is None
    found = found or find(CHINESE["regular"])
    if found is None:
        raise NoFontError(problems()[0])
    return found, SIMPLIFIED.get(found.name, 0), thicker


def other_scripts(weight: str) -> Path | None:
    """Return the file of a font for scripts that the Chinese ones lack, or None."""
    return find(OTHER_SCRIPTS[weight]) or find(OTHER_SCRIPTS["regular"])


def emoji() -> Path | None:
    """Return the file of the colour emoji font, or None."""
    return find((EMOJI,))


def problems() -> list[str]:
    """Return what is missing for pictures to be right, with what would help."""
    from PIL import features  # noqa: PLC0415 - a start without pictures is spared it

    found = []
    if find(CHINESE["regular"]) is None:
        found.append("no Chinese font, so no pictures, only text: apt-get install fonts-noto-cjk")
    if emoji() is None:
        found.append(
            "no colour emoji font, so pictures are drawn without emoji:"
            " apt-get install fonts-noto-color-emoji"
        )
    if other_scripts("regular") is None:
        found.append("names in Arabic, Hebrew and others: apt-get install fonts-dejavu-core")
    if not features.check("raqm"):
        found.append(
            "emoji of several parts are drawn by their first part: apt-get install libfribidi0"
        )
    return found


def _folders() -> tuple[str, ...]:
    given = os.environ.get("XDG_DATA_HOME")
    more = (f"{given}/fonts",) if given else ()
    return tuple(os.path.expanduser(folder) for folder in (*FOLDERS, *more))  # noqa: PTH111 - text


@cache
def _files(folders: tuple[str, ...]) -> dict[str, Path]:
    """Return the font files below folders by name; the first of a name counts."""
    files: dict[str, Path] = {}
    for folder in folders:
        for place, _, names in os.walk(folder):
            for name in names:
                if len(files) < FILES_MAX:
                    files.setdefault(name, Path(place) / name)
    return files
