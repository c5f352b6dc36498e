"""timm's train.py, which its wheel leaves out, from the same parts: as many epochs as the minutes allow."""

from __future__ import annotations

import copy
from pathlib import Path

import timm
import torch
from learning import Learning, Plan, Rehearsal, given
from timm.data import create_dataset, create_loader, resolve_data_config
from timm.loss import LabelSmoothingCrossEntropy
from timm.optim import create_optimizer_v2
from timm.scheduler import create_scheduler_v2
from timm.scheduler.scheduler import Scheduler
from timm.utils import random_seed
from torch import Tensor, nn
from torch.utils.data import DataLoader

NAMES = {"mobilenet_v2": "mobilenetv2_100"}
BATCH, WORKERS = 32, 2
OPTIMIZER, WEIGHT_DECAY = "adamw", 0.05
FINE_TUNE_LR, SCRATCH_LR = 5e-4, 2e-3
SCHEDULE, WARM_UP_LR = "cosine", 1e-5
WARM_UP_EPOCHS, WARM_UP_SHARE = 1, 0.2  # the latter of all epochs, where these are few
SMOOTHING = 0.1  # this and the augmentation below are the defaults of train.py
CROP_AREA = (0.35, 1.0)  # of the photo; the default, from 0.08 on, is meant for hundreds of epochs


def build(job: Learning) -> nn.Module:
    """timm's own network, which has torchvision's layers in the same order under other names."""
    network = timm.create_model(NAMES[job.network], num_classes=len(job.classes()))
    if job.weights:
        own, theirs = network.state_dict(), job.body().state_dict()
        body = [name for name in own if not name.startswith("classifier.")]
        state = {name: value.view_as(own[name]) for name, value in zip(body, theirs.values(), strict=True)}
        network.load_state_dict(own | state)
    return job.as_learnt(network)


def loader(job: Learning, split: str, network: nn.Module) -> DataLoader:
    training = split == "train"
    size = (3, job.side, job.side)
    config = resolve_data_config({"mean": tuple(job.mean), "std": tuple(job.std), "input_size": size}, model=network)
    classes = {label: number for number, label in enumerate(job.classes())}
    photos = create_dataset("", job.photos, split=split, is_training=training, class_map=classes)
    return create_loader(
        photos, size, BATCH if training else 64, is_training=training, mean=config["mean"], std=config["std"],
        scale=CROP_AREA, hflip=0.5, color_jitter=0.4, crop_pct=config["crop_pct"], num_workers=WORKERS,
        interpolation="random" if training else config["interpolation"], device=torch.device("cpu"),
    )  # fmt: skip


def main() -> None:
    job = given()
    random_seed(job.seed, 0)
    network = build(job)
    train, val, test = (loader(job, split, network) for split in ("train", "val", "test"))
    loss = LabelSmoothingCrossEntropy(SMOOTHING)
    plan = job.plan(train, Rehearsal(network, lambda network, batch: loss(network(batch[0]), batch[1])), BATCH)
    lr = job.lr or (FINE_TUNE_LR if job.weights else SCRATCH_LR)
    optimizer = create_optimizer_v2(network, opt=OPTIMIZER, lr=lr, weight_decay=WEIGHT_DECAY)
    warm_up = min(WARM_UP_EPOCHS, WARM_UP_SHARE * plan.at_most)
    scheduler, _ = create_scheduler_v2(
        optimizer, SCHEDULE, plan.at_most, warmup_epochs=warm_up, warmup_lr=WARM_UP_LR, step_on_epochs=False,
        updates_per_epoch=len(train),
    )  # fmt: skip
    steps = learn(network, train, val, loss, optimizer, scheduler, plan)
    probs = answers(network, test)
    places = {Path(name): row for row, name in enumerate(test.dataset.filenames(absolute=True))}
    how = f"{steps / len(train):.1f} epochs, {OPTIMIZER} {lr:g}, {SCHEDULE}, {warm_up:g} of warm-up, batches of {BATCH}"
    job.write(probs[[places[file] for file in job.files("test")[0]]], how, plan.rehearsed)


def learn(
    network: nn.Module, train: DataLoader, val: DataLoader, loss: nn.Module, optimizer: torch.optim.Optimizer,
    scheduler: Scheduler, plan: Plan,
) -> int:  # fmt: skip
    """Leave the network with the weights that were best on val, as train.py's model_best; how many steps it took."""
    steps, best, state = 0, -1.0, network.state_dict()
    targets = torch.tensor([target for _, target in val.dataset.reader.samples])
    while steps < plan.at_most * len(train) and plan.passed() < 1:
        network.train()
        for images, labels in train:
            loss(network(images), labels).backward()
            optimizer.step()
            optimizer.zero_grad()
            steps += 1
            # The schedule follows the clock, and ends with it
            scheduler.step_update(max(steps, int(plan.passed() * plan.at_most * len(train))))
            if plan.passed() >= 1:
                break
        correct = (answers(network, val).argmax(1) == targets).float().mean().item()
        if correct >= best:
            best, state = correct, copy.deepcopy(network.state_dict())
    network.load_state_dict(state)
    return steps


@torch.inference_mode()
def answers(network: nn.Module, photos: DataLoader) -> Tensor:
    network.eval()
    return torch.cat([network(images).softmax(-1) for images, _ in photos])


if __name__ == "__main__":
    main()
