"""Compiles the native libraries (streaming/wavelane/native) when Wavelane is installed or packaged.

A C++ compiler is all they need. Without one Wavelane still installs and runs, on torch alone, several times slower and
without beam search, language models and hotwords; `wavelane doctor` says so.
"""

import os
import platform
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from sysconfig import get_platform
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCES = Path(__file__).parent / "streaming" / "wavelane" / "native" / "src"
VECTORS = ["-mavx2", "-mfma", "-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq", "-mavx512vnni"]
TILES = ["-mamx-tile", "-mamx-int8", "-mamx-bf16"]
BUILDS = {
    "avx512_amx": [*VECTORS, "-mavx512bf16", *TILES],
    "avx512_bf16": [*VECTORS, "-mavx512bf16"],
    "avx512_vnni": VECTORS,
}
"""Builds of the step; which one runs is decided on the machine that runs it (wavelane.native.library)."""
PORTABLE = {"search": SOURCES / "search" / "search.cpp", "levels": SOURCES / "levels" / "levels.cpp"}
"""Libraries that need no particular processor: the beam search (wavelane.native.searching), and what the front end
measures of each packet (wavelane.native.levels)."""
FLAGS = [
    *("-std=c++17", "-O3", "-fPIC", "-shared", "-fvisibility=hidden"),
    *(("-static-libstdc++", "-static-libgcc") if sys.platform == "linux" else ()),
    # Sums and products are fused where the source says so and nowhere else: the numbers are the same from any compiler.
    *("-ffp-contract=off", "-fno-math-errno", "-Wall", "-Wextra", "-Wno-uninitialized", "-Wno-maybe-uninitialized"),
]


class NativeLibrary(BuildHookInterface[Any]):
    """Puts the libraries beside their Python module."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, unless there is nothing to compile with or for."""
        if self.target_name != "wheel" or sys.platform not in ("linux", "darwin"):
            return
        compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")
        if compiler is None:
            self.app.display_warning("no C++ compiler found: Wavelane is installed without its native libraries")
            return
        wanted: dict[str, tuple[Path, list[str]]] = {name: (source, []) for name, source in PORTABLE.items()}
        if platform.machine() in ("x86_64", "AMD64") and sys.platform == "linux":
            wanted |= {build: (SOURCES / "native.cpp", vectors) for build, vectors in BUILDS.items()}
        with ThreadPoolExecutor() as pool:
            done = pool.map(lambda build: self._compile(compiler, build, *wanted[build]), wanted)
        built = [path for path in done if path is not None]
        if built and version != "editable":
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{get_platform().replace('-', '_').replace('.', '_')}"
            build_data["artifacts"] += [str(path.relative_to(self.root)) for path in built]

    def _compile(self, compiler: str, build: str, source: Path, vectors: list[str]) -> Path | None:
        target = SOURCES.parent / f"libwavelane_{build}.so"
        # A new file in one move: a server that runs has the old one mapped.
        fresh = target.with_suffix(f".{os.getpid()}.tmp")
        command = [compiler, *FLAGS, *vectors, str(source), "-o", str(fresh)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            fresh.unlink(missing_ok=True)
            self.app.display_warning(f"the native library ({build}) does not compile here:\n{done.stderr[-2000:]}")
            return None
        fresh.replace(target)
        return target
