"""What `bluebird export` is asked for."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from bluebird.cli.options import OptionParser
from bluebird.engines import FILES
from bluebird.errors import UsageError

_ABOUT = """Write the trained MODEL for another library, beside its bundle, and check it against torch on pictures.

  bluebird export runs/cnn/version_0 --to openvino               then: bluebird predict ... --engine openvino
  bluebird export runs/cnn/version_0 --to onnx --out for_others  model.onnx, and a copy of the bundle
  bluebird export runs/cnn/version_0 --to openvino-int8 --pictures my_photos

  onnx            model.onnx, for ONNX Runtime and whatever else reads ONNX          pip install 'bluebird[onnx]'
  openvino        model.xml and model.bin                                            pip install 'bluebird[openvino]'
  openvino-int8   model.int8.xml and model.int8.bin: whole numbers of 8 bits, several
                  times as fast and a little less exact; learns from --pictures      pip install 'bluebird[int8]'
  torch           model.pt2, for torch.export.load

Each takes pixels as they are, uint8 (N, 3, S, S) RGB, and gives probs, logits and features. NAME.json beside it says
what it was made from and how it was checked.
exit codes: 0 written; 2 cannot be done as asked"""


def parse(arguments: list[str]) -> Namespace:
    options = _parser().parse_args(arguments)
    if options.to == "openvino-int8" and options.pictures is None:
        raise UsageError("--to openvino-int8 needs --pictures: photos of the kind that will be searched")
    return options


def _parser() -> OptionParser:
    parser = OptionParser("bluebird export", _ABOUT)
    add = parser.add_argument
    add("model", type=Path, metavar="MODEL", help="run folder, bundle or .ckpt file")
    add("--to", choices=sorted(FILES), required=True, help="for which library")
    add("--pictures", metavar="WHERE", help="check on pictures from here (default: painted ones); as WHERE of predict")
    add(
        "--out", type=Path, metavar="FOLDER", help="write here, with a copy of the bundle (default: MODEL's own bundle)"
    )
    return parser
