"""A small hub on this machine: what huggingface_hub asks for when it lists a repository and fetches its files."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit


class HubServer(ThreadingHTTPServer):
    """Serves folders ``<root>/<owner>/<name>`` as repositories that each have one commit.

    Args:
        root: Folder of the repositories.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.root = root
        self.revisions = {"main"}
        self.requests: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def commit(self, repository: str) -> str:
        return hashlib.sha1(repository.encode()).hexdigest()

    @property
    def fetched(self) -> list[str]:
        """Files that were asked for with their content, without repository."""
        gets = [path for path in self.requests if path.startswith("GET ") and "/resolve/" in path]
        return sorted(path.split("/resolve/")[1].split("/", 1)[1] for path in gets)


class Handler(BaseHTTPRequestHandler):
    server: HubServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.answer(with_body=True)

    def do_HEAD(self) -> None:
        self.answer(with_body=False)

    def answer(self, with_body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        if path == "/":  # whether anyone answers
            self.send(200, b"", with_body, {})
            return
        self.server.requests.append(f"{self.command} {path}")
        parts = path.strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            self.answer_api("/".join(parts[2:4]), parts[4:], with_body)
        else:
            self.answer_file("/".join(parts[:2]), parts[3], "/".join(parts[4:]), with_body)

    def answer_api(self, repository: str, rest: list[str], with_body: bool) -> None:
        folder, commit = self.server.root / repository, self.server.commit(repository)
        revision = rest[1] if len(rest) > 1 else "main"
        if not folder.is_dir():
            self.send(404, b"", with_body, {"X-Error-Code": "RepoNotFound"})
        elif revision not in (*self.server.revisions, commit):
            self.send(404, b"", with_body, {"X-Error-Code": "RevisionNotFound"})
        else:
            names = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]
            if rest[:1] == ["tree"]:
                content: object = [
                    {"type": "file", "path": name, "size": (folder / name).stat().st_size, "oid": "0" * 40}
                    for name in names
                ]
            else:
                content = {"id": repository, "sha": commit, "siblings": [{"rfilename": name} for name in names]}
            self.send(200, json.dumps(content).encode(), with_body, {"Content-Type": "application/json"})

    def answer_file(self, repository: str, revision: str, name: str, with_body: bool) -> None:
        file, commit = self.server.root / repository / name, self.server.commit(repository)
        if revision not in (*self.server.revisions, commit) or not file.is_file():
            self.send(404, b"", with_body, {"X-Error-Code": "EntryNotFound"})
        else:
            body = file.read_bytes()
            etag = hashlib.sha1(name.encode() + body).hexdigest()
            self.send(200, body, with_body, {"ETag": f'"{etag}"', "X-Repo-Commit": commit})

    def send(self, status: int, body: bytes, with_body: bool, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""


@contextmanager
def serving(root: Path) -> Iterator[HubServer]:
    """A server of the repositories in ``root`` for the time of the block."""
    server = HubServer(root)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
