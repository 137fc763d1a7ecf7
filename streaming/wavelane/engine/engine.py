"""The engine: many streams, one model."""

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

import torch

from wavelane.engine.agreement import rows_agree
from wavelane.engine.backend import choose_backend, make_runner, native_precision
from wavelane.engine.base import Sink
from wavelane.engine.calibration import BUDGET_S, time_steps
from wavelane.engine.capacity import CostModel
from wavelane.engine.config import EngineConfig
from wavelane.engine.governor import Governor
from wavelane.engine.memory import with_lanes
from wavelane.engine.metrics import EngineObserver, EngineStats, GraphStats, NullObserver
from wavelane.engine.native_runner import NativeRunner
from wavelane.engine.scheduler import Scheduler
from wavelane.engine.searching import unconstrained, unsearchable
from wavelane.engine.slots import Slot
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.machine import step_aside
from wavelane.model.base import LoadedModel
from wavelane.spec import ModelSpec
from wavelane.work import Chunk

logger = logging.getLogger(__name__)


class Engine:
    """Steps the chunks of many lanes in batches. All methods may be called from any thread.

    Every chunk submitted is answered by one delivery to the sink, in the order of its lane, until the lane fails or is
    closed. An error ends its lane: it is delivered once, what the lane has queued is dropped, and ``close`` gives the
    slot back. A fault of one lane (a step that raises, an output that is not finite) never reaches another one.

    A chunk with ``start`` resets its lane first, so a lane may hold one stream after the other, also of different
    lookaheads. A lane whose hotwords or grammar have to be made first waits until they are, and no other one does.

    Args:
        model: on the device and in the precision that ``config`` names.
        config: limits and policy.
        sink: takes the results of each step in one call, on the engine's results thread
            (:data:`wavelane.engine.base.Sink`).
        observer: told what happens, for metrics.

    Raises:
        WavelaneError: INVALID_CONFIG if the model lacks the head or is on another device.
    """

    def __init__(
        self,
        model: LoadedModel,
        config: EngineConfig,
        sink: Sink,
        observer: EngineObserver | None = None,
    ) -> None:
        self._model = model
        self._alike = True
        self._head = _choose_head(model, config)
        decoder = model.decoders[self._head]
        self._spec = replace(
            model.spec,
            max_beam=0 if unsearchable(decoder) is not None else config.max_beam,
            constrained=unconstrained(decoder) is None,
            words=tuple(tuning for tuning in model.spec.words if tuning.head == self._head),
        )
        self._observer = NullObserver() if observer is None else observer
        self._config = config = with_lanes(config, model, self._head)
        self._graphs = GraphStats()
        self._backend = choose_backend(model, config)
        self._runner = make_runner(model, self._head, config, self._backend, self._on_graphs)
        wanted = config.torch_device()
        if self._runner.device.type != wanted.type:
            raise WavelaneError(
                ErrorCode.INVALID_CONFIG,
                f"The model is on {self._runner.device}, but engine.device = {config.device} means {wanted} here; "
                "load the model on that device.",
            )
        spec = model.spec.features
        self._windows = {
            lookahead: spec.window_samples(model.spec.chunk_frames(lookahead)) for lookahead in model.spec.lookaheads
        }
        self._preparing: threading.Thread | None = None
        self._stopping = False
        self._workers, self._threads = config.parallelism(model.spec.parameters, native=self._backend == "native")
        self._scheduler = Scheduler(
            self._runner,
            config,
            spec.hop / spec.sample_rate,
            sink,
            self._observer,
            self._workers,
            self._prepare_worker,
            self._governor(),
            self._runner.searches,
            self._runner.look if isinstance(self._runner, NativeRunner) else None,
        )

    def _prepare_worker(self) -> None:
        torch.set_num_threads(self._threads)
        if self._config.torch_device().type == "cpu":
            step_aside()

    @property
    def spec(self) -> ModelSpec:
        """The model's specification."""
        return self._spec

    @property
    def config(self) -> EngineConfig:
        """The settings."""
        return self._config

    @property
    def head(self) -> str:
        """Name of the decoder in use."""
        return self._head

    @property
    def stats(self) -> EngineStats:
        """A snapshot."""
        return self._scheduler.stats

    @property
    def graphs(self) -> GraphStats:
        """CUDA graphs in use."""
        return self._graphs

    @property
    def healthy(self) -> bool:
        """Whether streams move: the engine was started, has not died or been stopped, and no step hangs."""
        return self._scheduler.healthy

    @property
    def parallelism(self) -> tuple[int, int]:
        """Workers (steps computed at the same time), and CPU threads of each."""
        return self._workers, self._threads

    @property
    def identical(self) -> bool:
        """Whether a stream's results are promised to be the same, bit for bit, whoever else is served.

        With torch they depend on other streams through the shape of a step and the place in it, so they do not with
        ``engine.identical``, if :meth:`warm_up` finds all rows of its one shape alike; with the native library they
        never do.
        """
        if isinstance(self._runner, NativeRunner):
            return True
        return self._config.identical and self._alike

    @property
    def backend(self) -> str:
        """What computes the steps, and in which precision, for example ``native int8``."""
        if isinstance(self._runner, NativeRunner):
            return f"native {native_precision(self._config)}"
        return f"torch {'fp32' if self._config.torch_dtype() == torch.float32 else 'bf16'}"

    @property
    def shares(self) -> Mapping[str, float]:
        """Seconds that all steps so far spent in each of their parts; empty where the runner does not time them."""
        return self._runner.shares() if isinstance(self._runner, NativeRunner) else {}

    @property
    def bytes_per_lane(self) -> int:
        """Memory of one lane's state (bytes), committed when the lane is used first."""
        return self._runner.bytes_per_lane

    def capacities(self) -> dict[int, float]:
        """Streams of continuous speech that this machine carries in time, by lookahead; the model's default first.

        Waits until that is measured, which :meth:`warm_up` begins. Empty where ``engine.capacity`` is off.
        """
        if self._preparing is not None:
            self._preparing.join()
        return self._scheduler.capacities()

    def start(self) -> None:
        """Start the engine's threads. Once."""
        self._scheduler.start()

    def warm_up(self, buckets: Sequence[int] | None = None, lookaheads: Sequence[int] | None = None) -> None:
        """Step padding on a worker, so that the first client does not wait for allocations and kernels.

        Args:
            buckets: default: all on CUDA; on a CPU, where a new shape costs next to nothing, the smallest and 8.
            lookaheads: default: all on CUDA, the model's default on a CPU.

        Raises:
            WavelaneError: INTERNAL, if the model's output is not finite; SHUTTING_DOWN.
        """
        shapes = self._config.batch_shapes
        everything = self._runner.device.type == "cuda"
        if buckets is None:
            buckets = shapes if everything else [size for size in shapes if size in (shapes[0], 8)]
        if lookaheads is None:
            lookaheads = self._spec.lookaheads if everything else (self._spec.default_lookahead,)
        self._scheduler.call(lambda: self._runner.warm_up(buckets, lookaheads)).result()
        if self._config.identical and self._backend == "torch":
            self._scheduler.call(self._compare_rows).result()
        warm = tuple(lookaheads)
        self._preparing = threading.Thread(target=self._prepare, args=(warm,), name="wavelane-prepare", daemon=True)
        self._preparing.start()

    def _prepare(self, warm: Sequence[int]) -> None:
        """What the first clients need not wait for, the lookahead of most of them first."""
        default = self._spec.default_lookahead
        for lookahead in sorted(self._spec.lookaheads, key=lambda lookahead: lookahead != default):
            if self._stopping:
                return
            if lookahead not in warm:
                self._runner.prepare(lookahead)
            if self._config.capacity != "off":
                with suppress(WavelaneError):  # the engine stops
                    self._measure(lookahead, BUDGET_S if lookahead == default else BUDGET_S / 2)

    def _compare_rows(self) -> None:
        rows = self._config.largest_batch
        unlike = [at for at in self._spec.lookaheads if not rows_agree(self._model, self._head, at, rows)]
        self._alike = not unlike
        if unlike:
            logger.warning(
                "engine.identical is not kept with this model on this machine: rows of a step get other bits by their "
                "place in it, at lookahead %s",
                ", ".join(map(str, unlike)),
            )

    def _on_graphs(self, graphs: GraphStats) -> None:
        self._graphs = graphs
        self._observer.on_graphs(graphs)

    def _measure(self, lookahead: int, budget: float) -> None:
        shapes, call = self._config.batch_shapes, self._scheduler.call
        alone = self._runner.device.type == "cpu" and self._threads == 1
        timer = time.thread_time if alone else time.perf_counter
        measured = time_steps(self._runner, call, lookahead, shapes, self._workers, budget, timer=timer)
        self._scheduler.govern(lambda governor: governor.learn(lookahead, measured))

    def _governor(self) -> Governor:
        spec, config = self._spec, self._config
        costs = CostModel(
            frame_seconds=spec.frame_samples / spec.features.sample_rate,
            workers=self._workers,
            largest=config.largest_batch,
            latency=config.capacity_latency,
            headroom=config.capacity_headroom,
            pinned=(spec.default_lookahead, config.capacity) if isinstance(config.capacity, int) else None,
        )
        return Governor(
            costs,
            spec.lookaheads,
            spec.default_lookahead,
            enforce=config.capacity != "off",
            padded=self._backend != "native",
        )

    def stop(self, drain: bool = True, timeout: float = 10.0) -> bool:
        """Take no more work, then end the threads. Blocks.

        Args:
            drain: answer what was submitted first; otherwise it is dropped, and every lane that loses chunks gets a
                SHUTTING_DOWN error.
            timeout: how long to drain (s); then the rest is dropped.

        Returns:
            Whether everything was answered.
        """
        self._stopping = True
        if self._preparing is not None:
            # A thread that is inside torch when the interpreter ends takes the process down with an abort.
            self._preparing.join()
        return self._scheduler.stop(drain, timeout)

    def open(self, lookahead: int | None = None) -> Slot:
        """A lane for a new stream.

        Args:
            lookahead: the longest that the stream allows, which is what it may cost under load; None: the model's
                default.

        Raises:
            WavelaneError: OVERLOADED when all lanes are in use or the machine has enough to do (``engine.capacity``),
                SHUTTING_DOWN after :meth:`stop`, INTERNAL when the engine died.
        """
        return self._scheduler.open(lookahead)

    def submit(self, slot: Slot, chunk: Chunk) -> None:
        """Queue a chunk. O(1). The first chunk of a lane must have ``start``.

        Raises:
            WavelaneError: BACKLOG_EXCEEDED (the lane goes on without the chunk), INVALID_CONFIG for a lookahead or
                prompt that the model does not have, INTERNAL for a chunk of a wrong shape or a lane that is closed or
                failed, SHUTTING_DOWN after :meth:`stop`.
        """
        self._check(chunk)
        self._scheduler.submit(slot, chunk)

    def close(self, slot: Slot) -> None:
        """Give a lane up: what it has queued is dropped, and its slot comes back when its running step is done.

        Closing twice is harmless.
        """
        self._scheduler.close(slot)

    def delayed(self, seconds: float) -> None:
        """Who takes the results is so many seconds behind: the dial for lookaheads goes up where that lasts."""
        self._scheduler.govern(lambda governor: governor.delayed(seconds, time.monotonic()))

    def backlog(self, slot: Slot) -> float:
        """Audio (s) of the lane that was submitted and not yet answered, for senders that pace themselves."""
        return self._scheduler.backlog(slot)

    def audit(self) -> None:
        """Check that slots allocated − freed = live. Raises RuntimeError if not."""
        self._scheduler.audit()

    def _check(self, chunk: Chunk) -> None:
        width = self._windows.get(chunk.lookahead)
        if width is None:
            raise WavelaneError(
                ErrorCode.INVALID_CONFIG,
                f"The model has no lookahead {chunk.lookahead}; choose one of "
                f"{', '.join(map(str, sorted(self._windows)))}.",
            )
        if chunk.decoding is not None and chunk.decoding.beam > self._spec.max_beam:
            raise WavelaneError(
                ErrorCode.INVALID_CONFIG,
                f"A beam of {chunk.decoding.beam} is more than {self._spec.max_beam} (setting engine.max_beam).",
            )
        if chunk.prompt is not None and chunk.prompt not in self._spec.prompts.values():
            raise WavelaneError(
                ErrorCode.INVALID_CONFIG, f"The model has no language prompt {chunk.prompt}; choose a listed language."
            )
        capacity = self._spec.start_frames(chunk.lookahead) if chunk.start else self._spec.chunk_frames(chunk.lookahead)
        if chunk.samples.shape != (width,) or not 1 <= chunk.frames <= capacity:
            raise WavelaneError(
                ErrorCode.INTERNAL,
                f"A chunk has {chunk.samples.shape} samples and {chunk.frames} frames, wanted ({width},) and 1 to "
                f"{capacity}.",
            )


def _choose_head(model: LoadedModel, config: EngineConfig) -> str:
    head = model.spec.heads[0] if config.head == "auto" else config.head
    if head not in model.decoders:
        raise WavelaneError(
            ErrorCode.INVALID_CONFIG,
            f"The model {model.spec.name} has no {head} head (setting engine.head); choose one of "
            f"{', '.join(sorted(model.decoders))} or auto.",
        )
    return head
