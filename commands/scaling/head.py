"""The head of a Ray cluster, watched: Ray itself waits a minute for one that has died, and then ends the process."""

import os
import socket
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from viewdistill.errors import ViewDistillError

ANSWER = 5.0
"""Seconds that the head is waited for."""

STREAMS = (1, 2)
"""File descriptors of standard output and error, to which Ray's C++ writes as well."""

SERVERS = ("gcs_server", "raylet")
"""Processes of Ray, by their names, without which no job comes to an end."""


class ClusterDiedError(ViewDistillError):
    """The head of the cluster is gone, and with it all that its workers do."""


class Head:
    """What all jobs depend on: the head's server, and, of a cluster on this machine alone, Ray's processes.

    Args:
        address: Host and port of the server.
        ours: Whether this process has started the cluster, and its processes end with it.
    """

    def __init__(self, address: str, ours: bool) -> None:
        self.address, self.ours, self.dead = address, ours, False
        children = psutil.Process().children() if ours else []
        self.servers = {child.name(): child for child in children if child.name() in SERVERS}
        self.workers: set[psutil.Process] = set()

    def check(self) -> None:
        """See whether the head is alive.

        Raises:
            ClusterDiedError: It is not.
        """
        reason = self.missing()
        if reason is None:
            for server in self.servers.values():  # remembered, since they lose their parent with the server
                with suppress(psutil.NoSuchProcess):
                    self.workers |= {server, *server.children(recursive=True)}
            return
        self.dead = True
        place = "on this machine" if self.ours else f"at {self.address}"
        again = "start the same command again" if self.ours else "start the cluster and then the same command again"
        raise ClusterDiedError(
            f"the head of the Ray cluster {place} has died ({reason}); {again}: it goes on from there"
        )

    def missing(self) -> str | None:
        """What is not there any more."""
        ended = [name for name, server in self.servers.items() if not alive(server)]
        if ended:
            return f"its {ended[0]} ended"
        host, _, port = self.address.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER).close()
        except OSError as error:
            return error.strerror or str(error)
        return None

    @contextmanager
    def ending(self) -> Generator[None]:
        """The block in which Ray is shut down.

        Of a head that has died, Ray has much to say by then, where one line is to be read. Workers of a cluster here
        would work on, told by nobody: they are ended.
        """
        if not self.dead:
            yield
            return
        for process in self.workers:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        sys.stdout.flush()
        sys.stderr.flush()
        kept = [os.dup(stream) for stream in STREAMS]
        with Path(os.devnull).open("wb") as nowhere:
            for stream in STREAMS:
                os.dup2(nowhere.fileno(), stream)
        try:
            yield
        finally:
            for stream, copy in zip(STREAMS, kept, strict=True):
                os.dup2(copy, stream)
                os.close(copy)


def alive(process: psutil.Process) -> bool:
    """Whether a process runs; one that has ended stays in the system's table until it is asked for its status."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
