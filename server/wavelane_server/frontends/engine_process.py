"""The engine process: model and scheduler, and nothing else."""

import asyncio
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector

from wavelane.engine import Engine
from wavelane_server.config import Config
from wavelane_server.frontends.control import Line
from wavelane_server.frontends.host import EngineHost
from wavelane_server.metrics import EngineMetrics, Family, families
from wavelane_server.serve import load_model


class EngineProcess:
    """See :class:`wavelane_server.frontends.children.Role`.

    Args:
        config: the whole tree.
        path: of the Unix socket at which front ends are taken.
    """

    def __init__(self, config: Config, path: Path) -> None:
        self._config = config
        self._path = path
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._metrics = EngineMetrics(self._registry)
        self._host = EngineHost()
        self._engine: Engine | None = None

    @property
    def healthy(self) -> bool:
        """See :class:`wavelane_server.frontends.children.Role`."""
        return self._engine is None or self._engine.healthy

    async def start(self) -> dict[str, Any]:
        """Load, then listen. Returns what is served."""
        engine = await asyncio.to_thread(self._load)
        await self._host.start(engine, self._path)
        self._engine = engine
        return {
            "model": engine.spec.name,
            "head": engine.head,
            "device": self._config.engine.torch_device().type,
            "lanes": engine.stats.max_lanes,
        }

    def _load(self) -> Engine:
        engine = Engine(load_model(self._config), self._config.engine, self._host.sink, self._metrics)
        engine.start()
        engine.warm_up()
        return engine

    async def stop(self) -> None:
        """See :class:`wavelane_server.frontends.children.Role`."""
        await self._host.stop()
        if self._engine is not None:
            await asyncio.to_thread(self._engine.stop, False, 1.0)

    def hear(self, line: Line) -> None:
        """Nothing else is said to an engine."""

    def families(self) -> list[Family]:
        """See :class:`wavelane_server.frontends.children.Role`."""
        if self._engine is not None:
            self._metrics.look(self._engine.stats)
        return families(self._registry)
