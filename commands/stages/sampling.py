"""Stages that draw samples from a prior: settings from YAML as in the fitted stages, and resume image by image."""

import argparse
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

from commands.stages.configuration import configuration_files
from viewdistill.errors import ViewDistillError

EPILOG = """\
Every setting of the YAML can be given as an option, for example `--count 8`; `--print_config` prints them all with
their values. A run that was stopped goes on with the next missing image, unless a setting, the input or a prior has
changed since: then it starts again."""

Sampler = TypeVar("Sampler")


def build_sampler(kind: type[Sampler], arguments: argparse.Namespace, shipped: str) -> tuple[Sampler, str]:
    """A sampler by the shipped YAML, the overlays, the seed and single options; later ones win.

    Args:
        kind: Its class, whose constructor's arguments are the settings.
        arguments: Parsed options, see `commands.stages.configuration.add_configuration_arguments`.
        shipped: The shipped YAML, relative to the repository.

    Returns:
        The sampler, and its settings as YAML, fit to be given back as ``--config``.

    Raises:
        ViewDistillError: A YAML is missing, or a setting is wrong.
    """
    import jsonargparse

    parser = jsonargparse.ArgumentParser(prog="viewdistill", exit_on_error=False)
    parser.add_argument("--config", action="config")
    parser.add_class_arguments(kind)
    seed = [] if arguments.seed is None else [f"--seed={arguments.seed}"]
    try:
        settings = parser.parse_args([*configuration_files(arguments, shipped), *seed, *arguments.settings])
    except argparse.ArgumentError as error:
        raise ViewDistillError(f"configuration: {error}") from error
    config = cast(Any, parser).dump(settings, skip_unset=False)
    del settings["config"]
    return kind(**settings.as_dict()), config


def sample_missing(
    paths: Sequence[Path],
    batch_size: int,
    sample: Callable[[list[int]], Iterable[Any]],
    save: Callable[[int, Any], None],
) -> int:
    """Sample and save the images that are not there yet.

    A batch with a missing image is sampled whole, composed as it would have been from the start: sums, and so the last
    bits of an image, depend on its neighbours in the batch.

    Args:
        paths: Where the images go.
        batch_size: Images a batch.
        sample: The images of some indices.
        save: Writes the image of an index.

    Returns:
        How many were missing.
    """
    missing = {index for index, path in enumerate(paths) if not path.is_file()}
    for start in range(0, len(paths), batch_size):
        batch = list(range(len(paths)))[start : start + batch_size]
        if missing.isdisjoint(batch):
            continue
        for index, image in zip(batch, sample(batch), strict=True):
            if index in missing:
                save(index, image)
        print(f"{batch[-1] + 1} of {len(paths)} images", flush=True)
    return len(missing)
