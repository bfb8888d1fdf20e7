"""Which machine of a run this is, and where the first one is: from options, or from what a cluster sets.

Options go first, then the variables of Paddle's own launcher (paddle 3.3.1, distributed/launch/context/
args_envs.py), then those of Slurm (slurm.schedmd.com/srun.html, "output environment variables").
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from planner.errors import BadInput
from planner.language import say

SLURM_PORT = 29300
"""First of a thousand ports for jobs of Slurm, below those that Linux gives out by itself (32768 on)."""

HIGHEST_PORT = 65535


@dataclass(frozen=True)
class Place:
    """A machine among those of a run."""

    host: str
    """Name or address of the first machine, as all of them know it."""
    port: int
    rank: int
    """0 is the first machine, which holds the run."""

    @property
    def master(self) -> str:
        """`HOST:PORT` of the first machine."""
        return f"{self.host}:{self.port}"


def place_of(
    nodes: int, master: str | None, rank: int | None, environment: Mapping[str, str]
) -> Place | None:
    """Return this machine's place in a plan for so many machines; None when the plan is for one.

    Raises `BadInput` for an address or a number that cannot be, and where nothing says which machine this is.
    """
    if nodes == 1:
        if master is not None or rank is not None:
            raise BadInput(
                say("The plan is for one machine, so --master and --machine-rank have no meaning."),
                remedy=say("Leave them out, or plan again with --hardware '2 machines, each ...'."),
            )
        return None
    given = environment.get("PADDLE_NNODES") or environment.get("SLURM_NNODES")
    if master is None and rank is None and given and given.strip() != str(nodes):
        raise BadInput(
            say(
                "The cluster started {given} machines, and the plan is for {nodes}.", given=given, nodes=nodes
            ),
            remedy=say("Start as many, or plan again for that number."),
        )
    address = master or environment.get("PADDLE_MASTER") or slurm_master(environment)
    number = rank if rank is not None else rank_in(environment)
    if not address or number is None:
        raise BadInput(
            say("The plan is for {nodes} machines, and nothing says which of them this is.", nodes=nodes),
            remedy=say(
                "Start it on each: --master HOST:PORT of the first one, --machine-rank 0 there and 1 to "
                "{last} on the others.",
                last=nodes - 1,
            ),
        )
    if not 0 <= number < nodes:
        raise BadInput(
            say(
                "There is no machine {rank}: the plan's {nodes} are 0 to {last}.",
                rank=number,
                nodes=nodes,
                last=nodes - 1,
            )
        )
    host, port = split_address(address)
    return Place(host, port, number)


def split_address(text: str) -> tuple[str, int]:
    """Return host and port of `HOST:PORT`; BadInput otherwise."""
    host, _, port = text.strip().removeprefix("http://").rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) <= HIGHEST_PORT:
        raise BadInput(
            say("{text} is no address: it should be HOST:PORT of the first machine.", text=repr(text)),
            remedy=say("For example: --master {example}", example="10.0.0.1:29300"),
        )
    return host, int(port)


def rank_in(environment: Mapping[str, str]) -> int | None:
    """Return the machine's number that a cluster has set; None without one."""
    for name in ("PADDLE_RANK", "SLURM_NODEID"):
        value = environment.get(name, "").strip()
        if value.isdigit():
            return int(value)
    return None


def slurm_master(environment: Mapping[str, str]) -> str:
    """Return the address of the first machine of a Slurm job; empty outside of one."""
    host = first_host(environment.get("SLURM_JOB_NODELIST") or environment.get("SLURM_NODELIST") or "")
    job = environment.get("SLURM_JOB_ID", "0")
    return f"{host}:{SLURM_PORT + int(job if job.isdigit() else 0) % 1000}" if host else ""


def first_host(listing: str) -> str:
    """Return the first of Slurm's list of hosts: of `gpu[03-05,9],login` it is `gpu03`."""
    match = re.match(r"([^,\[\]]*)(?:\[(\w+)[^\]]*\])?([^,\[\]]*)", listing.strip())
    return "".join(part or "" for part in match.groups()) if match else ""
