"""Loading of a prior's components from a folder or from the hub; every fault becomes one clear line."""

import pickle
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from viewdistill.diffusion.conditioning import WEIGHTS_FILE, CameraProjection
from viewdistill.diffusion.hub import HubPlace, fetch, listing
from viewdistill.diffusion.prior_files import ComponentFiles, PriorFiles
from viewdistill.diffusion.published import IMAGE_ENCODER, PUBLISHED, Pose, pose_of
from viewdistill.documents import read_json
from viewdistill.errors import ViewDistillError
from viewdistill.finite import non_finite
from viewdistill.resources import REPOSITORY, find

Module = TypeVar("Module", bound=nn.Module)

# What diffusers, transformers and torch raise for absent, truncated and ill-fitting files.
_LOADING_ERRORS = (
    OSError,
    ValueError,
    RuntimeError,
    TypeError,
    KeyError,
    EOFError,
    SafetensorError,
    pickle.UnpicklingError,
)


@dataclass(frozen=True)
class PriorSource:
    """A prior's components on disk."""

    name: str
    """Folder, or repository on the hub, for messages and fingerprints."""
    revision: str | None
    """Commit of the repository; none for a folder."""
    folders: dict[str, Path]
    """Component → its folder."""
    files: dict[str, ComponentFiles]
    """Component → the files to read."""
    remedy: str
    """Advice for damaged files, for messages."""
    pose: Pose
    """Meaning of its fourth pose number, if it is view-conditioned."""

    def paths(self, component: str) -> tuple[Path, ...]:
        """Return all files to read of a component."""
        files = self.files[component]
        return tuple(self.folders[component] / name for name in (*files.configuration, *files.weights))


def locate(prior: Path, wanted: tuple[str, ...]) -> PriorSource:
    """Find a prior's components; fetch missing ones.

    Args:
        prior: A folder in the diffusers layout, or a name on the hub: ``owner/name``, ``owner/name@revision``, or a
            short name of `PUBLISHED`. ``:variant`` after either asks for such weights, as in ``owner/name:fp16``.
        wanted: Components, see `prior_files`.

    Raises:
        ViewDistillError: There is no such prior, or a file of it is missing and cannot be fetched.
    """
    folder, variant = _folder_and_variant(prior)
    place = None if folder.is_dir() else HubPlace.parse(prior.as_posix())
    if place is not None:
        return _on_hub(place, wanted)
    if not folder.is_dir():
        if not folder.is_absolute() and (REPOSITORY / folder).is_dir():
            # Downloading it again would not help: it is there, seen from elsewhere.
            raise ViewDistillError(
                f"{prior}: not in {Path.cwd()}; it is in {REPOSITORY}: run there, or give {REPOSITORY / folder}"
            )
        raise ViewDistillError(f"{prior}: no such prior folder; {_advice(folder)}")
    files = PriorFiles(str(folder), listing(folder), _advice(folder, "restore it"), variant)
    found = files.components(wanted)
    folders = {name: folder / component.folder for name, component in found.items()}
    pose = _noted_pose(folders) or pose_of(folder.name)
    return PriorSource(str(folder), None, folders, found, "fetch or train it again", pose)


def load_component(kind: type[Module], source: PriorSource, name: str, dtype: torch.dtype) -> Module:
    """Load a component with its class's own ``from_pretrained``.

    Args:
        kind: A diffusers or transformers model class.
        source: Of the prior.
        name: Component, for example ``unet``.
        dtype: Precision of the weights in memory.

    Raises:
        ViewDistillError: The component is damaged, a weight is not finite, or its weights are not those its
            configuration asks for.
    """
    folder, variant = source.folders[name], source.files[name].variant
    try:
        module, info = cast(Any, kind).from_pretrained(folder, variant=variant, output_loading_info=True)
    except _LOADING_ERRORS as error:
        raise _damaged(source, name, kind.__name__, error) from error
    # By default, both libraries draw missing weights at random and only log it.
    if missing := sorted(info["missing_keys"]):
        raise ViewDistillError(f"{folder}: {len(missing)} weights are missing, the first {missing[0]}; {source.remedy}")
    _require_finite(module, folder, source)
    # The plain method: the one of diffusers warns of casts even where no module has to stay in fp32.
    return cast(Module, nn.Module.to(module, dtype=dtype))


def load_camera_projection(source: PriorSource, dtype: torch.dtype) -> CameraProjection:
    """Load the camera projection of either family of ports, from safetensors or a pickle of weights alone.

    Raises:
        ViewDistillError: The file is damaged, or holds something else.
    """
    name = "clip_camera_projection"
    folder, (weights,) = source.folders[name], source.files[name].weights
    if weights == WEIGHTS_FILE:
        projection = CameraProjection.from_pretrained(folder)
        _require_finite(projection, folder, source)
        return projection.to(dtype=dtype)
    try:
        state = (
            load_file(folder / weights)
            if weights.endswith(".safetensors")
            else cast(dict[str, torch.Tensor], torch.load(folder / weights, map_location="cpu", weights_only=True))
        )
        with tempfile.TemporaryDirectory() as plain:
            shutil.copyfile(folder / "config.json", Path(plain) / "config.json")
            save_file(state, Path(plain) / WEIGHTS_FILE)
            return CameraProjection.from_pretrained(Path(plain)).to(dtype=dtype)
    except (*_LOADING_ERRORS, ViewDistillError) as error:
        raise _damaged(source, name, "a camera projection", error) from error


def _require_finite(module: nn.Module, folder: Path, source: PriorSource) -> None:
    if weight := non_finite(module.state_dict()):
        raise ViewDistillError(f"{folder}: {weight} is not finite; {source.remedy}")


def load_tokenizer(source: PriorSource) -> PreTrainedTokenizerBase:
    """Load the ``tokenizer`` component.

    Raises:
        ViewDistillError: The component is damaged.
    """
    try:
        return AutoTokenizer.from_pretrained(source.folders["tokenizer"])
    except _LOADING_ERRORS as error:
        raise _damaged(source, "tokenizer", "a tokenizer", error) from error


def _folder_and_variant(prior: Path) -> tuple[Path, str | None]:
    """Split a folder's name from a variant after it, if any."""
    prior = find(prior)
    match = re.fullmatch(r"(.+):([\w.-]+)", str(prior))
    if match and not prior.is_dir() and find(match[1]).is_dir():
        return find(match[1]), match[2]
    return prior, None


def _on_hub(place: HubPlace, wanted: tuple[str, ...]) -> PriorSource:
    snapshot = fetch(place, wanted)
    files = place.describe(listing(snapshot))
    found = files.components(name for name in wanted if files.has(name) or name != "image_encoder")
    folders = {name: snapshot / component.folder for name, component in found.items()}
    if "image_encoder" in wanted and "image_encoder" not in found:
        encoder = cast(HubPlace, HubPlace.parse(IMAGE_ENCODER))
        other = fetch(encoder, ("image_encoder",))
        found["image_encoder"] = encoder.describe(listing(other)).component("image_encoder")
        folders["image_encoder"] = other / "image_encoder"
    remedy = f"fetch it again with `{place.command} --force-download`"
    pose = _noted_pose(folders) or pose_of(place.id)
    return PriorSource(place.id, snapshot.name, folders, found, remedy, pose)


def _noted_pose(folders: dict[str, Path]) -> Pose | None:
    """Return the meaning of the pose that `viewdistill convert` noted beside the camera projection."""
    if "clip_camera_projection" not in folders:
        return None
    try:
        config = read_json(folders["clip_camera_projection"] / "config.json")
    except ViewDistillError:
        return None  # loading reports the damage
    return config.get("pose") if isinstance(config, dict) else None


def _advice(folder: Path, restore: str = "") -> str:
    """Return advice for a missing folder or component: a published one can be fetched into place."""
    if published := PUBLISHED.get(folder.name):
        place = cast(HubPlace, HubPlace.parse(folder.name))
        others = ", ".join(published.places)
        return f"fetch it with `{place.command} --local-dir {folder}`, or give a hub id ({others})"
    return (
        f"{restore}, or run `make priors`" if restore else "run `make priors` or give the folder of a diffusers model"
    )


def _damaged(source: PriorSource, name: str, what: str, error: Exception) -> ViewDistillError:
    reason = str(error).strip().split("\n")[0]
    return ViewDistillError(f"{source.folders[name]}: cannot be loaded as {what} ({reason}); {source.remedy}")
