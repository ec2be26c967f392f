"""Which engine runs a study's jobs."""

from __future__ import annotations

from windowconv.errors import InputError
from windowconv.lab.config import Execution
from windowconv.lab.studies.execution.engines import Engine, Processes, ThisProcess
from windowconv.lab.studies.execution.ray_engine import OnRay


def make_engine(
    name: str, execution: Execution, processes: int, address: str = "auto", store: str | None = None
) -> Engine:
    """The engine of this name.

    Args:
        name: "local" or "ray".
        execution: device and threads of each run.
        processes: on this machine, side by side.
        address, store: as `OnRay` takes them.

    Raises:
        InputError: options of the other engine; as `Processes` and `OnRay`.
    """
    if name == "ray":
        if processes != 1:
            raise InputError(f"processes={processes} is for --engine local; Ray has as many tasks as fit")
        return OnRay(address, execution.threads or 1, 1 if execution.device.startswith("cuda") else 0, store)
    if address != "auto":
        raise InputError(f"address={address!r} is for --engine ray")
    if store is not None:
        raise InputError(f"store={store!r} is for --engine ray; this machine's runs go to --out")
    return ThisProcess() if processes == 1 else Processes(processes, execution.threads)
