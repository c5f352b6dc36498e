"""What the search's short cuts cost in accuracy, on a network that knows its birds.

    python benchmarks/search_accuracy.py cub100 mobilenet_v2.pth

cub100 holds train/ and test/ with a folder for each species; the weights are torchvision's mobilenet_v2, for any
classes, with the mean and std given. A head for the species is fitted on the features of train/ (logistic regression).
On test/ it then says:

    large photos   each photo enlarged four- and eightfold, saved as JPEG, and squared by the quick path (libjpeg
                   decodes it at a fraction of its size) and by the plain one: accuracy of both, and how often the
                   first class is the same; and how often where each value is a grey level off at random
    8 bits         accuracy and the target's average precision of the openvino-int8 engine, beside torch's
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from torchmetrics.functional.classification import binary_average_precision

from bluebird.bundle import Bundle, Preprocessing, save_bundle
from bluebird.engines.engine import Engine
from bluebird.engines.export import export
from bluebird.engines.opened import open_engine
from bluebird.nets import Backbone
from bluebird.pixels.decode import decode_bytes
from bluebird.pixels.quick import shrink
from bluebird.pixels.squeeze import squeeze
from bluebird.search.streams import in_streams

SIDE = 224
CALIBRATION = 300


def labelled(folder: Path) -> tuple[list[Path], Tensor, list[str]]:
    files = sorted(folder.glob("*/*.jpg"))
    classes = sorted({file.parent.name for file in files})
    return files, torch.tensor([classes.index(file.parent.name) for file in files]), classes


def plain(data: bytes) -> Tensor:
    return squeeze(decode_bytes(data, "photo"), SIDE)


def quick(data: bytes) -> Tensor:
    return shrink(data, "photo", SIDE).pixels


def noisy(data: bytes) -> Tensor:
    noise = torch.randint(-1, 2, (3, SIDE, SIDE), generator=torch.Generator().manual_seed(len(data)))
    return (plain(data).int() + noise).clamp(0, 255).to(torch.uint8)


def enlarged(file: Path, factor: int) -> bytes:
    with Image.open(file) as image:
        rgb = image.convert("RGB")
    large = rgb.resize((rgb.width * factor, rgb.height * factor), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    large.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def asked(engine: Engine, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Probabilities and features."""
    answers = list(in_streams(engine.ask, torch.split(pixels, 32), engine.streams, engine.enter_thread))
    return torch.cat([answer.probs for answer in answers]), torch.cat([answer.features for answer in answers])


def fit_head(features: Tensor, targets: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
    """Weight and bias of a logistic regression on standardised features, as for the features themselves."""
    mean, std = features.mean(0), features.std(0) + 1e-6
    weight = torch.zeros(num_classes, features.shape[1], requires_grad=True)
    bias = torch.zeros(num_classes, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        logits = functional.linear((features - mean) / std, weight, bias)
        loss = functional.cross_entropy(logits, targets) + 0.03 * weight.square().sum() / 2
        loss.backward()
        return loss

    optimizer.step(closure)
    scaled = weight.detach() / std
    return scaled, bias.detach() - scaled @ mean


def pad_as_tensorflow(module: nn.Module) -> None:
    """Convolutions of stride 2 see one more row below and column to the right, none above and to the left."""
    for child in module.modules():
        if isinstance(child, nn.Conv2d) and child.stride == (2, 2):
            child.padding = (0, 0)
            child.register_forward_pre_hook(lambda _, inputs: functional.pad(inputs[0], (0, 1, 0, 1)))


def trained(options: argparse.Namespace) -> Bundle:
    files, targets, classes = labelled(options.cub100 / "train")
    network = Backbone(len(classes), SIDE, "mobilenet_v2").eval()
    state = torch.load(options.weights, weights_only=True)
    if options.same_padding:
        pad_as_tensorflow(network.body)
    network.body.load_state_dict({name: state[name] for name in state if not name.startswith("classifier.1")})
    model = Bundle(network, tuple(classes), Preprocessing(SIDE, [options.mean] * 3, [options.std] * 3))
    _, features = asked(
        open_engine(model, options.weights, "torch")[0], torch.stack([plain(f.read_bytes()) for f in files])
    )
    with torch.no_grad():
        for parameter, value in zip(network.head.parameters(), fit_head(features, targets, len(classes)), strict=True):
            parameter.copy_(value)
    return model


def large_photos(model: Bundle, files: list[Path], targets: Tensor, factor: int) -> None:
    engine, _ = open_engine(model, Path(), "torch")
    ways: tuple[Callable[[bytes], Tensor], ...] = (plain, quick, noisy)
    squares = [[way(data) for way in ways] for data in (enlarged(file, factor) for file in files)]
    firsts = [asked(engine, torch.stack(list(side)))[0].argmax(1) for side in zip(*squares, strict=True)]
    slow, fast, _ = (f"{float((first == targets).float().mean()):.2%}" for first in firsts)
    same, alike = (float((firsts[0] == first).float().mean()) for first in firsts[1:])
    print(
        f"{SIDE * factor} px photos  accuracy plain {slow}, quick {fast}; first class the same on {same:.2%},", end=" "
    )
    print(f"with a grey level of noise on {alike:.2%}", flush=True)


def eight_bits(model: Bundle, options: argparse.Namespace, pixels: Tensor, targets: Tensor) -> None:
    files = labelled(options.cub100 / "train")[0]
    step = max(1, len(files) // CALIBRATION)
    with tempfile.TemporaryDirectory() as folder:
        save_bundle(model, Path(folder))
        export(model, "openvino-int8", Path(folder), torch.stack([plain(file.read_bytes()) for file in files[::step]]))
        for name in ("torch", "openvino-int8"):
            probs, _ = asked(open_engine(model, Path(folder), name)[0], pixels)
            accuracy = float((probs.argmax(1) == targets).float().mean())
            target = model.classes.index(options.target)
            precision = float(binary_average_precision(probs[:, target], (targets == target).long()))
            print(
                f"{name:<14} accuracy {accuracy:.2%}, average precision of {options.target} {precision:.3f}", flush=True
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cub100", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--mean", type=float, default=0.5, help="of the weights' training, on the scale 0 to 1")
    parser.add_argument("--std", type=float, default=0.5)
    parser.add_argument("--same-padding", action="store_true", help="the weights come from TensorFlow")
    parser.add_argument("--target", default="014.Indigo_Bunting")
    options = parser.parse_args()
    model = trained(options)
    files, targets, _ = labelled(options.cub100 / "test")
    eight_bits(model, options, torch.stack([plain(file.read_bytes()) for file in files]), targets)
    for factor in (4, 8):
        large_photos(model, files, targets, factor)


if __name__ == "__main__":
    main()
