"""scikit-learn: features of the frozen network, standardised, and a logistic regression whose C is cross-validated."""

from __future__ import annotations

import numpy as np
import torch
from learning import Learning, given
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

BATCH, WORKERS = 64, 2
COSTS = [1e-3, 1e-2, 1e-1]


class Photos(Dataset):
    def __init__(self, job: Learning, split: str) -> None:
        self.files, self.targets = job.files(split)
        self.transform = v2.Compose([
            v2.PILToTensor(), v2.Resize((job.side, job.side), antialias=True), v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(job.mean, job.std),
        ])  # fmt: skip

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> torch.Tensor:
        with Image.open(self.files[index]) as picture:
            return self.transform(picture.convert("RGB"))


@torch.inference_mode()
def features(job: Learning, split: str) -> tuple[np.ndarray, list[int]]:
    body = job.body().eval().to(memory_format=torch.channels_last)
    photos = Photos(job, split)
    parts = [body(batch) for batch in DataLoader(photos, BATCH, num_workers=WORKERS)]
    return torch.cat(parts).numpy(), photos.targets


def main() -> None:
    job = given()
    parts = [features(job, split) for split in ("train", "val")]  # its cross-validation draws its own
    x, y = np.concatenate([part[0] for part in parts]), [target for part in parts for target in part[1]]
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    search = GridSearchCV(model, {"logisticregression__C": COSTS}, cv=3, scoring="neg_log_loss")
    search.fit(x, y)
    probs = search.predict_proba(features(job, "test")[0])
    job.write(torch.from_numpy(probs), f"logistic regression, C {search.best_params_['logisticregression__C']:g}")


if __name__ == "__main__":
    main()
