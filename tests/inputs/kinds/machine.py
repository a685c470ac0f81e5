"""The machine: devices that are not there, and homes, temporary folders, locales and outputs that are not as usual."""

from collections.abc import Iterator

from tests.inputs.case import RUN, Accepted, Case, Ended, Expected, Refused
from tests.inputs.kinds.network import toy

KIND = "machine"

DEVICES: dict[str, tuple[str, ...]] = {
    "99 GPUs": ("--trainer.accelerator=gpu", "--trainer.devices=99"),
    "a GPU where there is none": ("--trainer.accelerator=gpu",),
    "CUDA where there is none": ("--trainer.accelerator=cuda",),
    "the GPU of a number": ("--trainer.accelerator=cuda", "--trainer.devices=[7]"),
    "a device of torch's": ("--trainer.accelerator=cuda:7",),
    "an accelerator that is none": ("--trainer.accelerator=quantum",),
    "MPS where there is none": ("--trainer.accelerator=mps",),
    "a TPU": ("--trainer.accelerator=tpu",),
    "no device": ("--trainer.devices=0",),
    "minus two devices": ("--trainer.devices=-2",),
    "devices of text": ("--trainer.devices=many",),
    "a precision that is none": ("--trainer.precision=8",),
    "a strategy that is none": ("--trainer.strategy=warp",),
}
"""Options of Lightning that a machine without a GPU cannot meet."""

ENVIRONMENTS: dict[str, dict[str, str | None]] = {
    "no home": {"HOME": None},
    "a home that is not there": {"HOME": "/nonexistent/home"},
    "a home that cannot be written": {"HOME": "/proc"},
    "a home that is a file": {"HOME": "/etc/passwd"},
    "an empty home": {"HOME": ""},
    "the C locale": {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0"},
    "a locale that is none": {"LANG": "xx_YY.KOI8-R", "LC_ALL": "xx_YY.KOI8-R"},
    "ASCII output": {"PYTHONIOENCODING": "ascii"},
    "no temporary folder": {"TMPDIR": "/nonexistent/tmp"},
    "a temporary folder that is a file": {"TMPDIR": "/etc/passwd"},
    "a dumb terminal": {"TERM": "dumb", "COLUMNS": "20"},
    "a terminal without columns": {"COLUMNS": "0"},
    "columns of text": {"COLUMNS": "wide"},
    "no search path": {"PATH": ""},
    "threads of text": {"OMP_NUM_THREADS": "many"},
    "a zone that is none": {"TZ": "Mars/Olympus"},
    "a seed of text": {"PL_GLOBAL_SEED": "abc"},
    "a W&B mode that is none": {"WANDB_MODE": "sometimes"},
    "a cache that cannot be written": {
        "XDG_CACHE_HOME": "/proc",
        "MPLCONFIGDIR": "/proc",
        "NUMBA_CACHE_DIR": "/proc/x",
    },
    "another matplotlib back end": {"MPLBACKEND": "none"},
}
"""Environments in which commands have ended badly elsewhere."""


INPUT = ("input", "toy.png", "--out=runs/toy", "--elevation=10", "--class-word=box")


def cases() -> Iterator[Case]:
    """All machines."""
    for given, options in DEVICES.items():
        for stage in ("field", "novel-views"):
            yield Case(
                KIND, f"{given}: {stage}", (stage, RUN, *options), Refused("configuration|device|accelerator"), run=True
            )
    for command in ("render", "bias", "evaluate-prior"):
        words = {"render": ("render", RUN), "bias": ("bias",), "evaluate-prior": ("evaluate-prior",)}[command]
        yield Case(
            KIND,
            f"a GPU where there is none: {command}",
            (*words, "--accelerator=gpu"),
            Refused("device|gpu|GPU"),
            run=command == "render",
        )
    for number, (given, environment) in enumerate(ENVIRONMENTS.items()):
        expected: Expected = Ended() if given in ("threads of text", "a W&B mode that is none") else Accepted()
        if number % 2:
            yield Case(KIND, given, ("summary", RUN), expected, program="process", run=True, environment=environment)
        else:
            yield Case(KIND, given, INPUT, expected, toy, "process", environment=environment)
    for given, output, expected in (
        ("an output that is full", "/dev/full", Refused("no space left", (1,))),
        ("an output that nobody reads", "/dev/null", Accepted()),
    ):
        yield Case(KIND, given, ("summary", RUN), expected, run=True, output=output)
    yield Case(KIND, "the doctor without a home", ("doctor", "--timeout=0.1"), Accepted(), program="process",
               environment={"HOME": None})  # fmt: skip
