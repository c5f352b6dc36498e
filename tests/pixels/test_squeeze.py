from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.v2 import functional as F

from bluebird.pixels.squeeze import squeeze


def test_squeezing_agrees_with_pillows_antialiased_bilinear() -> None:
    y, x = np.mgrid[0:90, 0:60]
    smooth = np.stack([2 * y, 4 * x, y + x], axis=-1).astype(np.uint8)
    expected = np.asarray(Image.fromarray(smooth).resize((16, 16), Image.Resampling.BILINEAR)).astype(int)
    squeezed = squeeze(torch.from_numpy(smooth).permute(2, 0, 1), 16).permute(1, 2, 0).numpy()
    assert np.abs(squeezed - expected).max() <= 1


@pytest.mark.parametrize(("height", "width"), [(90, 60), (16, 40), (3, 5), (16, 16), (200, 17)])
def test_squeezing_agrees_with_torchvision(height: int, width: int) -> None:
    image = torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    for layout in (image, image.permute(1, 2, 0).contiguous().permute(2, 0, 1)):
        expected = F.resize(image, [16, 16], antialias=True)
        assert (squeeze(layout, 16).int() - expected.int()).abs().max() <= 1
