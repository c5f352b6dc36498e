"""Ultralytics: its classification predictor over a folder, with torchvision's network in its hands."""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "2")

import torch
from job import Job, given
from torch import Tensor, nn
from torchvision import transforms
from ultralytics.models.yolo.classify import ClassificationPredictor

BATCH = 64
THREADS = 2
CHANNELS_LAST = True
COMPILE = False


class Classifier(nn.Module):
    """What the predictor asks of a network that is not its own: names, stride, transforms, probabilities."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        self.network = job.build()
        self.names = {number: f"class {number}" for number in range(job.num_classes)}
        self.stride = torch.tensor([1])
        side = (job.image_size, job.image_size)  # both sides given: squashed, where its own transforms would crop
        self.transforms = transforms.Compose([
            transforms.Resize(side), transforms.CenterCrop(side), transforms.ToTensor(),
            transforms.Normalize(job.mean, job.std),
        ])  # fmt: skip

    def forward(self, images: Tensor) -> Tensor:
        probs: Tensor = self.network(images).softmax(1)
        return probs


def main() -> None:
    job = given()
    settings = {
        "imgsz": job.image_size, "batch": BATCH, "device": "cpu", "channels_last": CHANNELS_LAST, "compile": COMPILE,
        "verbose": False, "save": False, "project": str(Path(job.out).parent),
    }  # fmt: skip
    predictor = ClassificationPredictor(overrides=settings)
    predictor.setup_model(Classifier(job), verbose=False)
    torch.set_num_threads(THREADS)
    results = [(result.path, result.probs.data) for result in predictor(job.photos, stream=True)]
    paths, probs = zip(*results, strict=True)
    job.write(list(paths), torch.stack(probs))


if __name__ == "__main__":
    main()
