"""benchmarks/words.py, with a stand-in for the python of the peers."""

import json
import sys
from pathlib import Path

import words
from click.testing import CliRunner

SPEECH = Path("tests/data/speech").resolve()
PEER = """#!{python}
import json, sys
script, arguments = sys.argv[1].rsplit("/", 1)[1], sys.argv[2:]
if script == "sherpa_words.py":
    folder, manifest, out = arguments
    task = "transcribe"
else:
    task, manifest, out = arguments
lines = [json.loads(line) for line in open(manifest)]
with open(out, "w") as file:
    for line in lines:
        said = line["text"].split()
        if task == "align":
            times = [dict(word=word, start=0.5 * at, end=0.5 * at + 0.4) for at, word in enumerate(said)]
            if "lemon" in said:
                continue
            line["words"] = times
        else:
            line = dict(audio_filepath=line["audio_filepath"], text=" ".join(said[:-1]))
        file.write(json.dumps(line) + "\\n")
"""


def test_everybody_on_the_same_recordings(tmp_path, monkeypatch):
    peer = tmp_path / "python"
    peer.write_text(PEER.format(python=sys.executable))
    peer.chmod(0o755)
    manifest = tmp_path / "m.jsonl"
    entries = [json.loads(line) for line in (SPEECH / "manifest.jsonl").read_text().splitlines()]
    lines = [entry | {"audio_filepath": str(SPEECH / entry["audio_filepath"])} for entry in entries]
    manifest.write_text("\n".join(map(json.dumps, lines)))
    exports = []
    monkeypatch.setattr(words, "export", lambda _python, nemo, *rest: exports.append((nemo, *rest[:2])))
    out = tmp_path / "out"
    arguments = [str(manifest), "--peers", str(peer), "--out", str(out), "--lookaheads", "6"]
    result = CliRunner().invoke(words.main, arguments)
    assert result.exit_code == 0, result.output

    ((nemo, folder, lookahead),) = exports
    assert nemo.stat().st_size > 1e6
    assert (folder.name, lookahead) == (f"{nemo.stem}-6", 6)
    timed = [json.loads(line).get("words") for line in (out / "aligned.jsonl").read_text().splitlines()]
    assert [times is None for times in timed] == ["lemon" in entry["text"] for entry in entries]
    table = (out / "words.md").read_text()
    assert "| set | words | pocketsphinx | sherpa-onnx, 6 | Wavelane, 6 |" in table
    # Each of the four loses its last word; "five zero" is a number of one word.
    assert "| all | 32 | 12.5 | 12.5 |" in table
    assert "| 6 | " in table.split("start: bias")[1]
    (group,) = json.loads((out / "pocketsphinx.json").read_text())["groups"]
    assert (group["deletions"], group["substitutions"], group["insertions"]) == (3, 1, 0)
    assert "against pocketsphinx" in result.output
