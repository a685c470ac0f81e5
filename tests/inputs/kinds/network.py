"""Network and addresses: a hub that does not answer, and ports and hosts that cannot be served on."""

from collections.abc import Iterator
from pathlib import Path

from tests.inputs.case import RUN, Accepted, Case, Refused
from tests.inputs.kinds.pictures import encoded, rgba

KIND = "network and addresses"

PORTS = {
    "negative": "-1",
    "65,536": "65536",
    "2^63": str(2**63),
    "text": "http",
    "empty": "",
    "a fraction": "80.5",
    "NaN": "nan",
    "a service": "ssh",
    "a range": "80-90",
}

HOSTS = {
    "an address of another machine": "192.0.2.1",
    "a name that is none": "no.such.host.invalid",
    "an empty name": "",
    "a URL": "http://localhost",
    "a name with a space": "my host",
    "a name with a line break": "a\nb",
    "numbers out of range": "999.999.999.999",
    "a name of 300 letters": "x" * 300,
    "a command": "$(touch pwned)",
    "a port within": "localhost:80",
}

NOWHERE = "http://127.0.0.1:9"
"""Where nobody answers."""

SILENT = "http://192.0.2.1"
"""Where no answer ever comes (TEST-NET-1)."""


def toy(folder: Path) -> None:
    """A sound picture."""
    (folder / "toy.png").write_bytes(encoded(rgba(), "PNG"))


def cases() -> Iterator[Case]:
    """All addresses."""
    for given, port in PORTS.items():
        yield Case(KIND, f"port: {given}", ("view", RUN, f"--port={port}"), Refused("--port"), run=True)
    for given, host in HOSTS.items():
        yield Case(
            KIND,
            f"host: {given}",
            ("view", RUN, f"--host={host}", "--port=0"),
            Refused("--host|host|address"),
            run=True,
        )
    yield Case(
        KIND,
        "port 1 of a user without permissions",
        ("view", RUN, "--port=1"),
        Refused("port|1"),
        run=True,
        unprivileged=True,
    )
    yield Case(KIND, "any free port", ("view", RUN, "--port=0"), Accepted("http://"), run=True, until="http://")
    for given, hub in (("refuses", NOWHERE), ("never answers", SILENT)):
        environment = {"HF_ENDPOINT": hub, "HF_HUB_OFFLINE": None, "HTTPS_PROXY": None, "HTTP_PROXY": None}
        for option in ("--view-prior", "--text-prior"):
            arguments = ("input", "toy.png", "--out=runs/toy", f"{option}=nobody/no-such-prior")
            yield Case(
                KIND,
                f"a hub that {given}: {option}",
                arguments,
                Refused("nobody/no-such-prior"),
                toy,
                "process",
                environment=environment,
            )
        yield Case(
            KIND,
            f"a hub that {given}: a stage's prior",
            ("novel-views", RUN, "--model.view_prior=nobody/no-such-prior"),
            Refused("nobody/no-such-prior"),
            program="process",
            run=True,
            environment=environment,
        )
    for given, name in (
        ("a name of a repository that is none", "a/b/c/d"),
        ("a name with a way out", "../../etc"),
        ("a URL", "https://example.org/prior"),
        ("a command", "$(touch pwned)"),
        ("an empty name", ""),
        ("a name of dots", ".."),
    ):
        yield Case(
            KIND,
            f"a prior: {given}",
            ("novel-views", RUN, f"--model.view_prior={name}"),
            Refused("prior"),
            run=True,
            environment={"HF_HUB_OFFLINE": "1"},
        )
    for given, out in (
        ("of a protocol that is none", "gopher://a/b"),
        ("of S3 without its package", "s3://bucket/runs"),
        ("without a host", "s3://"),
        ("with a command", "$(touch pwned)://a"),
    ):
        yield Case(
            KIND,
            f"results at a URL {given}",
            ("objects", "photos", f"--out={out}"),
            Refused("://"),
            lambda folder: ((folder / "photos").mkdir(), (folder / "photos/a.png").write_bytes(encoded(rgba(), "PNG"))),
        )
    yield Case(
        KIND,
        "a Ray cluster that is not there",
        ("objects", "photos", "--out=runs"),
        Refused("127.0.0.1:9|Ray|RAY_ADDRESS", (1, 2)),
        lambda folder: ((folder / "photos").mkdir(), (folder / "photos/a.png").write_bytes(encoded(rgba(), "PNG"))),
        "process",
        environment={"RAY_ADDRESS": "127.0.0.1:9"},
    )
    yield Case(
        KIND,
        "W&B without a network",
        ("sync", RUN),
        Refused("W&B|offline|wandb|sync", (1, 2)),
        run=True,
        program="process",
        environment={"WANDB_BASE_URL": NOWHERE, "WANDB_API_KEY": "0" * 40},
    )
