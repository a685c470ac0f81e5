"""Variables of the Makefile: what is typed reaches commands as it was typed, or ends in one line; nothing is run."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.inputs.case import Accepted, Case, Expected, Refused
from tests.makefile_project import make_project

KIND = "Makefile variables"

ODD = {
    "a space and a hash": "my toy#1.png",
    "a quote": "it's.png",
    "double quotes": 'a "b".png',
    "a command": "$(touch pwned).png",
    "backticks": "`touch pwned`.png",
    "make's shell": "$(shell touch pwned).png",
    "make's eval": "$(eval x := $(shell touch pwned)).png",
    "a semicolon": "a;touch pwned.png",
    "an ampersand": "a & touch pwned.png",
    "a pipe": "a|touch pwned.png",
    "a redirection": "a > pwned",
    "a colon and a percent": "a:b%c.png",
    "a tab": "tab\there.png",
    "a line break": "new\ntouch pwned.png",
    "dollars": "$HOME$$.png",
    "a dash": "-x.png",
    "a backslash": "a\\b*?.png",
    "a trailing backslash": "a\\",
    "a bracket": "[a-z].png",
    "braces": "{a,b}.png",
    "an equals sign": "a=b",
    "an exclamation": "a!b!!",
    "an option of make": "--eval=$(shell touch pwned)",
    "a number": "7",
    "a quote that does not end": "'",
    "4,000 letters": "x" * 4000,
}
"""Values that have run as commands, or broken recipes, elsewhere."""

TARGETS: dict[str, tuple[str, Mapping[str, str]]] = {
    "IMG": ("object", {}),
    "TEXT": ("object", {}),
    "MASK": ("object", {"IMG": "a.png"}),
    "CLASS": ("object", {"IMG": "a.png"}),
    "ELEVATION": ("object", {"IMG": "a.png"}),
    "SEED": ("object", {"IMG": "a.png"}),
    "PRESET": ("object", {"IMG": "a.png"}),
    "SOURCE": ("object", {"IMG": "a.png"}),
    "RUNS": ("object", {"IMG": "a.png"}),
    "FIELD": ("object", {"IMG": "a.png"}),
    "OBJ": ("view", {}),
    "GT": ("evaluate", {"OBJ": "toy"}),
    "EVALUATE": ("evaluate", {"OBJ": "toy"}),
    "IMGS": ("objects", {}),
    "OUT": ("objects", {"IMGS": "photos"}),
    "AT_ONCE": ("objects", {"IMGS": "photos"}),
    "ONLY": ("ablations", {}),
    "ABLATE": ("ablations", {}),
    "STAGE": ("profile", {"OBJ": "toy"}),
    "PROFILE": ("profile", {"OBJ": "toy"}),
    "TESTS": ("test", {}),
    "WORKERS": ("test", {}),
    "GALLERY": ("gallery", {}),
    "GPU_CHECK": ("gpu-check", {}),
    "GPU": ("priors", {}),
}
"""Variable → a target that uses it, and what that needs besides."""

WORDS = {"EVALUATE", "ONLY", "ABLATE", "PROFILE", "TESTS", "GALLERY", "GPU_CHECK"}
"""Variables of several words, split at spaces."""

LEFT_OUT = {"GPU"}
"""Variables whose value is only looked at."""

MISSING: dict[str, tuple[tuple[str, ...], str]] = {
    "object without an image": (("object",), "make object IMG="),
    "object with an empty image": (("object", "IMG="), "make object IMG="),
    "object with an image and a text": (("object", "IMG=a.png", "TEXT=a mug"), "IMG and TEXT both"),
    "objects without a folder": (("objects",), "make objects IMGS="),
    "view without an object": (("view",), "make view OBJ="),
    "evaluate without an object": (("evaluate",), "make evaluate OBJ="),
    "sync without an object": (("sync",), "make sync OBJ="),
    "a stage without an image": (("field",), "make object IMG="),
    "an environment with a space": (("object", "IMG=a.png", "VENV=my env"), "VENV cannot"),
    "an environment with a command": (("object", "IMG=a.png", "VENV=$(shell touch pwned)"), "VENV cannot"),
    "an environment with backticks": (("object", "IMG=a.png", "VENV=`touch pwned`"), "VENV cannot"),
    "an environment with a semicolon": (("object", "IMG=a.png", "VENV=a;touch pwned"), "VENV cannot"),
    "no environment": (("object", "IMG=a.png", "VENV="), "VENV cannot"),
    "an unknown target": (("objekt",), "No rule to make target"),
}
"""Calls that cannot be meant."""


def project(folder: Path) -> None:
    """The Makefile with commands that record what they are asked for."""
    make_project(folder)


def expected_call(variable: str, value: str) -> Expected:
    """What make is to do with a value; what reaches the command is compared in tests/test_makefile.py."""
    if variable in ("IMG", "TEXT", "IMGS", "OBJ") and not value.strip():
        return Refused(variable)
    return Accepted()


def cases() -> Iterator[Case]:
    """Every variable with every third value as an argument, and with others from the environment."""
    for place, (variable, (target, others)) in enumerate(TARGETS.items()):
        for number, (given, value) in enumerate(ODD.items()):
            if (number + place) % 3:
                continue
            typed = number % 2 == 0
            words = (target, *(f"{name}={other}" for name, other in others.items()))
            yield Case(
                KIND,
                f"{variable}: {given}{'' if typed else ', from the environment'}",
                (*words, f"{variable}={value}") if typed else words,
                expected_call(variable, value),
                project,
                "make",
                environment={} if typed else {variable: value},
                writes=("calls", "runs"),
            )
    for given, (arguments, names) in MISSING.items():
        yield Case(KIND, given, arguments, Refused(re.escape(names)), project, "make", writes=())
