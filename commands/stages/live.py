"""`--live` of the fitted fields: look on in a browser."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytorch_lightning import Callback


def add_live_argument(parser: argparse.ArgumentParser) -> None:
    """Declare ``--live``."""
    parser.add_argument(
        "--live", action="store_true", help="show the field in a browser while it is fitted (extra `view`)"
    )


def live_watchers(arguments: argparse.Namespace) -> list[Callback]:
    """The callback that ``--live`` asks for.

    Raises:
        ViewDistillError: viser is not installed.
    """
    if not arguments.live:
        return []
    from callbacks.live_view import LiveView

    return [LiveView()]
