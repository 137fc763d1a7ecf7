"""What a load run gave: percentiles, counts, accuracy, and whether the generator itself was the bottleneck."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.measure import Point, percentile, summarise
from wavelane_client.load.meter import SessionRecord
from wavelane_client.load.plan import Plan

GENERATOR_LATE_SECONDS = 0.02
"""p99 of the generator's own delay past which its figures are not the server's."""
LAG_BOUND_SECONDS = 1.0
"""p95 of the lag of partials past which sessions are not served live."""
_NOT_WORD = re.compile(r"[^\w']+")


@dataclass(slots=True)
class Result:
    """Raw measurements of a run; times in seconds on the monotonic clock."""

    plan: Plan
    start: float
    records: list[SessionRecord] = field(default_factory=list)
    counts: list[tuple[float, int, float, int]] = field(default_factory=list)
    """(time, sessions sending, audio seconds sent so far, messages received so far), twice a second."""
    lateness: list[float] = field(default_factory=list)
    """Of packets, in the measured window (s)."""
    generator_cores: float = 0.0
    """Processor use of all worker processes in the measured window (cores)."""
    server_cores: float | None = None
    server_rss_bytes: int | None = None
    """Largest resident memory of the server."""
    server: dict[str, Any] | None = None
    """What the server says that it did in the measured window (:func:`.server_metrics.what_happened`)."""
    given_up: bool = False
    """It was ended early, since what it was for cannot be reached any more."""

    @property
    def window(self) -> tuple[float, float]:
        """Start and end of the measured time."""
        return self.start + self.plan.measured_from, self.start + self.plan.measured_to

    def measured(self) -> list[SessionRecord]:
        """Sessions that ended in the window."""
        begin, end = self.window
        return [record for record in self.records if begin <= record.at <= end]

    def partial_lags(self) -> list[tuple[float, float]]:
        """(arrival, lag) of the partials that arrived in the window, by arrival."""
        begin, end = self.window
        return sorted((at, lag) for record in self.records for at, lag in record.partial_lags if begin <= at <= end)

    def finals(self) -> list[float]:
        """End of audio to final of the sessions that ended in the window."""
        return [record.final for record in self.measured() if record.final is not None]

    def counted(self) -> list[tuple[float, int, float, int]]:
        """The counts that were taken in the window."""
        begin, end = self.window
        return [count for count in self.counts if begin <= count[0] <= end]

    def sending(self) -> float | None:
        """Sessions that were sending at a time, in the mean of the window; None of no window."""
        active = [count[1] for count in self.counted()]
        return sum(active) / len(active) if active else None

    def shares(self) -> dict[str, Any] | None:
        """Where the time from the end of the audio to the final goes.

        The server's shares, and what is left to the network, the sockets and the generator: ``outside``, of which only
        the mean is known. None where the server did not say, or no final was made by an end.
        """
        if self.server is None or not self.server["shares"]["step"]["count"]:
            return None
        shares: dict[str, Any] = dict(self.server["shares"])
        finals = [record.final for record in self.measured() if record.final is not None and record.awaited]
        if finals:
            inside = sum(share["mean_ms"] for share in shares.values())
            mean = 1000 * sum(finals) / len(finals) - inside
            shares["outside"] = {"count": len(finals), "mean_ms": round(mean, 2), "p50_ms": None, "p95_ms": None}
        return shares

    def errors(self) -> Counter[str]:
        """Sessions broken by an error at any time of the run, by code."""
        return Counter(record.error for record in self.records if record.error and not record.refused)

    def refused(self) -> Counter[str]:
        """Sessions refused at any time of the run, by code."""
        return Counter(record.error for record in self.records if record.error and record.refused)


def normalise(text: str) -> str:
    """Lower case, words only, apostrophes kept: what word error rates are counted on."""
    return " ".join(_NOT_WORD.sub(" ", text.lower()).split())


def word_error_rate(records: Sequence[SessionRecord]) -> dict[str, float | int] | None:
    """WER over the complete sessions that have a reference; None when there are none."""
    pairs = [(normalise(r.reference), normalise(r.text)) for r in records if r.complete and r.reference is not None]
    pairs = [(reference, text) for reference, text in pairs if reference]
    if not pairs:
        return None
    try:
        import jiwer
    except ImportError:
        raise WavelaneError(
            ErrorCode.INVALID_CONFIG, "word error rates need the extra `load`: pip install 'wavelane[load]'"
        ) from None
    output = jiwer.process_words([reference for reference, _ in pairs], [text for _, text in pairs])
    words = output.hits + output.substitutions + output.deletions
    return {"wer": round(output.wer, 4), "words": words, "sessions": len(pairs)}


def summary(result: Result) -> dict[str, Any]:
    """The report of a run as plain values: what ``--json`` writes."""
    records = result.measured()
    inside = result.counted()
    seconds = inside[-1][0] - inside[0][0] if len(inside) > 1 else 0.0

    def rate(column: int) -> float | None:
        return round((inside[-1][column] - inside[0][column]) / seconds, 2) if seconds else None

    lateness = summarise(result.lateness)
    late = lateness["p99_ms"]
    return {
        "plan": result.plan.to_json(),
        "measured_seconds": round(result.plan.duration, 2),
        "sessions": result.plan.sessions,
        "sessions_sending_mean": None if (sending := result.sending()) is None else round(sending, 2),
        "audio_seconds_per_second": rate(2),
        "messages_per_second": rate(3),
        "sessions_finished": sum(record.complete for record in records),
        "ready": summarise([r.ready for r in records if r.ready is not None]),
        "first_partial": summarise([r.first_partial for r in records if r.first_partial is not None]),
        "partial_lag": summarise([lag for _, lag in result.partial_lags()]),
        "final": summarise(result.finals()),
        "final_shares": result.shares(),
        "given_up": result.given_up,
        "steps_per_audio_second": None if result.server is None else result.server["steps_per_audio_second"],
        "accuracy": word_error_rate(records),
        "errors": dict(result.errors()),
        "refused": dict(result.refused()),
        "messages_of_errors": sorted({r.error_message for r in result.records if r.error_message})[:10],
        "generator": {
            "cores": round(result.generator_cores, 3),
            "cores_per_session": round(result.generator_cores / result.plan.sessions, 5),
            "delay": lateness,
            "bottleneck": late is not None and late > 1000 * GENERATOR_LATE_SECONDS,
        },
        "server": None
        if result.server_cores is None
        else {"cores": round(result.server_cores, 3), "rss_mb": round((result.server_rss_bytes or 0) / 1e6, 1)},
    }


def point_of(result: Result) -> Point:
    """A run as a point of the report that all measurements share; its latency is the lag of partials."""
    plan = result.plan
    lookahead = plan.options.get("lookahead")
    late = percentile(result.lateness, 0.99)
    lags = [lag for _, lag in result.partial_lags()]
    failed = bool(result.errors() or result.refused())
    p95 = percentile(lags, 0.95)
    return Point(
        kind="load",
        engine=f"server at {plan.url}",
        model="served model",
        precision="served",
        lookahead=lookahead if isinstance(lookahead, int) else None,
        chunk_ms=None,
        streams=plan.sessions,
        latency=summarise(lags),
        cores=result.server_cores,
        carried=not failed and p95 is not None and p95 < LAG_BOUND_SECONDS,
        details={
            "final": summarise(result.finals()),
            "generator_late_p99_ms": None if late is None else round(1000 * late, 2),
        },
    )
