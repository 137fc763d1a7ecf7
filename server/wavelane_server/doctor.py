"""What this machine has, and what is missing for which feature."""

import importlib.metadata
import importlib.util
import os
import platform
import sys
from dataclasses import asdict, dataclass
from typing import Any, Literal

from wavelane.machine import instruction_sets, usable_cores
from wavelane_server.config import Config


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked for."""

    area: str
    name: str
    status: Literal["ok", "missing", "info"]
    detail: str
    fix: str = ""
    """How to add what is missing."""


def examine() -> list[Finding]:
    """Look at everything. Loads libraries, opens no device and no network."""
    return [*_machine(), *_torch(), *_models(), *_libraries()]


def as_json(findings: list[Finding]) -> list[dict[str, Any]]:
    """Plain values."""
    return [asdict(finding) for finding in findings]


def capacity(config: Config) -> list[Finding]:
    """What the model that would be served takes here. Loads it and computes for seconds.

    Raises:
        WavelaneError: the model cannot be loaded.
    """
    from wavelane.engine import Engine
    from wavelane_server.serve import load_model

    model = load_model(config)
    engine = Engine(model, config.engine, lambda deliveries: None)
    engine.start()
    try:
        engine.warm_up()
        measured = engine.capacities()
    finally:
        engine.stop(drain=False)
    workers, threads = engine.parallelism
    findings = [
        Finding(
            "capacity", "engine", "info", f"{model.spec.name}, {engine.backend}: {workers} workers of {threads} threads"
        ),
        Finding(
            "capacity",
            "identical results",
            "ok" if engine.identical else "info",
            "the same bits whoever else is served"
            if engine.identical
            else "confidences, and rarely a word, may depend on who else is served; setting engine.identical",
        ),
    ]
    for lookahead, streams in measured.items():
        chunk = (lookahead + 1) * model.spec.frame_samples / model.spec.features.sample_rate
        detail = f"{streams:.0f} streams of continuous speech in time (steps of {1000 * chunk:.0f} ms)"
        findings.append(Finding("capacity", f"lookahead {lookahead}", "ok" if streams >= 1 else "info", detail))
    if not measured:
        findings.append(Finding("capacity", "streams", "info", "not measured: engine.capacity is off"))
    return findings


def _machine() -> list[Finding]:
    shown = ", ".join(instruction_sets()) or "none of those that matter, or unknown here"
    return [
        Finding("machine", "python", "ok", f"{platform.python_version()} ({sys.platform}, {platform.machine()})"),
        Finding("machine", "cpu", "info", f"{usable_cores()} usable of {os.cpu_count()} logical cores"),
        Finding("machine", "cpu instructions", "info", shown),
    ]


def _torch() -> list[Finding]:
    try:
        import torch
    except Exception as error:
        return [Finding("torch", "torch", "missing", f"{type(error).__name__}: {error}", "pip install 'torch>=2.11'")]
    findings = [Finding("torch", "torch", "ok", torch.__version__)]
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        findings.append(Finding("torch", "device", "ok", f"cuda: {', '.join(names)}"))
        bf16 = "bf16" if torch.cuda.is_bf16_supported() else "fp32; set engine.precision = fp32"
        findings.append(Finding("torch", "precision", "info", bf16))
    else:
        built = f"built for CUDA {torch.version.cuda}, but no GPU is usable" if torch.version.cuda else "a CPU build"
        findings.append(Finding("torch", "device", "info", f"cpu ({built})"))
        findings += _native()
    findings.append(_search())
    findings.append(
        Finding("torch", "threads", "info", f"{torch.get_num_threads()} for a step (setting engine.threads)")
    )
    return findings


def _native() -> list[Finding]:
    """What computes steps on this CPU."""
    from wavelane.native.library import best_build, rate

    build, reason = best_build()
    if build is None:
        hint = "steps run on torch, several times slower"
        return [
            Finding("torch", "native", "missing", f"{reason}; {hint}", "apt install g++, then install Wavelane again")
        ]
    rates = ", ".join(f"{name} {rate(name, 84, 512, 2048, 0.05) / 1e9:.0f}" for name in ("fp32", "bf16", "int8"))
    return [
        Finding("torch", "native", "ok", f"{build}; steps run in int8 (setting engine.precision)"),
        Finding("torch", "products", "info", f"{rates} G operations per second on one core"),
    ]


def _search() -> Finding:
    """Beam search, language models and hotwords."""
    from wavelane.native.searching import missing_search

    if (reason := missing_search()) is not None:
        return Finding("torch", "search", "missing", reason, "apt install g++, then install Wavelane again")
    return Finding("torch", "search", "ok", "beam search, language models, hotwords and grammars")


def _models() -> list[Finding]:
    from wavelane.model.embedded import EMBEDDED, embedded_path
    from wavelane_server.config import ModelConfig
    from wavelane_server.models import cached

    findings = []
    for name in EMBEDDED:
        there = (embedded_path(name) / "model.safetensors").exists()
        findings.append(
            Finding(
                "models",
                name,
                "ok" if there else "missing",
                "embedded" if there else "not in this installation",
                "" if there else "reinstall wavelane, or serve another model with --model",
            )
        )
    hub = cached(ModelConfig())
    findings += [Finding("models", name, "ok", str(path)) for name, path in hub]
    if not hub:
        findings.append(Finding("models", "hub cache", "info", "no models fetched yet (wavelane models pull)"))
    return findings


_LIBRARIES = (
    # module, distribution, area, what it is for, how to add it
    ("av", "av", "audio", "WAV, FLAC, Ogg/WebM Opus and MP3; sample rates other than the model's", "pip install av"),
    (
        "webrtcvad",
        "webrtcvad-wheels",
        "audio",
        "the webrtc speech detector (vad.kind webrtc)",
        "pip install webrtcvad-wheels",
    ),
    ("silero_vad", "silero-vad", "audio", "the silero speech detector (vad.kind silero)", "pip install silero-vad"),
    (
        "sounddevice",
        "sounddevice",
        "audio",
        "wavelane transcribe --mic",
        "pip install 'wavelane[mic]' and the system's PortAudio (apt install libportaudio2)",
    ),
    ("uvloop", "uvloop", "server", "a faster event loop (not on Windows)", "pip install uvloop"),
    ("grpc", "grpcio", "server", "gRPC", "pip install grpcio"),
    (
        "google.cloud.speech_v1",
        "google-cloud-speech",
        "server",
        "clients of Google Cloud Speech v1 (gRPC)",
        "pip install 'wavelane[google]'",
    ),
    (
        "riva.client",
        "nvidia-riva-client",
        "server",
        "clients of NVIDIA Riva (gRPC)",
        "pip install 'wavelane[riva]'",
    ),
    ("jiwer", "jiwer", "tools", "word error rates of wavelane load", "pip install 'wavelane[load]'"),
    ("matplotlib", "matplotlib", "tools", "plots of wavelane load", "pip install 'wavelane[load]'"),
    (
        "torchaudio",
        "torchaudio",
        "tools",
        "the Emformer model family; its wheel needs a CUDA build of torch",
        "pip install 'wavelane[torchaudio]' beside a CUDA build of torch",
    ),
)


def _libraries() -> list[Finding]:
    findings = []
    for module, distribution, area, purpose, fix in _LIBRARIES:
        problem = _importable(module)
        if problem is None:
            findings.append(Finding(area, module, "ok", f"{_version(distribution)}: {purpose}"))
        else:
            findings.append(Finding(area, module, "missing", f"{problem}; needed for {purpose}", fix))
    return findings


def _importable(module: str) -> str | None:
    """Why a module cannot be used; None when it can."""
    try:
        if importlib.util.find_spec(module) is None:
            return "not installed"
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        # Looking for a part of a package imports the package.
        return "not installed" if module.startswith(str(error.name)) else f"needs {error.name}, which is not installed"
    except Exception as error:
        # sounddevice without PortAudio and torchaudio beside a CPU torch are installed and useless.
        return f"installed, but does not import ({type(error).__name__}: {str(error)[:80]})"
    return None


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "unknown version"
