"""Run the fake server by itself, driven over HTTP (`/control/...`)."""

import argparse
import contextlib
import threading

from . import TOKEN, FakeTelegram


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8081)
    parser.add_argument("--token", default=TOKEN)
    parser.add_argument("--no-privacy", action="store_true", help="the bot hears everything")
    options = parser.parse_args()
    fake = FakeTelegram(port=options.port, token=options.token, privacy=not options.no_privacy)
    with fake, contextlib.suppress(KeyboardInterrupt):
        print(f"{fake.url}/bot{fake.token}/", flush=True)  # noqa: T201 - its one line of output
        threading.Event().wait()


if __name__ == "__main__":
    main()
