"""A stand-in for the W&B service on this machine: it answers as far as runs and artifacts need, and remembers."""

import base64
import json
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any


class Service(ThreadingHTTPServer):
    """Artifacts by name and digest, as the service identifies them, and which runs wrote and used them."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.lock = Lock()
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.groups: dict[str, str] = {}
        """Group of each run, by its id."""
        self.names: dict[str, str] = {}
        """Name of each run, by its id."""
        self.ids: dict[tuple[str, str], str] = {}
        """Id of each artifact, by name and digest."""
        self.committed: set[str] = set()
        """Ids of artifacts whose files are all here."""
        self.wrote: dict[str, set[str]] = defaultdict(set)
        """Names of the artifacts that each run logged as its own, by the run's name."""
        self.used: dict[str, set[str]] = defaultdict(set)
        """Names of the artifacts that each run used, by the run's name."""
        self.files: dict[str, bytes] = {}
        """Content of what was sent, by its place."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay silent about connections that W&B drops at its end."""

    def name_of(self, artifact_id: str) -> str:
        """The name of an artifact."""
        return next(name for (name, _), known in self.ids.items() if known == artifact_id)

    def answer(self, operation: str, variables: dict[str, Any]) -> dict[str, Any]:
        """The data of a GraphQL operation."""
        given = variables.get("input", variables)
        if operation == "UpsertBucket":
            run = given["name"]
            self.names[run] = given.get("displayName") or self.names[run]
            self.groups[run] = given.get("groupName") or self.groups[run]
            project = {"id": "p", "name": given["project"], "entity": {"id": "e", "name": "someone"}}
            bucket = {"id": "b", "name": run, "displayName": self.names[run], "config": "{}", "project": project}
            return {"upsertBucket": {"bucket": bucket | {"historyLineCount": 0}, "inserted": True}}
        if operation == "CreateArtifact":
            key = given["artifactCollectionName"], given["digest"]
            known = self.ids.setdefault(key, base64.b64encode(f"Artifact:{len(self.ids)}".encode()).decode())
            if given["runName"]:  # the artifact is none that the run only uses
                self.wrote[self.names[given["runName"]]].add(given["artifactCollectionName"])
            state = "COMMITTED" if known in self.committed else "PENDING"
            sequence = {"id": "s", "latestArtifact": None}
            return {"createArtifact": {"artifact": {"id": known, "state": state, "artifactSequence": sequence}}}
        if operation == "CreateArtifactManifest":
            file = self.upload("manifest") | {"id": "f", "name": "manifest", "displayName": "manifest"}
            return {"createArtifactManifest": {"artifactManifest": {"id": "m", "file": file}}}
        if operation == "CreateArtifactFiles":
            nodes = [
                self.upload(f"{self.name_of(file['artifactID'])}/{file['name']}")
                | {"id": "f", "name": file["name"], "displayName": file["name"], "storagePath": "s"}
                | {"artifact": {"id": file["artifactID"]}, "uploadMultipartUrls": None}
                for file in given["artifactFiles"]
            ]
            return {"createArtifactFiles": {"files": {"edges": [{"node": node} for node in nodes]}}}
        if operation == "CommitArtifact":
            self.committed.add(given["artifactID"])
            return {"commitArtifact": {"artifact": {"id": given["artifactID"], "digest": ""}}}
        if operation == "UseArtifact":
            self.used[self.names[given["runName"]]].add(self.name_of(given["artifactID"]))
            return {"useArtifact": {"artifact": {"id": given["artifactID"], "digest": "", "state": "COMMITTED"}}}
        if operation == "CreateRunFiles":
            files = [{"name": name, "uploadUrl": f"{self.url}/run/{name}"} for name in given["files"]]
            return {"createRunFiles": {"runID": "r", "uploadHeaders": [], "files": files}}
        if operation == "Viewer":
            return {"viewer": {"id": "u", "entity": "someone", "username": "someone", "teams": {"edges": []}}}
        return {}

    def upload(self, place: str) -> dict[str, Any]:
        """Where a file may be sent."""
        return {"uploadUrl": f"{self.url}/{place}", "uploadHeaders": []}


class Answers(BaseHTTPRequestHandler):
    """HTTP around `Service`."""

    protocol_version = "HTTP/1.1"
    server: Service  # type: ignore[assignment]

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent."""

    def content(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def reply(self, content: dict[str, Any]) -> None:
        text = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_PUT(self) -> None:
        with self.server.lock:
            self.server.files[self.path.lstrip("/")] = self.content()
        self.reply({})

    def do_POST(self) -> None:
        content = self.content()
        if self.path != "/graphql":
            self.reply({"limits": {}})
            return
        question = json.loads(content)
        with self.server.lock:
            data = self.server.answer(question["operationName"], question.get("variables") or {})
        self.reply({"data": data} if data else {"errors": [{"message": "not known here"}]})


@contextmanager
def wandb_service() -> Iterator[Service]:
    """The service, until the block ends."""
    service = Service()
    service.daemon_threads = True
    thread = Thread(target=service.serve_forever, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        service.shutdown()
        thread.join()
        service.server_close()
