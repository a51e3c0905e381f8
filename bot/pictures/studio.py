"""Where pictures are drawn: in one thread of their own, each once, the latest ones kept."""

import asyncio
import logging
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

from bot import metrics
from bot.pictures import fonts
from content.picture import Picture

_log = logging.getLogger(__name__)

KEPT_MAX = 64
KEPT_BYTES_MAX = 16_000_000
DRAW_WAIT_S = 10.0


class PictureError(Exception):
    """A picture cannot be drawn."""


class Pictures:
    """Draws pictures beside the event loop. Whoever asks for the same one gets the same bytes."""

    def __init__(self, *, kept_max: int = KEPT_MAX, kept_bytes_max: int = KEPT_BYTES_MAX) -> None:
        """Nothing is loaded yet. At most so many pictures, and bytes of them, are kept."""
        self._kept: OrderedDict[Picture, bytes] = OrderedDict()
        self._kept_max = kept_max
        self._kept_bytes_max = kept_bytes_max
        self._coming: dict[Picture, asyncio.Task[bytes]] = {}
        self._told: set[tuple[str, type[Exception]]] = set()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="pictures")

    async def png(self, picture: Picture) -> bytes:
        """Return a picture as PNG. Errors: PictureError."""
        kept = self._kept.get(picture)
        if kept is not None:
            self._kept.move_to_end(picture)
            return kept
        task = self._coming.get(picture)
        if task is None:
            task = self._coming[picture] = asyncio.create_task(self._draw(picture))
            task.add_done_callback(lambda ended: self._came(picture, ended))
        try:
            return await asyncio.wait_for(asyncio.shield(task), DRAW_WAIT_S)
        except TimeoutError as error:  # too many before it: its words need not wait
            raise PictureError(f"not drawn within {DRAW_WAIT_S:.0f} s") from error

    async def _draw(self, picture: Picture) -> bytes:
        kind = type(picture).__name__.lower()
        try:
            with metrics.PICTURE_SECONDS.labels(kind).time():
                png = await asyncio.get_running_loop().run_in_executor(
                    self._thread, _draw_now, picture
                )
        except Exception as error:
            # whatever a drawing stumbles over, a bug among it: the words can still be said
            if (kind, type(error)) not in self._told:
                self._told.add((kind, type(error)))
                _log.exception("a %s cannot be drawn; its words are said instead", kind)
            raise PictureError(f"{type(error).__name__}: {error}") from error
        self._keep(picture, png)
        return png

    def _came(self, picture: Picture, ended: asyncio.Task[bytes]) -> None:
        del self._coming[picture]
        if not ended.cancelled():
            ended.exception()  # looked at here, in case nobody waits for it any more

    def _keep(self, picture: Picture, png: bytes) -> None:
        self._kept[picture] = png
        while (
            len(self._kept) > self._kept_max
            or sum(len(each) for each in self._kept.values()) > self._kept_bytes_max
        ):
            self._kept.popitem(last=False)

    async def look(self) -> None:
        """Say in the log what is missing for pictures to be right."""
        loop = asyncio.get_running_loop()
        for problem in await loop.run_in_executor(self._thread, fonts.problems):
            _log.warning("pictures: %s", problem)

    def close(self) -> None:
        """Draw no more."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _draw_now(picture: Picture) -> bytes:
    from bot.pictures.drawing import draw  # noqa: PLC0415 - 0.1 s that a start saves

    return draw(picture)
