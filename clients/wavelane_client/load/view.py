"""The load generator on a terminal: a live table while it runs, the same table as its report."""

from typing import Any

from rich.console import Console, Group
from rich.table import Table

from wavelane_client.load.report import summary
from wavelane_client.load.run import Run

ROWS = (
    ("connect to ready", "ready"),
    ("time to first partial", "first_partial"),
    ("partial lag", "partial_lag"),
    ("end of audio to final", "final"),
)
SHARES = {
    "edge": "to the engine",
    "wait": "wait for a step",
    "step": "step",
    "delivery": "to the socket",
    "outside": "network and generator",
}
"""What the shares of the time to a final are called."""


def live_view(run: Run, now: float) -> Group:
    """What a run looks like while it goes on."""
    elapsed = max(0.0, now - run.result.start)
    total = run.plan.measured_to
    phase = "ramp" if elapsed < run.plan.measured_from else "measuring"
    return report_view(summary(run.result), f"{phase}: {min(elapsed, total):.0f} of {total:.0f} s", run.total("active"))


def report_view(report: dict[str, Any], title: str, active: float | None = None) -> Group:
    """The latencies of a report as a table, and its counts as a line."""
    table = Table(title=title, title_justify="left")
    for column in ("", "count", "p50 ms", "p95 ms", "p99 ms", "max ms"):
        table.add_column(column, justify="left" if not column else "right")
    for label, key in ROWS:
        row = report[key]
        table.add_row(label, str(row["count"]), *(_number(row[f"{q}_ms"]) for q in ("p50", "p95", "p99", "max")))
    for name, row in (report["final_shares"] or {}).items():
        mean = f"  {SHARES[name]} (mean {_number(row['mean_ms'])} ms)"
        table.add_row(mean, str(row["count"]), *(_number(row[f"{q}_ms"]) for q in ("p50", "p95")))
    return Group(table, *counts(report, active))


def counts(report: dict[str, Any], active: float | None) -> list[str]:
    """What the table has no room for, a sentence each."""
    sending = report["sessions_sending_mean"] if active is None else active
    accuracy = report["accuracy"]
    generator = report["generator"]
    lines = [
        f"sessions {report['sessions']}, sending {_number(sending)}; {report['sessions_finished']} ended; "
        f"{_number(report['audio_seconds_per_second'])} s of audio and {_number(report['messages_per_second'])} "
        "messages a second",
        f"errors {_counted(report['errors'])}; refused {_counted(report['refused'])}",
        "no word error rate: no complete session with a reference"
        if accuracy is None
        else f"WER {100 * accuracy['wer']:.1f} % of {accuracy['words']} words in {accuracy['sessions']} sessions",
    ]
    if report["steps_per_audio_second"] is not None:
        lines.append(f"{report['steps_per_audio_second']:.2f} steps for each second of audio")
    if active is None:
        lines.append(
            f"generator: {generator['cores']:.2f} cores, late by {_number(generator['delay']['p99_ms'])} ms (p99)"
            + (
                "; THAT IS IN THESE FIGURES: give it --processes, or a machine of its own"
                if generator["bottleneck"]
                else ""
            )
        )
    if report["server"] is not None:
        lines.append(f"server: {report['server']['cores']:.2f} cores, {report['server']['rss_mb']:.0f} MB resident")
    return lines + [f"  {message}" for message in report["messages_of_errors"]]


def print_report(console: Console, report: dict[str, Any]) -> None:
    """Print the end of a run."""
    console.print(
        report_view(report, f"{report['sessions']} sessions, {report['measured_seconds']:g} s"), highlight=False
    )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}" if value < 1000 else f"{value:.0f}"


def _counted(faults: dict[str, int]) -> str:
    return ", ".join(f"{count} {code}" for code, count in faults.items()) or "none"
