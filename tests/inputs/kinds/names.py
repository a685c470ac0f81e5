"""Texts and names: what becomes the name of a run folder, and names of pictures that shells and file systems mind."""

from collections.abc import Callable, Iterator
from pathlib import Path

from tests.inputs.case import Accepted, Case, Ended, Expected, Refused
from tests.inputs.kinds.pictures import encoded, rgba

KIND = "texts and names"

REFUSED = {
    "one dot": ".",
    "two dots": "..",
    "three dots": "...",
    "a slash": "/",
    "a way out": "../..",
    "an underscore": "_",
    "colons": ":::",
    "a space": " ",
    "nothing": "",
    "a line break": "a\nb",
    "a tab alone": "\t",
    "an escape": "\x1b[31mred",
    "a bell": "\a",
    "300 letters": "x" * 300,
    "100 signs of three bytes": "木" * 100,
    "100,000 letters": "x" * 100_000,
    "a right-to-left mark": "a\u202egnp.exe",
    "half a character": "\udcff",
}
"""Texts that no run folder can be named after, or that no one reads."""

TAKEN = {
    "an absolute path": "/etc/passwd",
    "a parent's path": "../../etc/passwd",
    "a command": "$(touch pwned)",
    "a command in backticks": "`touch pwned`",
    "a command after a semicolon": "; touch pwned",
    "an ampersand": "salt & pepper",
    "quotes": "a 'small' \"mug\"",
    "a home": "~",
    "a variable": "$HOME",
    "an option": "--runs=elsewhere",
    "a dash": "-",
    "a star": "*",
    "a backslash": "a\\b",
    "a device of Windows": "con",
    "an emoji": "🐘",
    "Arabic": "كوب أحمر",
    "Chinese": "红杯子",
    "200 letters": "x" * 200,
    "markup": "<script>alert(1)</script>",
    "a format": "%s %n {0} {request}",
    "a brace": "{",
    "YAML": "a: [b",
    "numbers": "007",
    "yes": "yes",
    "null": "null",
    "a list of YAML": "[1, 2]",
    "a mapping of YAML": "{a: 1}",
}
"""Texts that are nothing but words."""

FILES: dict[str, tuple[str, Expected]] = {
    "a name of dots": ("...png", Refused("no name|letters|a run folder")),
    "only an ending": (".png", Ended()),
    "a space before the ending": (" .png", Refused("no name|letters")),
    "a dash in front": ("-x.png", Accepted()),
    "an option": ("--out.png", Accepted()),
    "a command": ("$(touch pwned).png", Accepted()),
    "backticks": ("`touch pwned`.png", Accepted()),
    "a line break": ("a\nb.png", Accepted()),
    "an escape": ("\x1b[31m.png", Accepted()),
    "a byte that is no UTF-8": ("\udcff.png", Refused("UTF-8")),
    "a star": ("*.png", Accepted()),
    "a hash": ("a#b.png", Accepted()),
    "a percent": ("%d%s.png", Accepted()),
    "240 letters": ("x" * 240 + ".png", Refused("too long")),
    "an emoji": ("🐘.png", Accepted()),
    "a bracket": ("[a].png", Accepted()),
    "a brace": ("{0}.png", Accepted()),
}


def picture_named(name: str) -> Callable[[Path], object]:
    """What writes a picture of a name."""
    return lambda folder: (folder / name).write_bytes(encoded(rgba(), "PNG"))


def cases() -> Iterator[Case]:
    """All texts and names."""
    dry = ("object", "--only=picture", "--dry-run")
    for given, text in REFUSED.items():
        yield Case(KIND, f"text: {given}", (*dry, f"--text={text}"), Refused("--text|text|name|run folder"))
    for given, text in TAKEN.items():
        yield Case(KIND, f"text: {given}", (*dry, f"--text={text}"), Accepted("viewdistill picture"))
    for given, text in REFUSED.items():
        arguments = ("input", "toy.png", "--out=runs/toy", "--elevation=10", f"--class-word={text}")
        names = Refused("class|word|printable") if given not in ("one dot", "two dots", "three dots") else Ended()
        expected = Ended() if given in ("a slash", "a way out", "an underscore", "colons") else names
        yield Case(KIND, f"class word: {given}", arguments, expected, picture_named("toy.png"))
    for given, (name, expected) in FILES.items():
        arguments = ("object", "--only=input", "--elevation=10", "--class-word=box", "--", name)
        yield Case(KIND, f"picture: {given}", arguments, expected, picture_named(name))
