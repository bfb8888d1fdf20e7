"""A pipeline over processes without accelerators: slow, and good for trying one out.

Paddle's schedule itself runs anywhere. What it sends between stages goes by calls that gloo, its transport
between CPU processes, does not have (`ProcessGroupGLOO does not support send with sync_op and
use_calc_stream`, paddlepaddle 3.3.1); here they become gloo's plain send and receive.
"""

from __future__ import annotations

from typing import Any

import paddle.distributed as dist
from paddle.distributed import parallel
from paddle.distributed.fleet.meta_parallel.pp_utils import p2p_communication


def install() -> None:
    """Let pipelines of this process talk over gloo."""
    parallel.ParallelEnv.device_id = property(lambda environment: 0)  # it has none on a CPU, and fails
    p2p_communication.batch_send_recv_on_calc_stream = exchange


def exchange(operations: list[Any]) -> None:
    """Do all sends and receives of one exchange with the neighbours.

    Gloo's send waits for the receiver, so two neighbours that both send first would wait for ever: even
    stages send first, odd ones receive first.
    """
    stage = operations[0].group.get_group_rank(dist.get_rank())
    send = p2p_communication._send_on_calc_stream
    for operation in sorted(operations, key=lambda one: (one.op is not send) ^ bool(stage % 2)):
        talk = dist.send if operation.op is send else dist.recv
        talk(operation.tensor, operation.peer, group=operation.group, sync_op=True)
