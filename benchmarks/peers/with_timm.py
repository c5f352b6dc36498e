"""timm's inference.py, which its wheel leaves out: its data set, its loader with prefetcher, its network."""

from __future__ import annotations

import timm
import torch
from job import Job, given
from timm.data import create_dataset, create_loader
from torch import nn

BATCH = 64
WORKERS = 2
THREADS = 2
CHANNELS_LAST = True
COMPILE = False
NAMES = {"resnet18": ("resnet18", {}), "mobilenet_v3_small": ("mobilenetv3_small_100", {"bn_eps": 1e-3})}


def build(job: Job) -> nn.Module:
    """timm's own network where it has one; it has torchvision's layers in the same order under other names."""
    if not job.network:
        return job.build()
    name, arguments = NAMES[job.network]
    network = timm.create_model(name, num_classes=job.num_classes, **arguments).eval()
    own, theirs = network.state_dict(), job.state()
    network.load_state_dict({key: value.view_as(own[key]) for key, value in zip(own, theirs.values(), strict=True)})
    return network


def main() -> None:
    job = given()
    torch.set_num_threads(THREADS)
    device = torch.device("cpu")
    memory = torch.channels_last if CHANNELS_LAST else torch.contiguous_format
    network = build(job).to(device, memory_format=memory)
    if COMPILE:
        network = torch.compile(network)
    photos = create_dataset(root=job.photos, name="", class_map="")
    loader = create_loader(
        photos, (3, job.image_size, job.image_size), BATCH, interpolation="bilinear", mean=tuple(job.mean),
        std=tuple(job.std), crop_pct=1.0, crop_mode="squash", num_workers=WORKERS, device=device, use_prefetcher=True,
    )  # fmt: skip
    with torch.inference_mode():
        probs = [network(images.contiguous(memory_format=memory)).softmax(-1) for images, _ in loader]
    job.write(photos.filenames(basename=True), torch.cat(probs))


if __name__ == "__main__":
    main()
