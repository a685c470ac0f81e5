"""Files of a prior, wherever they are: in a folder, in the hub's cache, or in a listing of a repository."""

from collections.abc import Iterable
from dataclasses import dataclass

from viewdistill.errors import ViewDistillError

TEXT_COMPONENTS = ("vae", "unet", "text_encoder", "tokenizer", "scheduler")
"""Components of a text-conditioned prior."""

VIEW_COMPONENTS = ("vae", "unet", "image_encoder", "clip_camera_projection", "scheduler")
"""Components of a view-conditioned prior."""

OPTIONAL_COMPONENTS = {"lifting": "clip_camera_projection"}
"""Optional component → the component that it accompanies."""

OTHER_NAMES = {"clip_camera_projection": "cc_projection"}
"""Component → its name in another family of ports."""

OF_TRANSFORMERS = ("text_encoder", "image_encoder")
"""Components from transformers, whose weight files have other names than those of diffusers."""


@dataclass(frozen=True)
class ComponentFiles:
    """Files to read of one component."""

    folder: str
    """Name of its folder in the prior."""
    configuration: tuple[str, ...]
    """Configuration files in that folder."""
    weights: tuple[str, ...] = ()
    """Weight files in that folder; several where they are split."""
    variant: str | None = None
    """Variant of the weights; None for plain ones."""

    @property
    def paths(self) -> tuple[str, ...]:
        """All files, relative to the prior."""
        return tuple(f"{self.folder}/{name}" for name in (*self.configuration, *self.weights))


@dataclass(frozen=True)
class PriorFiles:
    """Names of all files of a prior, and advice for a missing one."""

    place: str
    """Folder or repository, for messages."""
    names: frozenset[str]
    """Relative to the place, with slashes."""
    remedy: str
    """Advice for a missing file, for messages."""
    variant: str | None = None
    """Variant of the weights, such as ``fp16``; components without it are taken plain."""

    def components(self, wanted: Iterable[str]) -> dict[str, ComponentFiles]:
        """Return the files of the wanted components.

        Raises:
            ViewDistillError: A file is missing, or no component has the variant.
        """
        names = list(wanted)
        optional = [name for name, other in OPTIONAL_COMPONENTS.items() if other in names and self.has(name)]
        found = {name: self.component(name) for name in (*names, *optional)}
        if self.variant is not None and all(files.variant is None for files in found.values()):
            raise ViewDistillError(
                f"{self.place}: no component has weights of the variant {self.variant}; drop `:{self.variant}` "
                "or give another"
            )
        return found

    def has(self, component: str) -> bool:
        """Return whether any file of a component exists."""
        return bool(self._folder_of(component))

    def component(self, name: str) -> ComponentFiles:
        """Return the files of one component.

        Raises:
            ViewDistillError: It, its configuration or its weights are missing; the message lists the existing files.
        """
        folder = self._folder_of(name)
        if folder is None:
            raise ViewDistillError(f"{self.place}/{name}: this prior has no {name}; {self.remedy}")
        there = sorted(path.split("/", 1)[1] for path in self.names if path.startswith(f"{folder}/"))
        if name == "tokenizer":
            return self._tokenizer(folder, there)
        configuration = "scheduler_config.json" if name == "scheduler" else "config.json"
        if configuration not in there:
            raise ViewDistillError(
                f"{self.place}/{folder}/{configuration}: no such file (there are: {', '.join(there)}); {self.remedy}"
            )
        if name == "scheduler":
            return ComponentFiles(folder, (configuration,))
        for variant in dict.fromkeys((self.variant, None)):
            for candidate in weight_names(name, variant):
                if weights := _whole(candidate, there):
                    return ComponentFiles(folder, (configuration,), weights, variant)
        raise ViewDistillError(self._no_weights(name, folder, there))

    def _folder_of(self, name: str) -> str | None:
        for folder in (name, OTHER_NAMES.get(name)):
            if folder is not None and any(path.startswith(f"{folder}/") for path in self.names):
                return folder
        return None

    def _tokenizer(self, folder: str, there: list[str]) -> ComponentFiles:
        if "tokenizer.json" not in there and not {"vocab.json", "merges.txt"} <= set(there):
            raise ViewDistillError(
                f"{self.place}/{folder}: neither tokenizer.json nor vocab.json with merges.txt "
                f"(there are: {', '.join(there)}); {self.remedy}"
            )
        return ComponentFiles(folder, tuple(name for name in there if name.endswith((".json", ".txt"))))

    def _no_weights(self, name: str, folder: str, there: list[str]) -> str:
        plain = weight_names(name, None)
        first, last = plain[0], plain[-1]
        stem, suffix = first.removesuffix(".safetensors"), ".safetensors"
        variants = [
            file.removeprefix(f"{stem}.").removesuffix(suffix)
            for file in there
            if file.startswith(f"{stem}.") and file.endswith(suffix)
        ]
        if variants:
            return (
                f"{self.place}/{folder}: only weights of the variant {' or '.join(variants)}; "
                f"ask for it by `:{variants[0]}` after the prior's name"
            )
        others = ", ".join(file for file in there if file != "config.json") or "none"
        return f"{self.place}/{folder}: no weights named {first} or {last} (other files: {others}); {self.remedy}"


def weight_names(component: str, variant: str | None) -> tuple[str, ...]:
    """Return possible file names of a component's weights, preferred first; ``.index.json`` stands for split ones."""
    middle = f".{variant}" if variant else ""
    model, pickled = ("model", "pytorch_model") if component in OF_TRANSFORMERS else ("diffusion_pytorch_model",) * 2
    split = () if variant else (f"{model}.safetensors.index.json",)
    return (f"{model}{middle}.safetensors", *split, f"{pickled}{middle}.bin")


def _whole(candidate: str, there: list[str]) -> tuple[str, ...]:
    """Return the files that a name stands for, if it exists."""
    if candidate not in there:
        return ()
    stem = candidate.removesuffix(".safetensors.index.json")
    if stem == candidate:
        return (candidate,)
    return (candidate, *(name for name in there if name.startswith(f"{stem}-") and name.endswith(".safetensors")))
