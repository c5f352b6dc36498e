"""FSDP: a network that rests in pieces, one for each process, and is whole only while a batch passes through it."""

from __future__ import annotations

import copy
from typing import Any

import lightning as L
import torch
from lightning.pytorch.strategies import ModelParallelStrategy, StrategyRegistry
from torch import Tensor, distributed, nn
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor

from bluebird.nets.network import Network

NAME = "fsdp2"
"""The strategy's name, as `trainer.strategy` has it."""


class FullySharded(ModelParallelStrategy):
    """Every process holds its share of the weights, their gradients and the optimiser's state, by FSDP2.

    The weights are gathered before a forward and before a backward pass and shared out again after it. As with DDP,
    all begin with the weights of the first process, and batch norm's statistics are those of the first at every step.
    A checkpoint is one file, which holds the network as a whole: one process can go on from it, or any other number.

    Source: Rajbhandari et al. 2020 (ZeRO, arXiv 1910.02054), stage 3; `torch.distributed.fsdp.fully_shard`. The network
    is one unit of it: its layers are not gathered one by one.
    """

    def __init__(self) -> None:
        super().__init__(tensor_parallel_size=1, save_distributed_checkpoint=False)
        self._whole: Network | None = None

    def setup_environment(self) -> None:
        self._data_parallel_size = self.num_nodes * self.num_processes
        super().setup_environment()

    def setup(self, trainer: L.Trainer) -> None:
        module: Any = self.lightning_module
        self._whole = copy.deepcopy(module.network) if self.is_global_zero else None
        module.network.to(self.root_device, memory_format=torch.contiguous_format)  # FSDP2 knows no channels-last
        _from_the_first(*module.network.parameters(), *module.network.buffers())
        _shard(module.network, self.device_mesh["data_parallel"])
        module.configure_model = lambda: None  # the hook that is demanded: it is done
        super().setup(trainer)

    def training_step(self, *args: Any, **kwargs: Any) -> Any:
        self._share_statistics()
        return super().training_step(*args, **kwargs)

    def validation_step(self, *args: Any, **kwargs: Any) -> Any:
        self._share_statistics()
        return super().validation_step(*args, **kwargs)

    def gather(self) -> None:
        """Make the first process's network whole, on the CPU; all have to call it, the others keep their shares."""
        from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

        module: Any = self.lightning_module
        options = StateDictOptions(full_state_dict=True, cpu_offload=True)
        state = get_model_state_dict(module.network, options=options)
        del module.configure_model
        if self._whole is not None:
            self._whole.load_state_dict(state)
            module.network = self._whole

    def _share_statistics(self) -> None:
        module: Any = self.lightning_module
        _from_the_first(*module.network.buffers())


def offer() -> None:
    """Let Lightning know the strategy by its name."""
    StrategyRegistry.register(NAME, FullySharded, description="FSDP2, all devices share one network", override=True)


def is_sharded(network: nn.Module) -> bool:
    """Whether other processes have to take part whenever this network is asked."""
    return isinstance(network, FSDPModule)


def own_share(weights: Tensor) -> Tensor:
    """What this process holds of the weights; of those that are not shared out, all."""
    return weights.to_local() if isinstance(weights, DTensor) else weights


def _shard(network: Network, mesh: Any) -> None:
    name = type(network).__name__
    fully_shard(network, mesh=mesh, reshard_after_forward=True)
    type(network).__name__ = name  # a class of its own now, but a checkpoint is of what it was
    register_fsdp_forward_method(network, "logits")  # which the loss takes; `forward` ends in softmax


def _from_the_first(*tensors: Tensor) -> None:
    with torch.no_grad():
        sent = [distributed.broadcast(tensor, 0, async_op=True) for tensor in tensors]
        for work in filter(None, sent):
            work.wait()
