"""`--live` of the fitted fields: a live view in a browser."""

import argparse

from pytorch_lightning import Callback

from callbacks.live_view import LiveView


def add_live_argument(parser: argparse.ArgumentParser) -> None:
    """Declare ``--live``."""
    parser.add_argument(
        "--live", action="store_true", help="show the field in a browser while it is fitted (extra `view`)"
    )


def live_watchers(live: bool) -> list[Callback]:
    """Return the callback of ``--live``.

    Raises:
        ViewDistillError: viser is not installed.
    """
    return [LiveView()] if live else []
