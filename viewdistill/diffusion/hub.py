"""Priors on the Hugging Face hub: their names, the look-up in the cache, and the download, file by file."""

import re
import sys
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from huggingface_hub import HfApi, constants, snapshot_download, try_to_load_from_cache
from huggingface_hub.errors import (
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from viewdistill.diffusion.prior_files import ComponentFiles, PriorFiles
from viewdistill.diffusion.published import PUBLISHED
from viewdistill.errors import ViewDistillError

PATTERN = re.compile(r"(?P<id>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(@(?P<revision>[\w./-]+))?(:(?P<variant>[\w.-]+))?")
"""``owner/name@revision:variant``."""

LOCAL_OWNERS = ("priors", "runs", "examples")
"""Folders of this repository, which are never owners on the hub."""

ANSWER_SECONDS = 5.0
"""Longest wait for the hub's first answer, seconds; its library would retry for minutes."""

OFFLINE_WAY = "HF_HUB_OFFLINE=1 uses what is in the cache without asking"
"""Advice for work without the hub, for messages."""

# The library's HTTP errors derive from those of its HTTP client, which differs between versions.
_HUB_ERRORS: tuple[type[Exception], ...] = (OSError, ValueError, *HfHubHTTPError.__bases__)


@dataclass(frozen=True)
class HubPlace:
    """A repository on the hub at a revision."""

    id: str
    """``owner/name``."""
    revision: str = "main"
    """Commit, branch or tag."""
    variant: str | None = None
    """Variant of the weights."""

    @classmethod
    def parse(cls, text: str) -> "HubPlace | None":
        """Read a short name of `PUBLISHED` or ``owner/name@revision:variant``; return None for anything else.

        A published repository without a revision gets the pinned one.
        """
        text = PUBLISHED[text].places[0] if text in PUBLISHED else text
        match = PATTERN.fullmatch(text)
        if match is None or match["id"].split("/")[0] in LOCAL_OWNERS:
            return None
        return cls(match["id"], match["revision"] or pinned_revision(match["id"]) or "main", match["variant"])

    @property
    def mirrors(self) -> tuple[str, ...]:
        """Mirrors of the same published prior."""
        places = next((prior.places for prior in PUBLISHED.values() if _lists(prior.places, self.id)), ())
        return tuple(place for place in places if not _lists((place,), self.id))

    @property
    def command(self) -> str:
        """Shell command that fetches the whole repository into the cache."""
        return f"hf download {self.id}" + ("" if self.revision == "main" else f" --revision {self.revision}")

    @property
    def remedy(self) -> str:
        """Advice for a repository that cannot be fetched, for messages."""
        mirrors = f", or use a mirror ({', '.join(self.mirrors)})" if self.mirrors else ""
        return f"fetch it with `{self.command}`, or give the folder of a copy{mirrors}"

    def describe(self, names: frozenset[str]) -> PriorFiles:
        """Return the listing of given files of this repository."""
        return PriorFiles(self.id, names, self.remedy, self.variant)


def pinned_revision(repository: str) -> str | None:
    """Return the revision that `PUBLISHED` pins a repository to."""
    places = (place for prior in PUBLISHED.values() for place in prior.places)
    match = next((match for place in places if (match := PATTERN.fullmatch(place)) and match["id"] == repository), None)
    return match["revision"] if match else None


def cached(place: HubPlace, component: str) -> Path | None:
    """Return the cached snapshot of a repository, complete or not, if it has the configuration of a component."""
    for name in ("config.json", "scheduler_config.json"):
        found = try_to_load_from_cache(place.id, f"{component}/{name}", revision=place.revision)
        if isinstance(found, str):
            return Path(found).parent.parent
    return None


def fetch(place: HubPlace, wanted: tuple[str, ...]) -> Path:
    """Return the snapshot of a repository with at least the wanted components; fetch only missing files.

    Args:
        place: The repository.
        wanted: Components, see `prior_files`; components that the repository lacks are left out.

    Raises:
        ViewDistillError: The repository is neither cached nor reachable, or lacks a file of a component.
    """
    folder = cached(place, wanted[0])
    if folder is not None:
        try:
            place.describe(listing(folder)).components(wanted)
        except ViewDistillError:
            folder = None  # an incomplete snapshot
    if folder is not None:
        return folder
    if not constants.HF_HUB_OFFLINE:
        answers, detail = ask(constants.ENDPOINT, ANSWER_SECONDS)
        if not answers:
            why = f"{constants.ENDPOINT}: {detail}"
            raise ViewDistillError(f"{place.id}: cannot be fetched ({why}); {place.remedy}; {OFFLINE_WAY}")
    try:
        api = HfApi(library_name="viewdistill")
        names = frozenset(api.list_repo_files(place.id, revision=place.revision))
        files = place.describe(names)
        present = files.components(name for name in wanted if files.has(name) or name != "image_encoder")
        return _download(place, present)
    except _HUB_ERRORS as error:
        raise ViewDistillError(f"{place.id}: cannot be fetched ({_reason(error, place)}); {place.remedy}") from error


def ask(address: str, timeout: float) -> tuple[bool, str]:
    """Check that a hub answers, within the timeout, the look-up of its name included.

    Args:
        address: URL.
        timeout: Longest wait, seconds.

    Returns:
        Whether it answers, and the outcome in words.
    """
    answers: list[tuple[bool, str]] = []
    # In a thread, since the system's look-up of a name cannot be interrupted.
    asking = threading.Thread(target=lambda: answers.append(_ask(address, timeout)), daemon=True)
    asking.start()
    asking.join(timeout)
    return answers[0] if answers else (False, f"no answer within {timeout:g} s")


def listing(folder: Path) -> frozenset[str]:
    """Return names of all files below a folder, relative to it."""
    return frozenset(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _ask(address: str, timeout: float) -> tuple[bool, str]:
    try:
        with urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=timeout):
            return True, "answers"
    except urllib.error.HTTPError as error:
        return True, f"answers with status {error.code}"
    except (OSError, ValueError, HTTPException) as error:
        return False, f"no answer ({getattr(error, 'reason', error)})"


def _download(place: HubPlace, present: dict[str, ComponentFiles]) -> Path:
    paths = [path for files in present.values() for path in files.paths]
    print(f"fetching {', '.join(present)} of {place.id} at {place.revision}", file=sys.stderr, flush=True)
    return Path(snapshot_download(place.id, revision=place.revision, allow_patterns=paths, library_name="viewdistill"))


def _reason(error: Exception, place: HubPlace) -> str:
    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set, and the cached copy is incomplete"
    if isinstance(error, RevisionNotFoundError):
        return f"it has no revision {place.revision}"
    if isinstance(error, RepositoryNotFoundError):
        return "no such repository, or you have no access to it"
    return str(error).strip().split("\n")[0] or type(error).__name__


def _lists(places: tuple[str, ...], repository: str) -> bool:
    return any(re.split("[@:]", place)[0] == repository for place in places)
