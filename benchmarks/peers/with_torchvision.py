"""The loop one would write with torchvision: a data set that opens files, its transforms, a DataLoader."""

from __future__ import annotations

import torch
from job import Job, given
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.io import ImageReadMode, decode_image
from torchvision.transforms import v2

BATCH = 64
WORKERS = 2
THREADS = 2
CHANNELS_LAST = True
COMPILE = False


class Photos(Dataset[Tensor]):
    """Each file as the network wants it."""

    def __init__(self, job: Job) -> None:
        self.files = job.files()
        side = (job.image_size, job.image_size)
        self.transform = v2.Compose([
            v2.Resize(side, antialias=True), v2.ToDtype(torch.float32, scale=True), v2.Normalize(job.mean, job.std),
        ])  # fmt: skip

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Tensor:
        pixels = decode_image(self.files[index], mode=ImageReadMode.RGB, apply_exif_orientation=True)
        picture: Tensor = self.transform(pixels)
        return picture


def main() -> None:
    job = given()
    torch.set_num_threads(THREADS)
    photos, network = Photos(job), job.build()
    memory = torch.channels_last if CHANNELS_LAST else torch.contiguous_format
    network = network.to(memory_format=memory)
    if COMPILE:
        network = torch.compile(network)
    with torch.inference_mode():
        probs = [
            network(images.to(memory_format=memory)).softmax(1)
            for images in DataLoader(photos, BATCH, num_workers=WORKERS)
        ]
    job.write(photos.files, torch.cat(probs))


if __name__ == "__main__":
    main()
