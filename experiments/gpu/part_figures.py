"""PartFigures of the GPU check, kept in a file as they come."""

import json
from pathlib import Path
from typing import Any

from datamodules.runs.run_folder import write_json


class PartFigures:
    """What a part has measured so far, kept in a file.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.values: dict[str, Any] = {}

    def add(self, **values: Any) -> None:
        """Note figures by name."""
        self.values |= values
        write_json(self.path, self.values)
        print(json.dumps(values), flush=True)
