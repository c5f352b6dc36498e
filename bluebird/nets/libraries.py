"""torchvision and timm, which have the architectures: who knows a name, and how each is asked for one."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, Literal

from torch import nn

from bluebird.errors import UsageError


def find(name: str) -> tuple[Literal["torchvision", "timm"], str]:
    """The library of an architecture and its own name for it.

    Raises:
        UsageError: none has it, or timm is asked for and not installed.
    """
    if name.startswith("timm/"):
        own = name.removeprefix("timm/")
        if _timm_knows(own):
            return "timm", own
        raise UsageError(_unknown(name, own, []))
    names = _torchvision_names()
    if name in names:
        return "torchvision", name
    if _has_timm() and _timm_knows(name):
        return "timm", name
    raise UsageError(_unknown(name, name, names))


def _unknown(name: str, own: str, names: list[str]) -> str:
    """Why `name` is refused, with the nearest that there are; `names` are torchvision's, where those are meant too."""
    if not _has_timm():
        near = _nearest(own, names)
        return f"name is {name!r}: torchvision has no such architecture{near}; for timm's: pip install 'bluebird[timm]'"
    timm, base = _timm(), own.partition(".")[0]
    known = timm.list_pretrained(f"{base}.*") if timm.is_model(base) else timm.list_models()
    libraries = "neither torchvision nor timm has" if names else "timm has no"
    return f"name is {name!r}: {libraries} such architecture{_nearest(own, [*names, *known])}"


def _nearest(name: str, names: list[str]) -> str:
    near = get_close_matches(name, list(dict.fromkeys(names)), n=3)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def _torchvision_names() -> list[str]:
    from torchvision import models  # seconds that the other networks do without

    names: list[str] = models.list_models(module=models)
    return names


def torchvision_weights(name: str) -> Any:
    """torchvision's entry of its best weights of `name`; None where it has none."""
    from torchvision import models

    return getattr(models.get_model_weights(name), "DEFAULT", None)


def of_torchvision(name: str, side: int) -> tuple[nn.Module, str]:
    """torchvision's `name` for pictures of `side` px, and the path to the layer of classes that was taken off it."""
    from torchvision import models

    options: dict[str, Any] = {}
    if name.startswith("vit_"):
        options = {"image_size": side}
    elif name.startswith("maxvit_"):
        options = {"input_size": (side, side)}
    elif name in ("googlenet", "inception_v3"):
        # no outputs beside the last; mean and std of ImageNet are turned into those of its weights inside
        options = {"aux_logits": False, "transform_input": True, "init_weights": True}
    body: nn.Module = models.get_model(name, weights=None, **options)
    path = _last_layer(body, name)
    body.set_submodule(path, nn.Identity())
    return body, path


def _last_layer(body: nn.Module, name: str) -> str:
    """The path to the layer that gives torchvision's own 1,000 classes; of squeezenet, a convolution."""
    last, outputs = "", 0
    for path, module in body.named_modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            last, outputs = path, len(module.weight)
    if outputs != 1000:
        raise UsageError(f"name is {name!r}: does not end in one layer of classes, and cannot be given another head")
    return last


def _timm() -> Any:
    try:
        import timm
    except ImportError:
        raise UsageError("timm is needed and not installed: pip install 'bluebird[timm]'") from None
    return timm


def timm_stated(name: str) -> Any:
    """What timm states of the weights of `name`: sizes, mean, std, address; None where it has none."""
    return _timm().get_pretrained_cfg(name)


def _has_timm() -> bool:
    try:
        return bool(_timm())
    except UsageError:
        return False


def _timm_knows(name: str) -> bool:
    try:
        return bool(_timm().is_model(name) and (timm_stated(name) or "." not in name))
    except RuntimeError:  # the architecture is known, the training behind the dot is not
        return False


def of_timm(name: str, side: int) -> tuple[nn.Module, str]:
    """timm's `name` for pictures of `side` px, and the path to the layer of classes that it was built without."""
    body = timm_model(name, side, num_classes=0)
    classifier = body.pretrained_cfg.get("classifier") or "head"  # a pair where a second one was taught by distillation
    return body, classifier if isinstance(classifier, str) else classifier[0]


def timm_model(name: str, side: int, **options: Any) -> Any:
    """timm's `name` for pictures of `side` px, as `options` of `timm.create_model` say."""
    stated = timm_stated(name)
    if stated and stated.fixed_input_size and stated.input_size[-1] != side:
        try:
            return _timm().create_model(name, img_size=side, **options)
        except TypeError:
            pass  # made for its one size; it says so when it sees another
    return _timm().create_model(name, **options)
