"""Ultralytics: its classification trainer with its TorchVision layer; as many epochs as the minutes allow."""

from __future__ import annotations

import time
from pathlib import Path

import torch
from learning import Learning, Rehearsal, given
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision.transforms import Normalize
from ultralytics.data import ClassificationDataset
from ultralytics.models.yolo.classify import ClassificationTrainer
from ultralytics.nn.tasks import ClassificationModel, load_checkpoint

BATCH = 32
OPTIMIZER, LR = "AdamW", 1e-3
"""The rate that its default.yaml names for Adam: its `auto` takes a tenth of it for 100 classes."""
WARM_UP_EPOCHS, WARM_UP_BIAS_LR = 1, 0.0
"""The defaults, 3 and 0.1, are for long runs and for SGD; `auto` sets the second to 0 as well."""


class Trainer(ClassificationTrainer):
    """The trainer with weights from a file, photos normalised as these want them, and an eye on the clock.

    Its own way to a network of torchvision's, a YAML file, would fetch the weights, cut the last layer off, and
    normalise nothing; all else is as it comes, on the CPU without workers.
    """

    def __init__(self, job: Learning) -> None:
        self.job, self.steps = job, 0
        super().__init__(overrides={
            "model": f"{job.network}.yaml", "data": job.photos, "imgsz": job.side, "batch": BATCH,
            "optimizer": OPTIMIZER, "lr0": job.lr or LR,
            "warmup_epochs": WARM_UP_EPOCHS, "warmup_bias_lr": WARM_UP_BIAS_LR,
            "seed": job.seed, "device": "cpu", "amp": False, "plots": False, "verbose": False,
            "project": str(Path(job.out).parent), "name": "ultralytics",
        })  # fmt: skip
        self.add_callback("on_pretrain_routine_end", Trainer.make_plan)
        self.add_callback("on_train_batch_end", Trainer.look_at_the_clock)
        self.add_callback("on_fit_epoch_end", Trainer.shorten)

    def get_model(self, cfg: object = None, weights: object = None, verbose: bool = True) -> ClassificationModel:
        layer = [-1, 1, "TorchVision", [self.data["nc"], self.job.network, "None", False]]
        model = super().get_model({"nc": self.data["nc"], "backbone": [layer], "head": []}, None, verbose)
        model.model[0].m = self.job.classifier()
        return model

    def build_dataset(self, img_path: str, mode: str = "train", batch: object = None) -> ClassificationDataset:
        dataset = super().build_dataset(img_path, mode, batch)
        for step in dataset.torch_transforms.transforms:
            if isinstance(step, Normalize):
                step.mean, step.std = self.job.mean, self.job.std
        return dataset

    def make_plan(self) -> None:
        rehearsal = Rehearsal(self.model, lambda model, batch: model(self.preprocess_batch(batch))[0].sum())
        self.plan = self.job.plan(self.train_loader, rehearsal, BATCH)
        self.epochs = self.args.epochs = self.plan.at_most  # its schedule reads them at every epoch

    def look_at_the_clock(self) -> None:
        self.steps += 1
        self.stop = self.stop or self.plan.passed() >= 1

    def shorten(self) -> None:
        """As many epochs as fit by those that are done, so that the rate is low at the end."""
        done = self.epoch + 1
        mean = (time.time() - self.train_time_start) / done
        self.epochs = min(self.epochs, done + max(0, round((self.plan.ends - time.time()) / mean)))
        self.stop = self.stop or self.epochs <= done


@torch.inference_mode()
def answers(network: nn.Module, trainer: Trainer) -> Tensor:
    """Probabilities (N, K) of the test photos in their order, which the trainer's own loader would shuffle."""
    photos = DataLoader(trainer.build_dataset(f"{trainer.job.photos}/test", mode="val"), 64)
    return torch.cat([network(batch["img"]).softmax(1) for batch in photos])


def main() -> None:
    job = given()
    trainer = Trainer(job)
    trainer.train()
    best, _ = load_checkpoint(trainer.best)
    probs = answers(best.eval(), trainer)
    epochs = trainer.steps / len(trainer.train_loader)
    how = f"{OPTIMIZER} {trainer.args.lr0:g}, linear, {WARM_UP_EPOCHS} of warm-up, its augmentation, batches of {BATCH}"
    job.write(probs, f"{epochs:.1f} epochs, {how}", trainer.plan.rehearsed)


if __name__ == "__main__":
    main()
