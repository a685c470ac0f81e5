"""`viewdistill view`: mesh, cameras and images of a run in a live viewer."""

import argparse
import importlib.util
import threading
from dataclasses import dataclass
from pathlib import Path

from commands import options
from commands.arguments import add_option, add_run_argument
from commands.requirements import require
from datamodules.runs.run_folder import RunFolder
from viewdistill.errors import ViewDistillError

EPILOG = """\
Opens a server on this machine alone; the address that it prints is for a browser. Images stand at their cameras:
a click on one takes the view to it. The tree at the right shows and hides what is in the scene. Ctrl-C ends it."""


@dataclass(frozen=True)
class Request:
    """Options of the subcommand."""

    run_folder: Path
    """Folder of the run."""
    host: str = "127.0.0.1"
    """Address to listen on; by default this machine alone."""
    port: int = 8080
    """TCP port."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    add_run_argument(parser, "a complete input stage")
    parser.add_argument(
        "--host", type=options.text, default=Request.host, help="address to listen on (default: this machine alone)"
    )
    add_option(parser, "--port", options.PORT, Request.port, "N", "port to listen on; 0 takes any free one")


def run(request: Request) -> None:
    """Serve the scene until interrupted.

    Raises:
        ViewDistillError: viser is not installed, the input stage is missing, or a file of the run is damaged.
    """
    if importlib.util.find_spec("viser") is None:
        raise ViewDistillError("the live viewer needs viser; run `pip install -e '.[view]'`")
    folder = RunFolder(request.run_folder)
    meta = require(folder)
    # Imported here because viser is an extra, whose absence the lines above report.
    from commands.reporting.view_scene import serve

    try:
        server = serve(folder, meta, request.host, request.port)
        try:
            print(f"{folder.root}: http://{request.host}:{server.get_port()} (Ctrl-C ends it)", flush=True)
            threading.Event().wait()
        finally:
            server.stop()
    except KeyboardInterrupt:
        print()
