from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torchvision import models

from bluebird.errors import BundleError, UsageError
from bluebird.nets.architectures import build, fetch, native

TORCHVISION = [
    ("alexnet", 64), ("efficientnet_b0", 32), ("googlenet", 32), ("inception_v3", 96),
    ("mnasnet0_5", 32), ("mobilenet_v3_small", 32), ("regnet_y_400mf", 32), ("resnet18", 33),
    ("shufflenet_v2_x0_5", 32), ("squeezenet1_1", 32), ("swin_t", 32), ("vit_b_32", 64),
]  # fmt: skip
TIMM = [
    ("convnext_atto", 64), ("timm/resnet18", 33), ("vit_tiny_patch16_224", 96), ("efficientnet_lite0", 32),
    ("mobilenetv3_small_050", 32), ("swin_tiny_patch4_window7_224", 64), ("deit_tiny_distilled_patch16_224", 64),
    ("eva02_tiny_patch14_224", 56), ("timm/repvgg_a0.rvgg_in1k", 32),
]  # fmt: skip


@pytest.mark.parametrize(("name", "side"), TORCHVISION)
def test_torchvisions_architectures_give_one_row_of_features_in_training_too(name: str, side: int) -> None:
    built = build(name, side)
    assert built.body(torch.randn(2, 3, side, side)).shape == (2, built.features)
    assert not any(out == 1000 for out in (getattr(m, "out_features", 0) for m in built.body.modules()))


@pytest.mark.parametrize(("name", "side"), TIMM)
def test_timms_architectures_give_one_row_of_features_in_training_too(name: str, side: int) -> None:
    pytest.importorskip("timm")
    built = build(name, side)
    assert built.body(torch.randn(2, 3, side, side)).shape == (2, built.features)


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
@torch.no_grad()
def test_pictures_normalised_as_imagenets_reach_googles_weights_as_they_expect_them(name: str) -> None:
    torch.manual_seed(0)
    body = build(name, 96).body.eval()
    bare = build(name, 96).body.eval()
    bare.load_state_dict(body.state_dict())
    bare.transform_input = False
    pixels = torch.rand(1, 3, 96, 96)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in native(name)[1:])
    expected = bare((pixels - 0.5) / 0.5)
    torch.testing.assert_close(body((pixels - mean) / std), expected, atol=1e-3 * float(expected.max()), rtol=0)
    assert (body((pixels - 0.5) / 0.5) - expected).abs().max() > 0.01 * expected.max()


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b3", "inception_v3", "efficientnet_v2_l", "vit_h_14"])
def test_native_is_what_torchvisions_own_preprocessing_does_to_a_picture(name: str) -> None:
    transforms = models.get_model_weights(name).DEFAULT.transforms()
    side, mean, std = native(name)
    assert transforms(torch.zeros(3, 800, 800, dtype=torch.uint8)).shape == (3, side, side)
    for level in (0, 255):
        got = transforms(torch.full((3, 800, 800), level, dtype=torch.uint8)).mean((1, 2))
        torch.testing.assert_close(got, (level / 255 - torch.tensor(mean)) / torch.tensor(std))


def test_native_is_what_timm_resolves_for_its_own_pictures() -> None:
    timm = pytest.importorskip("timm")
    for name in ("vit_tiny_patch16_224", "convnext_tiny.fb_in22k_ft_in1k_384"):
        data = timm.data.resolve_data_config(model=timm.create_model(name))
        assert native(f"timm/{name}") == (data["input_size"][-1], data["mean"], data["std"])


@pytest.mark.parametrize(
    ("name", "side", "fitting"),
    [("vit_b_16", 100, [96, 112, 224]), ("maxvit_t", 100, [224]), ("alexnet", 32, [64, 224]),
     ("vit_tiny_patch16_224", 100, [96, 112, 224]), ("efficientformer_l1", 240, [224])],
)  # fmt: skip
def test_a_size_that_does_not_fit_is_refused_with_sizes_that_do(name: str, side: int, fitting: list[int]) -> None:
    if name not in models.list_models(module=models):
        pytest.importorskip("timm")
    with pytest.raises(UsageError, match=f"^image_size is {side}: {name} cannot take it") as refusal:
        build(name, side)
    said = [int(word) for word in str(refusal.value).partition("example, ")[2].split(" or ")]
    assert "\n" not in str(refusal.value)
    assert said == fitting
    assert build(name, said[0]).features


def test_a_misspelt_name_is_refused_with_the_nearest_of_both_libraries() -> None:
    pytest.importorskip("timm")
    for wrong, right in [("resnet81", "resnet18"), ("convnext_ato", "convnext_atto"), ("vit_b16", "vit_b_16")]:
        with pytest.raises(UsageError, match=f"{wrong!r}: neither torchvision nor timm has .* mean .*{right}"):
            build(wrong, 32)
    for wrong, right in [("timm/convnext_tiny.fb_in2k", "convnext_tiny.fb_in1k"), ("timm/resnet81", "resnet18")]:
        with pytest.raises(UsageError, match=f"{wrong!r}: timm has no .* mean .*{right}"):
            native(wrong)
    for foreign in ("timm/hf-hub:timm/resnet18", "hf-hub:timm/resnet18", ""):
        with pytest.raises(UsageError, match="such architecture"):
            build(foreign, 32)


def test_without_timm_its_names_are_refused_with_the_extra_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)  # as import treats what is not installed
    with pytest.raises(UsageError, match=r"^timm is needed and not installed: pip install 'bluebird\[timm\]'$"):
        build("timm/convnext_atto", 64)
    with pytest.raises(UsageError, match=r"mean resnet18 .*; for timm's: pip install 'bluebird\[timm\]'$"):
        build("resnet81", 64)
    assert build("resnet18", 32).features == 512


@pytest.mark.parametrize(("name", "host"), [("resnet18", "download.pytorch.org"), ("convnext_atto", "huggingface.co")])
def test_a_hub_that_cannot_be_reached_is_named_in_one_line(
    name: str, host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name not in models.list_models(module=models):
        pytest.importorskip("timm")
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)  # else it tries for most of a minute
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")  # where nobody listens
    monkeypatch.setattr("urllib.request._opener", None)  # it would remember the proxy for all tests to come
    with pytest.raises(BundleError, match=rf"^--weights hub: https://{host}/\S+ cannot be fetched") as refusal:
        fetch(name, 64)
    assert str(refusal.value).endswith("fetch it elsewhere, then: --weights FILE")
    assert "\n" not in str(refusal.value)
