"""Run a service in this process until a signal ends it."""

import asyncio
import contextlib
import gc
import os
import signal
import sys
import time
from collections.abc import Callable

from wavelane.errors import WavelaneError
from wavelane.model.base import LoadedModel
from wavelane_server.config import Config
from wavelane_server.logs import configure_logs, get_logger
from wavelane_server.service import Service

SWITCH_S = 1e-4
"""Longest turn of a thread at the interpreter while another waits (s)."""

_STARTED = time.perf_counter()


def load_model(config: Config) -> LoadedModel:
    """The model that the configuration names, on its device and in its precision.

    Raises:
        WavelaneError: MODEL_NOT_FOUND, MODEL_UNSUPPORTED, or INVALID_CONFIG for a device that is not there.
    """
    from wavelane.model.checkpoint import load_model as load
    from wavelane_server.models import locate

    device, dtype = config.engine.torch_device(), config.engine.torch_dtype()
    located = locate(config.model)
    return load(located.path, device=device, dtype=dtype, name=located.name)


def run(config: Config, announce: Callable[[Service], None] | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C.

    Args:
        config: the whole tree.
        announce: called when ready.

    Returns:
        the exit code: 0 after a drain, 1 when the service could not start.
    """
    configure_logs(config.server)
    # The event loop and the model's threads take turns at the interpreter; by default a turn lasts up to 5 ms.
    sys.setswitchinterval(SWITCH_S)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_run(config, announce))


async def _run(config: Config, announce: Callable[[Service], None] | None) -> int:
    log = get_logger()
    stopping = asyncio.Event()
    _on_signals(stopping)
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
    # What is loaded stays: collections from now on need not look at it.
    gc.collect()
    gc.freeze()
    model = service.recognizer.model
    log.info(
        "ready",
        http=f"http://{_shown(config.server.host)}:{service.http_port}",
        grpc=f"{_shown(config.server.host)}:{service.grpc_port}" if config.server.grpc else None,
        model=model.name,
        head=model.head,
        device=config.engine.torch_device().type,
        lanes=config.engine.max_sessions,
        seconds=round(time.perf_counter() - _STARTED, 2),
    )
    if announce is not None:
        announce(service)
    await stop
    await service.drain()
    await service.stop()
    log.info("stopped")
    return 0


def _on_signals(stopping: asyncio.Event) -> None:
    """The first SIGTERM or SIGINT drains, the second one exits at once."""
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        if stopping.is_set():
            os._exit(130)
        stopping.set()

    for name in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(name, on_signal)
        except NotImplementedError:
            # Windows: its loops take no handlers.
            signal.signal(name, lambda *_: loop.call_soon_threadsafe(on_signal))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    with contextlib.suppress(ImportError):
        import uvloop

        return uvloop.new_event_loop
    return None


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
