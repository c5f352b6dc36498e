"""fastai: a Learner, `test_dl` for the photos, `get_preds`."""

from __future__ import annotations

import torch
from fastai.vision.all import (
    CrossEntropyLossFlat,
    ImageDataLoaders,
    Learner,
    Normalize,
    Resize,
    ResizeMethod,
)
from job import given

BATCH = 64
WORKERS = 2
THREADS = 2
CHANNELS_LAST = True
COMPILE = False


def main() -> None:
    job = given()
    torch.set_num_threads(THREADS)
    files = job.files()
    few = files[: job.num_classes]  # one for each class: what a Learner must see before it can be asked
    loaders = ImageDataLoaders.from_lists(
        job.photos, few, [f"{number:03d}" for number in range(len(few))], valid_pct=0, bs=BATCH, num_workers=0,
        item_tfms=Resize(job.image_size, method=ResizeMethod.Squish),
        batch_tfms=Normalize.from_stats(job.mean, job.std, cuda=False), device=torch.device("cpu"),
    )  # fmt: skip
    network = job.build()
    if CHANNELS_LAST:
        network = network.to(memory_format=torch.channels_last)
    if COMPILE:
        network = torch.compile(network)
    learner = Learner(loaders, network, loss_func=CrossEntropyLossFlat())
    photos = loaders.test_dl(files, bs=BATCH, num_workers=WORKERS)
    with learner.no_bar(), learner.no_logging(), torch.inference_mode():
        probs, _ = learner.get_preds(dl=photos)
    job.write(files, torch.Tensor(probs))


if __name__ == "__main__":
    main()
