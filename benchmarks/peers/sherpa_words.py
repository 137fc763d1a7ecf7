"""What sherpa-onnx hears in the utterances of a manifest, from a model that ``export.py`` exported.

    python sherpa_words.py FOLDER MANIFEST OUT.jsonl [fp32|int8]

Writes a line for each utterance, which ``wavelane eval --transcripts`` scores. Behind the audio comes silence until its
last frame is decoded, as an online recogniser needs it; without it the last chunk would be lost. Times are left out:
those of this version are about half of what they should be with this export.
"""

import json
import sys
from pathlib import Path

import numpy as np
import soundfile
from sherpa_peer import HOP, Sherpa

RATE = 16_000


def hear(peer, samples):
    """Text of one recording."""
    peer.begin(0)
    stream = peer.streams[0]
    silence = np.zeros(peer.chunk + 20 * HOP, np.float32)
    stream.accept_waveform(RATE, np.concatenate([samples, silence]).tolist())
    stream.input_finished()
    while peer.recognizer.is_ready(stream):
        peer.recognizer.decode_stream(stream)
    return peer.recognizer.get_result(stream).strip()


def main(folder, manifest, output, precision="fp32"):
    """Go through a manifest."""
    peer = Sherpa(folder, precision, 1, 1)
    manifest = Path(manifest)
    with Path(output).open("w", encoding="utf-8") as out:
        for line in manifest.read_text(encoding="utf-8").splitlines():
            name = json.loads(line)["audio_filepath"]
            samples, rate = soundfile.read(str(manifest.parent / name), dtype="float32")
            if rate != RATE or samples.ndim != 1:
                raise SystemExit(f"{name} is not mono at 16 kHz")
            line = {"audio_filepath": name, "text": hear(peer, samples)}
            out.write(json.dumps(line, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
