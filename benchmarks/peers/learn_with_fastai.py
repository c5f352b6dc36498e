"""fastai: `fine_tune`, as its course has it, for as many epochs as the minutes allow."""

from __future__ import annotations

import time

import torch
from fastai.vision.all import (
    CrossEntropyLossFlat,
    ImageDataLoaders,
    Learner,
    Normalize,
    Resize,
    ResizeMethod,
    accuracy,
    aug_transforms,
    create_head,
    params,
    set_seed,
)
from learning import Learning, given
from torch import nn

SIDE, BATCH, WORKERS = 224, 32, 2
LR = 2e-3  # the default of fine_tune
LEFT_OVER = 0.12  # of the time, for validation and the answers


def main() -> None:
    job = given()
    set_seed(job.seed, reproducible=True)
    loaders = ImageDataLoaders.from_folder(
        f"{job.photos}/train", valid_pct=0.1, seed=job.seed, bs=BATCH, num_workers=WORKERS,
        item_tfms=Resize(SIDE, method=ResizeMethod.Squish),
        batch_tfms=[*aug_transforms(), Normalize.from_stats(job.mean, job.std, cuda=False)],
        device=torch.device("cpu"),
    )  # fmt: skip
    learner = make_learner(job, loaders)
    with learner.no_bar(), learner.no_logging():
        epochs = affordable(job, learner)
        learner = make_learner(job, loaders)
        with learner.no_bar(), learner.no_logging():
            learner.fine_tune(epochs, LR)
            files, _ = job.files("test")
            probs, _ = learner.get_preds(dl=loaders.test_dl(files, bs=64))
    job.write(torch.Tensor(probs), f"{epochs} epochs")


def make_learner(job: Learning, loaders: ImageDataLoaders) -> Learner:
    body = job.body().features
    network = nn.Sequential(body, create_head(1280, loaders.c))
    learner = Learner(
        loaders, network, loss_func=CrossEntropyLossFlat(), metrics=accuracy,
        splitter=lambda m: [params(m[0]), params(m[1])],
    )  # fmt: skip
    learner.freeze()
    return learner


def affordable(job: Learning, learner: Learner) -> int:
    """Epochs of all layers that fit into the time, after the one of the head that comes first."""
    learner.unfreeze()
    began, steps = time.time(), 8
    learner.model.train()
    for number, (images, targets) in enumerate(learner.dls.train):
        if number == steps:
            break
        if number == 2:
            began = time.time()
        loss = learner.loss_func(learner.model(images), targets)
        loss.backward()
    epoch = (time.time() - began) / (steps - 2) * len(learner.dls.train)
    return max(1, int((1 - LEFT_OVER) * job.seconds_left() / epoch - 0.5))


if __name__ == "__main__":
    main()
