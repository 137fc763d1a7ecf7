"""Serve until a signal ends it, in this process or with front ends of its own."""

import asyncio
import contextlib
import gc
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from wavelane.errors import WavelaneError
from wavelane_server.config import Config
from wavelane_server.logs import configure_logs, get_logger
from wavelane_server.service import Service

if TYPE_CHECKING:
    from wavelane.model.base import LoadedModel

SWITCH_S = 1e-4
"""Longest turn of a thread at the interpreter while another waits (s)."""

YOUNG_OBJECTS = 20_000
"""Objects that Python's collector of cycles lets come before it looks at them: next to nothing that a packet needs is
in a cycle. The default, 700, takes 5 % of a front end's time, and of a thousand sessions stops it for 10 to 20 ms every
few seconds to look at all that lives."""

_STARTED = time.perf_counter()


def load_model(config: Config) -> "LoadedModel":
    """The model that the configuration names, on its device and in its precision.

    Raises:
        WavelaneError: MODEL_NOT_FOUND, MODEL_UNSUPPORTED, or INVALID_CONFIG for a device that is not there, or
            language models that are for another one.
    """
    from wavelane.model.checkpoint import load_model as load
    from wavelane_server.language_models import with_language_models
    from wavelane_server.models import locate

    device, dtype = config.engine.torch_device(), config.engine.torch_dtype()
    located = locate(config.model)
    model = load(located.path, device=device, dtype=dtype, name=located.name)
    return with_language_models(model, config.lm, located.path)


def run(config: Config) -> int:
    """Serve until SIGTERM or Ctrl-C.

    Args:
        config: the whole tree.

    Returns:
        the exit code: 0 after a drain, 1 when the service could not start.
    """
    configure_logs(config.server)
    # The event loop and the model's threads take turns at the interpreter; by default a turn lasts up to 5 ms.
    sys.setswitchinterval(SWITCH_S)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(_supervise(config) if config.server.frontends else _run(config))


async def _run(config: Config) -> int:
    stopping = asyncio.Event()
    on_signals(stopping, lambda: None)
    service = Service(config, load_model)
    try:
        start = asyncio.create_task(service.start())
        stop = asyncio.create_task(stopping.wait())
        await asyncio.wait({start, stop}, return_when=asyncio.FIRST_COMPLETED)
        if not start.done():
            # The model is being loaded on a thread that cannot be interrupted, and no session is in progress.
            os._exit(0)
        await start
    except WavelaneError as error:
        stop.cancel()
        print(f"error: {error.message}", file=sys.stderr)
        return 1
    settle_memory()
    model = service.recognizer.model
    say_ready(
        config,
        service,
        model=model.name,
        head=model.head,
        device=config.engine.torch_device().type,
        lanes=service.recognizer.engine.stats.max_lanes,
    )
    await stop
    await service.drain()
    await service.stop()
    get_logger().info("stopped")
    return 0


async def _supervise(config: Config) -> int:
    from wavelane_server.frontends.supervisor import Supervisor

    stopping = asyncio.Event()
    supervisor = Supervisor(config)
    on_signals(stopping, supervisor.clean)
    try:
        await supervisor.start(stopping)
    except WavelaneError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return 1
    if not stopping.is_set():
        say_ready(config, supervisor, **supervisor.served)
        await stopping.wait()
    await supervisor.stop()
    get_logger().info("stopped")
    return 0


def settle_memory() -> None:
    """What is loaded stays: collections from now on need not look at it, and come seldom."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, *gc.get_threshold()[1:])


class Ports(Protocol):
    """Where a server listens."""

    http_port: int
    grpc_port: int
    more_ports: dict[str, int]
    """Of single protocols, by the name of their setting."""


def say_ready(config: Config, ports: Ports, **served: Any) -> None:
    """Log where the server listens, and what is served."""
    host = f"[{config.server.host}]" if ":" in config.server.host else config.server.host
    get_logger().info(
        "ready",
        http=f"http://{host}:{ports.http_port}",
        grpc=f"{host}:{ports.grpc_port}" if config.server.grpc else None,
        **{name.removesuffix("_port"): f"{host}:{port}" for name, port in ports.more_ports.items()},
        **served,
        seconds=round(time.perf_counter() - _STARTED, 2),
    )


def on_signals(stopping: asyncio.Event, clean: Callable[[], None]) -> None:
    """The first SIGTERM or SIGINT drains, the second one cleans up and exits at once."""
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        if stopping.is_set():
            clean()
            os._exit(130)
        stopping.set()

    for name in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(name, on_signal)
        except NotImplementedError:
            # Windows: its loops take no handlers.
            signal.signal(name, lambda *_: loop.call_soon_threadsafe(on_signal))


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop, where there is one."""
    with contextlib.suppress(ImportError):
        import uvloop

        return uvloop.new_event_loop
    return None
