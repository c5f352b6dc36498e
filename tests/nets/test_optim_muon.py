from __future__ import annotations

import copy
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from bluebird.nets import muon
from bluebird.nets.muon import Muon, orthogonal
from tests.nets.parted import classifier, loader, trainer


def _drawn(*shape: int, seed: int = 0) -> nn.Parameter:
    return nn.Parameter(torch.randn(shape, generator=torch.Generator().manual_seed(seed)))


def _steps(optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter], numbers: range = range(5)) -> None:
    for number in numbers:
        for index, parameter in enumerate(parameters):
            parameter.grad = _drawn(*parameter.shape, seed=100 * number + index + 1).detach()
        optimizer.step()


def _by_svd(matrix: Tensor) -> Tensor:
    left, values, right = torch.linalg.svd(matrix.double(), full_matrices=False)
    values = values / values.norm()
    for _ in range(5):
        values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
    return (left * values @ right).float()


def test_a_matrix_moves_as_by_torchs_muon_and_a_vector_as_by_adamw() -> None:
    ours, theirs = ([_drawn(6, 9), _drawn(6)] for _ in range(2))
    _steps(Muon(ours, lr=0.02, weight_decay=0.1, momentum=0.9), ours)
    matrix = torch.optim.Muon(theirs[:1], 0.02, weight_decay=0.1, momentum=0.9, adjust_lr_fn="match_rms_adamw")
    vector = torch.optim.AdamW(theirs[1:], 0.02, weight_decay=0.1)
    for number in range(5):
        for index, parameter in enumerate(theirs):
            parameter.grad = _drawn(*parameter.shape, seed=100 * number + index + 1).detach()
        matrix.step()
        vector.step()
    torch.testing.assert_close(ours[0], theirs[0], rtol=0, atol=1e-3)  # torch's iteration computes in bfloat16
    assert (ours[0] - _drawn(6, 9)).abs().max() > 0.02
    torch.testing.assert_close(ours[1], theirs[1], rtol=0, atol=0)


@pytest.mark.parametrize(("rows", "columns"), [(6, 9), (9, 6), (7, 7)])
def test_a_matrix_is_made_orthogonal_in_float32_on_a_cpu(rows: int, columns: int) -> None:
    matrix = _drawn(rows, columns).detach()
    torch.testing.assert_close(orthogonal(matrix), _by_svd(matrix), rtol=0, atol=1e-4)
    assert not orthogonal(torch.zeros(rows, columns)).any()


@pytest.mark.parametrize("amx", [False, True])
@pytest.mark.parametrize(("rows", "columns"), [(128, 300), (300, 128), (127, 300)])
def test_a_large_matrix_is_made_orthogonal_in_bfloat16_where_a_cpu_has_amx(
    rows: int, columns: int, amx: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(muon, "_multiplies_bfloat16", lambda: amx)
    matrix = _drawn(rows, columns).detach()
    exact = _by_svd(matrix)
    off = (orthogonal(matrix) - exact).norm() / exact.norm()
    assert orthogonal(matrix).dtype == torch.float32
    if amx and rows != 127:
        assert 1e-4 < off < 0.02  # bfloat16 has 8 bits, and five steps add their errors up
    else:
        assert off < 1e-5


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_a_kernel_moves_along_the_orthogonal_matrix_next_to_its_gradient(memory_format: torch.memory_format) -> None:
    kernel = nn.Parameter(_drawn(8, 5, 3, 3).detach().to(memory_format=memory_format))
    before = kernel.detach().clone()
    kernel.grad = _drawn(8, 5, 3, 3, seed=1).detach()
    Muon([kernel], lr=0.1, weight_decay=0.0).step()
    moved = (before - kernel.detach()).reshape(8, 45).double().numpy() / 0.1
    left, _, right = np.linalg.svd(kernel.grad.reshape(8, 45).double().numpy(), full_matrices=False)
    polar = left @ right
    assert (moved * polar).sum() / np.linalg.norm(moved) / np.linalg.norm(polar) > 0.98
    singular = np.linalg.svd(moved, compute_uv=False) / (0.2 * np.sqrt(45))
    assert 0.5 < singular.min() < singular.max() < 1.5  # as Jordan's five steps leave them
    assert np.sqrt((moved**2).mean()) == pytest.approx(0.2, rel=0.25)  # of a step of AdamW


def test_the_order_of_a_kernel_in_memory_makes_no_difference() -> None:
    rows, last = (nn.Parameter(_drawn(8, 5, 3, 3).detach()) for _ in range(2))
    last.data = last.data.to(memory_format=torch.channels_last)
    for kernel in (rows, last):
        _steps(Muon([kernel], lr=0.1), [kernel])
    torch.testing.assert_close(rows, last, rtol=0, atol=1e-4)
    assert (rows - _drawn(8, 5, 3, 3)).abs().max() > 0.05


def test_tokens_and_positions_are_left_to_adamw() -> None:
    token, same = _drawn(1, 7, 4), _drawn(1, 7, 4)
    _steps(Muon([token], lr=0.02), [token])
    _steps(torch.optim.AdamW([same], lr=0.02), [same])
    torch.testing.assert_close(token, same, rtol=0, atol=0)


def test_a_state_that_was_written_and_read_goes_on_as_if_nothing_had_been() -> None:
    parameters = [_drawn(4, 3, 3, 3), _drawn(4), _drawn(5, 4)]
    optimizer = Muon(parameters, lr=0.05)
    _steps(optimizer, parameters)
    file = io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    copies = copy.deepcopy(parameters)
    again = Muon(copies, lr=0.9)
    again.load_state_dict(torch.load(io.BytesIO(file.getvalue()), weights_only=True))
    _steps(optimizer, parameters, range(5, 9))
    _steps(again, copies, range(5, 9))
    torch.testing.assert_close(parameters, copies, rtol=0, atol=0)


def test_what_has_no_gradient_stays_and_keeps_no_state_and_each_group_has_its_own_settings() -> None:
    still, decayed, spared = _drawn(4, 3), _drawn(4, 3), _drawn(4)
    begun = [value.detach().clone() for value in (still, decayed, spared)]
    groups = [{"params": [still, decayed], "weight_decay": 0.5}, {"params": [spared], "weight_decay": 0.0}]
    optimizer = Muon(groups, lr=0.1)
    decayed.grad, spared.grad = torch.zeros(4, 3), torch.zeros(4)
    optimizer.step()
    wanted: list[Tensor] = [begun[0], begun[1] * (1 - 0.1 * 0.5), begun[2]]
    torch.testing.assert_close([still.detach(), decayed.detach(), spared.detach()], wanted)
    assert still not in optimizer.state


def test_a_schedule_steers_both_and_a_closure_gives_the_loss() -> None:
    parameters = [_drawn(4, 3), _drawn(4)]
    optimizer = Muon(parameters, lr=0.1, weight_decay=0.0)
    schedule = LambdaLR(optimizer, lambda step: 1.0 if step == 0 else 0.0)
    _steps(optimizer, parameters, range(1))
    schedule.step()
    before = [parameter.detach().clone() for parameter in parameters]
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)
    assert optimizer.step(lambda: 7.0) == 7.0
    torch.testing.assert_close(parameters, [nn.Parameter(value) for value in before], rtol=0, atol=0)


@pytest.mark.parametrize(
    "setting", [{"lr": -1.0}, {"momentum": -0.1}, {"weight_decay": -1.0}, {"betas": (1.0, 0.9)}, {"betas": (0.9, 2.0)}]
)
def test_a_setting_out_of_range_is_refused(setting: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"[Ii]nvalid|should be"):
        Muon([_drawn(2, 2)], **setting)  # type: ignore[arg-type]


def test_a_network_learns_by_it(tmp_path: Path) -> None:
    model = classifier(optimizer=lambda groups: Muon(groups, lr=0.01), layer_decay=0.9)
    run = trainer(tmp_path, max_epochs=8)
    run.fit(model, loader(64), loader(64))
    assert float(run.callback_metrics["val/accuracy"]) > 0.9  # the brighter class: chance is a half


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="the flags of the CPU are read from Linux's /proc")
def test_amx_is_known_where_the_kernel_names_it() -> None:
    if not hasattr(torch.cpu, "get_capabilities"):
        pytest.skip("this torch cannot tell what the CPU has")
    assert muon._multiplies_bfloat16() == ("amx_bf16" in Path("/proc/cpuinfo").read_text().split())
