"""Makes what nav_commands.jsonl and shop_queries.jsonl name: python tests/data/examples/make_commands.py."""

import json
import subprocess
import tempfile
from pathlib import Path

import av

HERE = Path(__file__).parent


def record(text: str, voice: str, path: Path) -> None:
    """What espeak-ng says, as Ogg Opus of 24 kbit/s."""
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        subprocess.run(["espeak-ng", "-v", voice, "-s", "140", "-g", "4", "-w", file.name, text], check=True)
        with av.open(file.name) as source, av.open(str(path), "w", format="ogg") as target:
            stream = target.add_stream("libopus", rate=16_000, layout="mono")
            stream.bit_rate = 24_000
            resampler = av.AudioResampler(format="s16", layout="mono", rate=16_000)
            frames = [out for frame in source.decode(audio=0) for out in resampler.resample(frame)]
            for frame in [*frames, *resampler.resample(None), None]:
                target.mux(stream.encode(frame))


for manifest in ("nav_commands.jsonl", "shop_queries.jsonl"):
    for line in map(json.loads, (HERE / manifest).read_text().splitlines()):
        record(line["text"], line["speaker"].removeprefix("espeak-ng "), HERE / line["audio_filepath"])
