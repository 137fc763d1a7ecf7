"""What sherpa-onnx hears in the utterances of a manifest, from a model that ``export.py`` exported.

    python sherpa_words.py FOLDER MANIFEST OUT.jsonl [fp32|int8]

Writes a line for each utterance, which ``wavelane eval --transcripts`` scores. Behind the audio comes silence until its
last frame is decoded, as an online recogniser needs it; without it the last chunk would be lost.
"""

import json
import sys
from pathlib import Path

import numpy as np
import soundfile
from sherpa_peer import HOP, LEAD, Sherpa

RATE = 16_000
FRAME_SECONDS = 0.08
OPENERS = ("\N{LOWER ONE EIGHTH BLOCK}", " ")


def hear(peer, samples):
    """Text, and words with times (s), of one recording."""
    peer.begin(0)
    stream = peer.streams[0]
    silence = np.zeros(peer.chunk + 20 * HOP, np.float32)
    stream.accept_waveform(RATE, np.concatenate([samples, silence]).tolist())
    stream.input_finished()
    while peer.recognizer.is_ready(stream):
        peer.recognizer.decode_stream(stream)
    result = json.loads(peer.recognizer.get_result_as_json_string(stream))
    words = []
    for token, time in zip(result["tokens"], result["timestamps"], strict=True):
        start = max(0.0, time - LEAD / RATE)
        if token.startswith(OPENERS) or not words:
            words.append({"word": "", "start": round(start, 3)})
        words[-1]["word"] += token.lstrip("".join(OPENERS))
        words[-1]["end"] = round(start + FRAME_SECONDS, 3)
    return result["text"].strip(), [word for word in words if word["word"]]


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
            text, words = hear(peer, samples)
            out.write(json.dumps({"audio_filepath": name, "text": text, "words": words}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
