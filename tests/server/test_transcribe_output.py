"""What ``wavelane transcribe`` says beside the text."""

import pytest

from wavelane.events import AudioIssue
from wavelane_server.cli.transcribe import Output


def issue(problem: str, *, active: bool = True, channel: int = 0) -> AudioIssue:
    return AudioIssue(
        channel=channel,
        at=48_000,
        problem=problem,  # type: ignore[arg-type]
        active=active,
        level_dbfs=-60.0,
        clipped=0.0,
    )


@pytest.mark.parametrize("separate", [False, True])
def test_a_problem_of_the_audio_goes_to_the_standard_error(capsys: pytest.CaptureFixture[str], separate: bool) -> None:
    written: list[str] = []
    output = Output(
        format="text", partials=False, label_channels=separate, write=written.append, terminal=False, file=None
    )
    output.event(issue("no_signal", channel=1))
    output.event(issue("no_signal", active=False))
    output.event(issue("of_a_later_version"))
    where = " (channel 1)" if separate else ""
    assert capsys.readouterr().err == f"wavelane: there is no sound at all: is the microphone muted?{where}, at 3.0 s\n"
    assert written == []
