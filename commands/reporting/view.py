"""`viewdistill view`: mesh, cameras and images of a run in a live viewer."""

import argparse
import importlib.util
import threading
from pathlib import Path

EPILOG = """\
Opens a server on this machine alone; the address that it prints is for a browser. Images stand at their cameras:
a click on one takes the view to it. The tree at the right shows and hides what is in the scene. Ctrl-C ends it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    parser.add_argument(
        "run_folder", type=Path, metavar="RUN", help="run folder with a complete input stage, as runs/robot"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine alone)")
    parser.add_argument("--port", type=int, default=8080, metavar="N", help="port (default 8080, or the next free one)")


def run(arguments: argparse.Namespace) -> None:
    """Serve the scene until interrupted.

    Raises:
        ViewDistillError: viser is not installed, the input stage is missing, or a file of the run is damaged.
    """
    from commands.stages.requirements import require
    from datamodules.run_folder import RunFolder
    from viewdistill.errors import ViewDistillError

    if importlib.util.find_spec("viser") is None:
        raise ViewDistillError("the live viewer needs viser; run `pip install -e '.[view]'`")
    folder = RunFolder(arguments.run_folder)
    meta = require(folder)
    from commands.reporting.view_scene import serve

    server = serve(folder, meta, arguments.host, arguments.port)
    print(f"{folder.root}: http://{arguments.host}:{server.get_port()} (Ctrl-C ends it)", flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        print()
    finally:
        server.stop()
