"""Settings of the engine, written once; the server's configuration tree embeds this model as ``engine``."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.machine import usable_cores

if TYPE_CHECKING:
    import torch  # takes a second and 150 MB, which processes without a model spare themselves

BUCKETS = (1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
"""Default batch shapes: at most a third of a step is padding."""

LANES = {"cpu": 1024, "cuda": 4096}
"""Default number of lanes."""

LARGE_MODEL = 100_000_000
"""Parameters from which on a step is better computed by all cores together than by one: it waits for the weights."""

Positive = Annotated[int, Field(ge=1)]


class EngineConfig(BaseModel):
    """How the engine uses the machine. Unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|cuda(:\d+)?)$",
        description="Where the model runs: auto (CUDA where there is one, else the CPU), cpu, cuda or cuda:N.",
    )
    backend: Literal["auto", "native", "torch"] = Field(
        "auto",
        description="What computes the steps on a CPU: the native library, compiled when Wavelane was installed, which "
        "needs an x86 processor with AVX-512 VNNI, or torch. auto: the native library where it can be used. CUDA "
        "always uses torch.",
    )
    precision: Literal["auto", "fp32", "bf16", "int8"] = Field(
        "auto",
        description="Precision of the products: weights and their inputs. int8 (with a scale for every output and "
        "every frame) is for the native library. auto: bf16 on CUDA, int8 with the native library, fp32 with torch on "
        "a CPU.",
    )
    head: Literal["auto", "ctc", "rnnt"] = Field(
        "auto", description="Which decoder of the checkpoint is used; auto takes the one that the model prefers."
    )
    max_beam: int = Field(
        16,
        ge=1,
        le=64,
        description="Most hypotheses that a session's beam search may keep; a step costs the more, the more there are. "
        "1 allows greedy search only, with language models and hotwords.",
    )
    max_sessions: int = Field(
        0,
        ge=0,
        description="Lanes: streams that may be open at once. A session that recognises its channels separately "
        f"takes a lane for each. Further sessions are refused with `overloaded`. 0 means {LANES['cpu']} on a CPU, and "
        f"{LANES['cuda']} on CUDA, or as many as the GPU has memory for.",
    )
    max_backlog_seconds: float = Field(
        30.0,
        gt=0,
        description="Audio (s) of one lane that may wait for the model; more is refused with `backlog_exceeded`.",
    )
    max_batch: int = Field(
        0,
        ge=0,
        description="Rows of the largest step; 0 means 32 on a CPU, where larger steps outgrow its caches, and 256 on "
        "CUDA. Larger steps carry more streams, and every stream waits longer for one.",
    )
    buckets: tuple[Positive, ...] = Field(
        BUCKETS,
        min_length=1,
        description="Batch shapes that steps are padded to. A stream's results depend on its neighbours through this "
        "shape only. Shapes above max_batch are not used.",
    )
    identical: bool = Field(
        False,
        description="Pad every step to max_batch rows. With one shape, a stream's text, times and confidences are bit "
        "for bit the same whoever else is served. A stream that is alone then waits for a full step.",
    )
    max_wait_ms: Annotated[float, Field(ge=0, le=1000)] | Literal["auto"] = Field(
        "auto",
        description="How long (ms) an idle worker holds a chunk back in the hope of company, since a step of many rows "
        "costs less than as many steps. auto: on a CPU not at all while the workers are mostly idle, and up to 15 ms "
        "the busier they are; on CUDA not at all, as company gathers while a step runs. The last chunk of an utterance "
        "never waits.",
    )
    keep_warm_ms: float = Field(
        100.0,
        ge=0,
        le=10_000,
        description="While streams are live and nothing else is to be done, a worker reads the model's weights this "
        "often (ms), or less often where that would take more than 4 % of a core: a step after a rest takes several "
        "times as long when they are in no cache any more. 0: never. With the native library only.",
    )
    cuda_graphs: Literal["startup", "lazy", "off"] = Field(
        "startup",
        description="When a step is captured as a CUDA graph, one for each batch shape and lookahead, and compared "
        "with the same step run without: `startup` before the first session, `lazy` at the first step of a shape, "
        "which delays that step, `off` never: steps then launch their kernels one by one, which takes longer.",
    )
    max_graphs: int = Field(
        128,
        ge=1,
        description="CUDA graphs at most; further batch shapes run without one. Each takes some MB of GPU memory and "
        "some tenths of a second to capture; the logs and `/metrics` tell.",
    )
    workers: int = Field(
        0,
        ge=0,
        description="Steps that a CPU computes at the same time. 0 means as many as there are cores; with torch 1 for "
        f"models from {LARGE_MODEL // 10**6} million parameters on. CUDA always has 1.",
    )
    threads: int = Field(
        0,
        ge=0,
        description="CPU threads of one step with torch (the native library always has 1); 0 means the cores divided "
        "by the workers. More than one thread needs OMP_WAIT_POLICY=passive in the environment wherever something else "
        "uses the CPU too.",
    )
    capacity: Annotated[int, Field(ge=1)] | Literal["measure", "off"] = Field(
        "measure",
        description="Streams of continuous speech at the model's default lookahead that this machine is to carry; "
        "sessions count by what they really say and by their lookahead, and when that is too much new ones are refused "
        "with `overloaded`. `measure`: timed after the start and corrected while running. `off`: no limit but "
        "max_sessions, and `lookahead: auto` stays at its shortest.",
    )
    capacity_latency: float = Field(
        0.5,
        gt=0,
        le=2,
        description="What the measured capacity promises: from a chunk's arrival to its result, 95 % of the chunks "
        "take less than this share of the chunk's length.",
    )
    capacity_headroom: float = Field(
        0.1, ge=0, lt=1, description="Share of the machine that the measured capacity leaves free."
    )
    stall_seconds: float = Field(
        30.0, gt=0, description="A step that runs longer (s) makes the engine unhealthy: it hangs."
    )

    @field_validator("buckets")
    @classmethod
    def _ascending(cls, buckets: tuple[int, ...]) -> tuple[int, ...]:
        if list(buckets) != sorted(set(buckets)):
            raise ValueError("buckets must ascend without repeats, for example [1, 2, 4, 8]")
        return buckets

    @property
    def lanes(self) -> int:
        """Lanes that are wanted; a GPU may have memory for less (:func:`wavelane.engine.memory.with_lanes`)."""
        return self.max_sessions or LANES[self.torch_device().type]

    @property
    def largest_batch(self) -> int:
        """Rows of the largest step: a step holds at most one row of each lane."""
        rows = self.max_batch or (256 if self.torch_device().type == "cuda" else 32)
        return min(rows, self.lanes)

    @property
    def batch_shapes(self) -> tuple[int, ...]:
        """Buckets in use, ascending; the last one is :attr:`largest_batch`."""
        if self.identical:
            return (self.largest_batch,)
        return (*(size for size in self.buckets if size < self.largest_batch), self.largest_batch)

    def parallelism(self, parameters: int, *, native: bool = False) -> tuple[int, int]:
        """Workers, and threads of each, for a model of so many parameters."""
        cores = usable_cores()
        if self.torch_device().type == "cuda":
            return 1, self.threads or cores
        if native:  # One thread each: rows, of which there are many, are what is computed side by side.
            return self.workers or cores, 1
        workers = self.workers or (1 if parameters >= LARGE_MODEL else max(1, cores // max(1, self.threads)))
        return workers, self.threads or max(1, cores // workers)

    def torch_device(self) -> "torch.device":
        """The device that ``device`` means on this machine.

        Raises:
            WavelaneError: INVALID_CONFIG if the machine does not have it.
        """
        import torch

        if self.device == "auto":
            return torch.device("cuda" if torch.cuda.is_available() else "cpu")
        device = torch.device(self.device)
        if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
            raise WavelaneError(
                ErrorCode.INVALID_CONFIG,
                f"engine.device is {self.device}, but torch {torch.__version__} sees {torch.cuda.device_count()} CUDA "
                "devices here; install a CUDA build of torch, or set engine.device to auto or cpu.",
            )
        return device

    def torch_dtype(self) -> "torch.dtype":
        """The dtype that a model is to be loaded in: the native library packs float32."""
        import torch

        from wavelane.native.library import missing

        if self.torch_device().type == "cuda":
            return torch.float32 if self.precision == "fp32" else torch.bfloat16
        native = self.backend != "torch" and missing() is None
        return torch.bfloat16 if self.precision == "bf16" and not native else torch.float32
