"""pocketsphinx on the utterances of a manifest: what it hears, or when each word of the reference was said.

    python pocketsphinx_peer.py transcribe MANIFEST OUT.jsonl
    python pocketsphinx_peer.py align MANIFEST OUT.jsonl

Runs in an environment of its own (``requirements.txt``), never beside Wavelane. ``transcribe`` writes a line for each
utterance (``audio_filepath``, ``text``, ``words``), which ``wavelane eval --transcripts`` scores; ``align`` writes the
manifest again with ``words`` (``word``, ``start``, ``end`` in seconds), without the utterances that cannot be aligned.

Both use the ``en-us`` model, dictionary and language model in pocketsphinx's wheel (acoustic model in phones, 10 ms
frames), with its default settings. Whole utterances are given at once, so that it normalises by the mean of all of the
utterance and not of what came before: as favourable as it can be.
"""

import json
import re
import sys
from pathlib import Path

import soundfile
from pocketsphinx import Decoder

FRAMES_PER_SECOND = 100


def read_audio(path):
    """16-bit mono PCM at 16 kHz, as bytes."""
    samples, rate = soundfile.read(str(path), dtype="int16")
    if rate != 16_000 or samples.ndim != 1:
        raise SystemExit(f"{path} has {rate} Hz and {samples.ndim} dimensions; pocketsphinx takes 16 kHz mono")
    return samples.tobytes()


def decode(decoder, audio):
    """One pass over an utterance."""
    decoder.start_utt()
    decoder.process_raw(audio, full_utt=True)
    decoder.end_utt()


def transcribe(decoder, entry, audio):
    """What is heard; a line of the output."""
    decode(decoder, audio)
    words = [
        {"word": plain(part.word), "start": part.start_frame / FRAMES_PER_SECOND, "end": seconds(part.end_frame + 1)}
        for part in decoder.seg() or ()
        if not is_filler(part.word)
    ]
    return {"audio_filepath": entry["audio_filepath"], "text": " ".join(w["word"] for w in words), "words": words}


def align(decoder, entry, audio):
    """The entry with the times of its words, or None where it cannot be aligned.

    The first pass finds the pronunciations and the pauses between words, the second the frames of every phone.
    """
    text = reference(entry)
    spoken = text.split()
    if not spoken or any(decoder.lookup_word(word) is None for word in spoken):
        return None
    try:
        decoder.set_align_text(text)
        decode(decoder, audio)
        decoder.set_alignment()
        decode(decoder, audio)
        found = [part for part in decoder.get_alignment() if not is_filler(part.name)]
    except RuntimeError:  # the words do not fit the audio
        return None
    if [plain(part.name) for part in found] != spoken:
        return None
    words = [
        {"word": plain(part.name), "start": seconds(part.start), "end": seconds(part.start + part.duration)}
        for part in found
    ]
    return {**entry, "words": words}


def reference(entry):
    """Words of the reference as the dictionary writes them."""
    return " ".join(re.sub(r"[^\w' ]", " ", (entry.get("text") or "").lower()).split())


def is_filler(word):
    """Silence and noise: ``<sil>``, ``[NOISE]``, ``++UH++``; ``(NULL)`` joins parts of the search."""
    return word.startswith(("<", "[", "+", "(")) or not word


def plain(word):
    """Without the number of the pronunciation."""
    return re.sub(r"\(\d+\)$", "", word)


def seconds(frame):
    """Time of a frame."""
    return frame / FRAMES_PER_SECOND


def main(task, manifest, output):
    """Run a task over all entries, in order."""
    manifest = Path(manifest)
    entries = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines() if line.strip()]
    decoder = Decoder(loglevel="FATAL")
    done = 0
    with Path(output).open("w", encoding="utf-8") as out:
        for number, entry in enumerate(entries, start=1):
            audio = read_audio(manifest.parent / entry["audio_filepath"])
            line = task(decoder, entry, audio)
            if line is not None:
                done += 1
                out.write(json.dumps(line, ensure_ascii=False) + "\n")
                out.flush()
            if number % 50 == 0:
                print(f"{number} of {len(entries)}, {done} written", file=sys.stderr)
    print(f"{done} of {len(entries)} utterances written to {output}", file=sys.stderr)


if __name__ == "__main__":
    main({"transcribe": transcribe, "align": align}[sys.argv[1]], *sys.argv[2:4])
