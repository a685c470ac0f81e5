"""Settings of a preset, with the official values and reasons from their comments.

In such a preset, each setting's line ends in one of

    # official                   the value is the official code's or paper's
    # official VALUE: reason     the official value, and the reason for another one
    # ours: reason               the official code has no such setting, or its value is unknown
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from viewdistill.errors import ViewDistillError

COMMENT = re.compile(r"official|official (?P<official>.+?): (?P<reason>\S.*)|ours: (?P<own>\S.*)")
"""The three forms."""


@dataclass(frozen=True)
class Setting:
    """One setting of a stage."""

    name: str
    """Dotted, without ``init_args``."""
    value: str
    """Ours, as the YAML has it."""
    official: str
    """The official value; a dash without one."""
    reason: str
    """Reason for a different value; empty if equal."""


def settings(path: Path) -> list[Setting]:
    """Read the settings of one YAML with their comments.

    Raises:
        ViewDistillError: A setting has no comment of the three forms.
    """
    text = path.read_text(encoding="utf-8")
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert isinstance(root, yaml.MappingNode), path
    lines, found = text.splitlines(), list[Setting]()
    for name, key, node in entries(root, ""):
        # A list over several lines is described at its first line.
        if isinstance(node, yaml.SequenceNode) and not node.flow_style:
            value, line, end = listed(node), key.start_mark.line, key.end_mark.column
        else:
            value = text[node.start_mark.index : node.end_mark.index]
            line, end = node.start_mark.line, node.end_mark.column
        rest = lines[line][end:]
        match = COMMENT.fullmatch(rest.partition("# ")[2].strip())
        if match is None:
            raise ViewDistillError(
                f"{path}:{line + 1}: {name} ends in no `# official`, `# official VALUE: reason` or `# ours: reason`"
            )
        official = "–" if match["own"] else match["official"] or value
        found.append(Setting(name, value, official, match["own"] or match["reason"] or ""))
    return found


def entries(node: yaml.MappingNode, prefix: str) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
    """Yield name, key and value of each setting: everything but mappings over several lines."""
    for key, value in node.value:
        name = prefix if key.value == "init_args" else f"{prefix}.{key.value}".removeprefix(".")
        if isinstance(value, yaml.MappingNode) and not value.flow_style:
            yield from entries(value, name)
        else:
            yield name, key, value


def listed(node: yaml.SequenceNode) -> str:
    """A list of classes, by their names."""
    classes = [str(yaml.safe_load(yaml.serialize(entry))["class_path"]) for entry in node.value]
    return ", ".join(name.rpartition(".")[2] for name in classes)
