"""jsonargparse's errors in one line: setting, value and allowed values, without Python types."""

import re
from collections.abc import Iterable, Iterator

KEY = re.compile(r'(?:- )?Parser key "(?P<key>[^"]*)":\s*(?P<rest>.*)')
NESTED = re.compile(r"NestedArg\(key=(['\"])(?P<key>.*?)\1, val=(?P<value>.*)\)")

NOUNS = {
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "str": "text",
    "NoneType": "null",
    "None": "null",
    "dict": "a mapping",
    "Iterable": "a list",
    "Sequence": "a list",
    "list": "a list",
    "tuple": "a list",
    "Path": "a path",
}
"""Python types → words for a YAML's reader."""


def settings_message(message: str) -> str:
    """Rewrite an error of jsonargparse for a reader who knows the YAML, not the program.

    Args:
        message: Of the `argparse.ArgumentError` that jsonargparse raised.

    Returns:
        One line, such as ``trainer.max_steps is abc: must be an integer``.
    """
    keys, block = innermost(message.splitlines())
    value = next((found[1] for line in block if (found := re.search(r"(?:Got|Given) value: (.*)", line))), None)
    told = [line.removeprefix("- ") for line in block if line and not line.startswith(NOISE)]
    if value is not None and (nested := NESTED.fullmatch(value)):
        # The key within the setting was rejected, not the value: the setting's own type does not help.
        return f"{'.'.join([*keys, nested['key']])}: {words(' '.join(told)) or 'no such setting'}"
    expected = [match[1] for line in block if (match := re.match(r"(?:- )?Expected an? (?!path but)(.*)", line))]
    allowed = list(dict.fromkeys(merged(re.sub(r"\. Got value:.*", "", each) for each in expected)))
    name = ".".join(keys)
    if allowed and name:
        is_value = "" if value is None else f" is {value}"
        return f"{name}{is_value}: must be {' or '.join(allowed)}"
    text = words(" ".join(told) or " ".join(message.split()))
    return f"{name}: {text}" if name else text


NOISE = (
    "Does not validate",
    "Subtypes:",
    "Errors:",
    "Given value",
    "- Problem with",
    "Problem with",
    "- Expected",
    "Expected",
)
"""Prefixes of lines about jsonargparse's walk through a union."""


def innermost(lines: list[str]) -> tuple[list[str], list[str]]:
    """Return the keys that lead to the innermost problem, and the lines about it."""
    keys: list[str] = []
    start, depth, first = 0, -1, ""
    for index, line in enumerate(lines):
        if match := KEY.match(line.strip()):
            keys.append(match["key"])
            start, depth, first = index + 1, indent(line), match["rest"]
    block = [first]
    for line in lines[start:]:
        if line.strip() and indent(line) <= depth and not (depth == 0 and line.startswith("  ")):
            break
        block.append(line.strip())
    return keys, block


def indent(line: str) -> int:
    """Leading spaces."""
    return len(line) - len(line.lstrip(" "))


def words(text: str) -> str:
    """Replace Python types in a text by words."""
    text = re.sub(r"(?:typing\.)?Literal\[([^\]]*)\]", lambda m: one_of(m[1]), text)
    text = re.sub(r"dot import path string(: .*)?", "the dotted path of a class", text)
    return re.sub(r"(?:a |an )?<class '(?:[\w.]*\.)?(\w+)'>", lambda m: NOUNS.get(m[1], f"settings of {m[1]}"), text)


def merged(types: Iterable[str]) -> Iterator[str]:
    """Types in words; several lists of choices become one."""
    choices: dict[str, None] = {}
    others: list[str] = []
    for each in types:
        if match := re.fullmatch(r"(?:typing\.)?Literal\[([^\]]*)\]", each):
            choices |= dict.fromkeys(choice.strip().strip("'\"") for choice in match[1].split(","))
        else:
            others.append(words(each))
    if choices:
        yield one_of(", ".join(choices))
    yield from others


def one_of(choices: str) -> str:
    """Choices of a literal type in words."""
    names = [choice.strip().strip("'\"") for choice in choices.split(",")]
    return names[0] if len(names) == 1 else f"one of {', '.join(names)}"
