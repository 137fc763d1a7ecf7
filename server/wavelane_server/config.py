"""The one configuration tree: defaults < TOML file < environment < flags. Flags, file and documentation come from it.

A setting ``section.name`` is ``[section] name`` in the file, ``WAVELANE_SECTION__NAME`` in the environment and
``--section-name`` on the command line. Unknown keys are errors in each of them.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic_settings import (
    BaseSettings,
    SettingsConfigDict,
)

from wavelane.engine.config import EngineConfig
from wavelane.session.options import SessionOptions

ENV_PREFIX = "WAVELANE_"
ENV_CONFIG = "WAVELANE_CONFIG"
"""Names the TOML file where no ``--config`` does."""
ENV_OTHERS = (ENV_CONFIG, "WAVELANE_API_KEY")
"""Names that are no settings: the file's, and what clients take their API key from."""

Port = Annotated[int, Field(ge=0, le=65_535)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class ServerConfig(_Section):
    """Where the server listens and how it logs."""

    host: str = "127.0.0.1"
    """Address that HTTP, WebSocket and gRPC bind; ``0.0.0.0`` or ``::`` for every network of the machine."""
    port: Port = 8080
    """TCP port of HTTP and WebSocket; 0 takes a free one."""
    grpc_port: Port = 50051
    """TCP port of gRPC; 0 takes a free one."""
    grpc: bool = True
    """Serve gRPC."""
    vosk_port: Port | None = None
    """TCP port for clients of vosk-server, which is at ``/`` of the HTTP port too; theirs is 2700. None: none."""
    sherpa_port: Port | None = None
    """TCP port for clients of sherpa-onnx, which is at ``/sherpa`` of the HTTP port too; theirs is 6006. None: none."""
    wyoming_port: Port | None = None
    """TCP port for the Wyoming protocol; 10300 is usual. It knows no API keys: not together with auth.keys_file. None:
    not served."""
    frontends: Annotated[int, Field(ge=0, le=64)] = 0
    """Processes that hold the connections and sessions, beside one for the engine; they share the ports. 0: one process
    does everything. Linux only."""
    engine_timeout_s: Annotated[float, Field(ge=1, le=3_600)] = 5.0
    """With front ends: an engine process that says nothing for so long (s) is stuck: sessions end with an error, and it
    is killed and started again. So it is when a step hangs (setting engine.stall_seconds)."""
    allowed_origins: tuple[str, ...] = ()
    """Origins of web pages, besides the server's own, that may connect: ``["https://example.org"]``, or ``["*"]``."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level that is logged. Audio and recognised text are never logged."""
    log_format: Literal["auto", "console", "json"] = "auto"
    """``console`` for people, ``json`` (one object a line) for machines; ``auto``: console on a terminal."""

    @property
    def more_ports(self) -> dict[str, int]:
        """Ports of single protocols, by the name of their setting."""
        ports = {"vosk_port": self.vosk_port, "sherpa_port": self.sherpa_port, "wyoming_port": self.wyoming_port}
        return {name: port for name, port in ports.items() if port is not None}


class AuthConfig(_Section):
    """Who may use the server."""

    keys_file: Path | None = None
    """File with API keys, one a line (``#`` begins a comment); a client has to send one of them. None: everybody who
    reaches the server may use it."""


class ModelConfig(_Section):
    """Which model is served."""

    path: str = "embedded"
    """``embedded``, a file (``.nemo``), a folder, a name on the Hugging Face hub (``owner/name``), or
    ``torchaudio:emformer_rnnt_base_librispeech``."""
    revision: str | None = None
    """Branch, tag or commit of a hub model; none: its main branch."""
    cache_dir: Path | None = None
    """Folder for models from the hub; none: the hub library's own (``~/.cache/huggingface/hub``)."""


class LmConfig(_Section):
    """Language models and hotwords of the server."""

    paths: tuple[str, ...] = ()
    """Language models that sessions may choose, each as ``name=path``: ARPA files, gzipped or not, binaries
    of KenLM that hold a trie, or what ``wavelane lm convert`` writes. Those that the model's folder has come on top."""
    default: str | None = None
    """Name of the one for sessions that choose none, or ``off``; none: the model's own default."""
    hotwords_file: Path | None = None
    """Phrases favoured in every session: one a line, with a boost of its own behind a tab where it has one."""
    max_hotwords: Annotated[int, Field(ge=0, le=100_000)] = 5_000
    """Most phrases that one session may favour by its option ``hotwords``."""


class GrammarConfig(_Section):
    """Grammars of the server, and what a client's own may take."""

    paths: tuple[str, ...] = ()
    """Grammars that sessions may choose by name, each as ``name=path``: JSGF files."""
    max_characters: Annotated[int, Field(ge=100, le=10_000_000)] = 65_536
    """Longest grammar that a client may send (characters)."""
    max_states: Annotated[int, Field(ge=10, le=1_000_000)] = 4_000
    """Most states that it may unfold to, with every rule written out wherever it is used; about one for each word, and
    one for each group. 1,000 take about 40 ms to read."""


class ProfilesConfig(_Section):
    """Personal vocabulary that is kept for users, with their consent."""

    folder: Path | None = None
    """Folder that profiles are kept in, a file for each; none: no profiles."""
    max_profiles: Annotated[int, Field(ge=1)] = 100_000
    """Most profiles."""
    max_phrases: Annotated[int, Field(ge=1, le=1_000)] = 500
    """Most hotwords of a profile, and most replacements."""


class LimitsConfig(_Section):
    """What one client may take. Lanes and backlog are bounded by ``engine``."""

    max_connections: Annotated[int, Field(ge=1)] = 4096
    """Open HTTP and WebSocket connections; more are answered with 503. As many of Wyoming's."""
    max_message_bytes: Annotated[int, Field(ge=1_024, le=16_777_216)] = 1_048_576
    """Largest message of a stream (bytes)."""
    backpressure_ms: Annotated[int, Field(ge=100, le=600_000)] = 2_000
    """Unrecognised audio of a session (ms) past which the server stops reading from its client until it caught up."""
    idle_timeout_s: Seconds = 60.0
    """A client that sends nothing, not even a keepalive, for so long (s) is closed."""
    send_buffer: Annotated[int, Field(ge=8, le=65_536)] = 256
    """Events that may wait for a client that does not read; one more closes the session."""
    send_timeout_s: Seconds = 10.0
    """Longest time (s) that one message may take to leave for a client that does not read."""
    max_upload_bytes: Annotated[int, Field(ge=1_024)] = 104_857_600
    """Largest file for ``/v1/audio/transcriptions`` (bytes)."""
    max_audio_seconds: Annotated[float, Field(gt=0)] = 14_400.0
    """Longest audio of one uploaded file (s); live streams have no such limit."""
    free_seconds: Annotated[int, Field(ge=1)] = 600
    """Audio (s) that any container stream may decode to, however few its bytes."""
    max_seconds_per_megabyte: Annotated[int, Field(ge=1)] = 30_000
    """Further audio (s) that a million bytes of a container may decode to: digital silence takes hardly any bytes."""
    drain_timeout_s: Annotated[float, Field(ge=0, le=86_400)] = 10.0
    """After SIGTERM or Ctrl-C, time (s) for sessions to finish by themselves before they are ended, with finals."""
    max_loop_delay_ms: Annotated[int, Field(ge=5, le=60_000)] = 200
    """New sessions are refused while the event loop of their process runs what is due, or hands out results, later than
    this (ms, median of two seconds): then it is the sockets, not the model, that the machine does not carry."""
    retry_after_s: Annotated[int, Field(ge=1, le=3_600)] = 2
    """What a refused client is told to wait (s) before it tries again."""


class Config(BaseSettings):
    """The whole tree."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, use_attribute_docstrings=True
    )

    server: ServerConfig = ServerConfig()
    """Where the server listens and how it logs."""
    auth: AuthConfig = AuthConfig()
    """Who may use the server."""
    model: ModelConfig = ModelConfig()
    """Which model is served."""
    engine: EngineConfig = EngineConfig.model_validate({})
    """How the engine uses the machine."""
    lm: LmConfig = LmConfig()
    """Language models and hotwords of the server."""
    grammar: GrammarConfig = GrammarConfig()
    """Grammars of the server, and what a client's own may take."""
    profiles: ProfilesConfig = ProfilesConfig()
    """Personal vocabulary that is kept for users, with their consent."""
    session: SessionOptions = SessionOptions()
    """Defaults of a session's options; a client's own come first."""
    limits: LimitsConfig = LimitsConfig()
    """What one client may take."""
