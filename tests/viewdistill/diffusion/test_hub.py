"""Priors by name: fetched from a small hub on this machine, then found in the cache, and every way that it can fail."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import load_file

from tests.viewdistill.diffusion.hub_server import HubServer, serving
from tests.viewdistill.diffusion.saved_priors import as_old_port, save
from viewdistill.diffusion import hub as hub_module
from viewdistill.diffusion.fingerprints import fingerprint
from viewdistill.diffusion.hub import HubPlace
from viewdistill.diffusion.loading import locate
from viewdistill.diffusion.prior_files import VIEW_COMPONENTS
from viewdistill.diffusion.priors import TextConditionedPrior, ViewConditionedPrior
from viewdistill.diffusion.published import IMAGE_ENCODER, PUBLISHED
from viewdistill.errors import ViewDistillError

ViewBuilder = Callable[..., ViewConditionedPrior]
TextBuilder = Callable[..., TextConditionedPrior]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """An empty hub, and an empty cache."""
    with serving(tmp_path / "hub") as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", server.url + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.chdir(tmp_path)
        yield server


def predictions(prior: ViewConditionedPrior) -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    images, noisy = torch.rand(1, 3, 32, 32, generator=generator), torch.randn(2, 4, 8, 8, generator=generator)
    pose = torch.randn(2, 4, generator=generator)
    return prior.predict_noise(noisy, torch.tensor([40, 700]), prior.condition(images), pose)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("someone/model", HubPlace("someone/model")),
        ("someone/model@v2:fp16", HubPlace("someone/model", "v2", "fp16")),
        ("someone/model@refs/pr/1", HubPlace("someone/model", "refs/pr/1")),
        ("someone/model:fp16_ema", HubPlace("someone/model", "main", "fp16_ema")),
        ("kxic/zero123-xl", HubPlace("kxic/zero123-xl", "7d8aec2223b93e84eb26893d1e732e013523474b")),
        ("kxic/zero123-xl@main", HubPlace("kxic/zero123-xl", "main")),
        ("priors/zero123-xl", None),
        ("./someone/model", None),
        ("/someone/model", None),
        ("a/b/c", None),
        ("model", None),
    ],
)
def test_names_on_the_hub(text: str, expected: HubPlace | None) -> None:
    assert HubPlace.parse(text) == expected


def test_published_places_can_be_read_and_the_first_is_pinned() -> None:
    for name, prior in PUBLISHED.items():
        places = [HubPlace.parse(place) for place in prior.places]
        assert None not in places
        assert HubPlace.parse(name) == places[0]
        assert name == "zero123" or len(places[0].revision) == 40  # type: ignore[union-attr]
    assert PUBLISHED["stable-zero123"].pose == "input_polar"


def test_a_prior_is_fetched_once_and_nothing_more_than_needed(
    hub: HubServer, view_prior: ViewBuilder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = save(view_prior(tokens="pooled"), hub.root / "someone" / "model")
    (folder / "README.md").write_text("")
    (folder / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"the same, pickled")
    (folder / "safety_checker").mkdir()
    (folder / "safety_checker" / "model.safetensors").write_bytes(b"not needed")
    expected = predictions(ViewConditionedPrior.from_folder(folder))
    torch.testing.assert_close(predictions(ViewConditionedPrior.from_folder(Path("someone/model"))), expected)
    assert hub.fetched == sorted(
        [f"{name}/config.json" for name in VIEW_COMPONENTS[:-1]]
        + [f"{name}/diffusion_pytorch_model.safetensors" for name in ("clip_camera_projection", "unet", "vae")]
        + ["image_encoder/model.safetensors", "scheduler/scheduler_config.json"]
    )
    assert "fetching vae, unet, image_encoder" in capsys.readouterr().err
    hub.requests.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    ViewConditionedPrior.from_folder(Path("someone/model"))
    ViewConditionedPrior.from_folder(Path(f"someone/model@{hub.commit('someone/model')}"))
    assert not hub.requests


def test_what_is_missing_in_the_cache_is_fetched(hub: HubServer, view_prior: ViewBuilder) -> None:
    save(view_prior(), hub.root / "someone" / "model")
    first = locate(Path("someone/model"), VIEW_COMPONENTS)
    weights = first.folders["unet"] / "diffusion_pytorch_model.safetensors"
    weights.resolve().unlink()
    hub.requests.clear()
    assert locate(Path("someone/model"), VIEW_COMPONENTS).folders["unet"].joinpath(weights.name).is_file()
    assert hub.fetched == ["unet/diffusion_pytorch_model.safetensors"]


def test_the_older_family_of_ports(hub: HubServer, view_prior: ViewBuilder) -> None:
    folder = save(view_prior(tokens="pooled"), hub.root / "someone" / "zero123-xl")
    expected = predictions(ViewConditionedPrior.from_folder(folder))
    as_old_port(folder)
    # Its image encoder is that of the model it was trained from.
    encoder = hub.root / IMAGE_ENCODER.split("@")[0]
    encoder.mkdir(parents=True)
    shutil.move(folder / "image_encoder", encoder / "image_encoder")
    hub.revisions.add("v2.0")
    torch.testing.assert_close(predictions(ViewConditionedPrior.from_folder(Path("someone/zero123-xl"))), expected)
    assert "cc_projection/diffusion_pytorch_model.bin" in hub.fetched
    assert "image_encoder/pytorch_model.bin" in hub.fetched


def test_a_variant_is_taken_where_there_is_one(hub: HubServer, text_prior: TextBuilder) -> None:
    folder = save(text_prior(), hub.root / "someone" / "model")
    other = save(text_prior(seed=9), hub.root / "other")
    shutil.copy(
        other / "unet" / "diffusion_pytorch_model.safetensors",
        folder / "unet" / "diffusion_pytorch_model.fp16.safetensors",
    )
    plain = TextConditionedPrior.from_folder(Path("someone/model")).unet.state_dict()
    for name in ("someone/model:fp16", f"{folder}:fp16"):
        variant = TextConditionedPrior.from_folder(Path(name)).unet.state_dict()
        expected = load_file(other / "unet" / "diffusion_pytorch_model.safetensors")
        assert all(torch.equal(variant[key], expected[key]) for key in expected)
        assert not all(torch.equal(variant[key], plain[key]) for key in plain)
    for name in ("someone/model:bf16", f"{folder}:bf16"):
        with pytest.raises(ViewDistillError, match=r"no component has weights of the variant bf16"):
            TextConditionedPrior.from_folder(Path(name))


def test_what_the_hub_lacks_is_named_with_its_mirrors_and_the_command(
    hub: HubServer, view_prior: ViewBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ViewDistillError) as raised:
        ViewConditionedPrior.from_folder(Path("stable-zero123"))
    pinned = PUBLISHED["stable-zero123"].places[0].split("@")[1]
    assert str(raised.value) == (
        "ashawkey/stable-zero123-diffusers: cannot be fetched (no such repository, or you have no access to it); fetch "
        f"it with `hf download ashawkey/stable-zero123-diffusers --revision {pinned}`, or give the folder of a copy, "
        "or use a mirror (kxic/stable-zero123)"
    )
    folder = save(view_prior(), hub.root / "someone" / "model")
    with pytest.raises(ViewDistillError, match=r"someone/model: cannot be fetched \(it has no revision v9\)"):
        ViewConditionedPrior.from_folder(Path("someone/model@v9"))
    (folder / "unet" / "diffusion_pytorch_model.safetensors").rename(folder / "unet" / "weights.safetensors")
    with pytest.raises(
        ViewDistillError, match=r"someone/model/unet: no weights named .*weights\.safetensors.*hf download"
    ):
        ViewConditionedPrior.from_folder(Path("someone/model"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ViewDistillError, match=r"HF_HUB_OFFLINE is set.*`hf download someone/model`"):
        ViewConditionedPrior.from_folder(Path("someone/model"))


def test_a_hub_that_does_not_answer(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(ViewDistillError, match=r"someone/model: cannot be fetched \(.+\); fetch it with"):
        ViewConditionedPrior.from_folder(Path("someone/model"))


def test_a_hub_that_takes_calls_and_never_answers(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "ANSWER_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        start = time.monotonic()
        with pytest.raises(ViewDistillError, match=r"no answer.*fetch it with.*HF_HUB_OFFLINE=1"):
            ViewConditionedPrior.from_folder(Path("someone/model"))
        assert time.monotonic() - start < 5


def test_a_prior_that_is_there_from_another_folder_is_not_to_be_fetched(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    # The shipped ones are found from anywhere; others that lie beside them are named.
    assert locate(Path("priors/nano/zero123"), VIEW_COMPONENTS).folders["unet"].is_dir()
    with pytest.raises(ViewDistillError, match=r"tests/viewdistill/diffusion: not in .*it is in .*: run there"):
        ViewConditionedPrior.from_folder(Path("tests/viewdistill/diffusion"))


def test_damage_in_the_cache_is_named_with_the_command(hub: HubServer, view_prior: ViewBuilder) -> None:
    save(view_prior(), hub.root / "someone" / "model")
    weights = locate(Path("someone/model"), VIEW_COMPONENTS).folders["vae"] / "diffusion_pytorch_model.safetensors"
    weights.resolve().write_bytes(weights.read_bytes()[:500])
    with pytest.raises(ViewDistillError, match=r"vae: cannot be loaded .*`hf download someone/model --force-download`"):
        ViewConditionedPrior.from_folder(Path("someone/model"))


def test_fingerprint_tells_content_and_not_place(hub: HubServer, view_prior: ViewBuilder) -> None:
    folder = save(view_prior(), hub.root / "someone" / "stable-zero123")
    local = fingerprint(locate(folder, VIEW_COMPONENTS))
    fetched = fingerprint(locate(Path("someone/stable-zero123"), VIEW_COMPONENTS))
    assert fetched.pop("revision") == hub.commit("someone/stable-zero123")
    assert fetched.pop("prior") == "someone/stable-zero123"
    assert local.pop("prior") == str(folder)
    assert fetched == local
    assert local["pose"] == "input_polar"
    assert {key for key in local if key.endswith("/weights")} == {f"{name}/weights" for name in VIEW_COMPONENTS[:-1]}
    config = folder / "unet" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"sample_size": 16}))
    changed = fingerprint(locate(folder, VIEW_COMPONENTS))
    assert {key for key in local if local[key] != changed.get(key)} == {"unet/configuration"}
    save(view_prior(seed=3), folder)
    assert fingerprint(locate(folder, VIEW_COMPONENTS))["vae/weights"] != local["vae/weights"]


def test_offline_mode_is_a_variable_of_the_environment(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from viewdistill.diffusion.priors import ViewConditionedPrior;"
        "ViewConditionedPrior.from_folder(Path('kxic/zero123-xl'))"
    )
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root, env=environment)
    assert "kxic/zero123-xl: cannot be fetched (HF_HUB_OFFLINE is set" in done.stderr.splitlines()[-1]
