"""What the server says of itself while it is loaded: its ``/metrics``, before and after."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx
from prometheus_client.parser import text_string_to_metric_families

FINAL_SHARES = "wavelane_final_share_seconds"
SHARES = ("edge", "wait", "step", "delivery")
"""In their order: until the last chunk is with the engine, until its step begins, until its results are on the host,
until the socket has the final. They begin when the server has read the end of the audio."""
_LANE_STEPS = "wavelane_batch_rows_sum"
_AUDIO = "wavelane_audio_received_seconds_total"


class Scrape:
    """The samples of a server's metrics at one time; those of its processes are added up.

    Args:
        samples: name, labels and value.
    """

    def __init__(self, samples: Iterable[tuple[str, Mapping[str, str], float]]) -> None:
        self._samples: dict[str, list[tuple[Mapping[str, str], float]]] = defaultdict(list)
        for name, labels, value in samples:
            self._samples[name].append((labels, value))

    @classmethod
    def parse(cls, text: str) -> "Scrape":
        """From the text that ``/metrics`` answers."""
        families = text_string_to_metric_families(text)
        return cls((sample.name, sample.labels, sample.value) for family in families for sample in family.samples)

    def total(self, name: str, **labels: str) -> float:
        """Sum of the samples that have these labels."""
        return sum(value for its, value in self._samples[name] if labels.items() <= its.items())

    def by_label(self, name: str, label: str) -> dict[str, float]:
        """The samples added up by the value of one label."""
        sums: dict[str, float] = defaultdict(float)
        for its, value in self._samples[name]:
            sums[its.get(label, "")] += value
        return dict(sums)

    def buckets(self, name: str, **labels: str) -> dict[float, float]:
        """Cumulative counts of a histogram by upper bound."""
        counts: dict[float, float] = defaultdict(float)
        for its, value in self._samples[f"{name}_bucket"]:
            if labels.items() <= its.items():
                counts[float(its["le"])] += value
        return dict(counts)


async def scrape(url: str) -> Scrape | None:
    """Read ``/metrics``; None where a server does not answer it.

    Args:
        url: see :func:`metrics_url`.
    """
    try:
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(url)
            return Scrape.parse(answer.raise_for_status().text)
    except (httpx.HTTPError, ValueError):
        return None


def metrics_url(url: str) -> str | None:
    """Where the server at ``ws://HOST:PORT`` has its metrics; None for gRPC, which has another port than HTTP."""
    parts = urlsplit(url)
    scheme = {"ws": "http", "wss": "https", "http": "http", "https": "https"}.get(parts.scheme)
    return None if scheme is None else f"{scheme}://{parts.netloc}/metrics"


def what_happened(before: Scrape, after: Scrape) -> dict[str, Any]:
    """What the server did between two scrapes, as plain values.

    Returns:
        ``shares``: for each of :data:`SHARES` the count and the mean, p50 and p95 in milliseconds; ``lane_steps``,
        ``audio_seconds`` and ``steps_per_audio_second`` (None without audio).
    """

    def grown(name: str, **labels: str) -> float:
        return after.total(name, **labels) - before.total(name, **labels)

    shares = {}
    for share in SHARES:
        earlier = before.buckets(FINAL_SHARES, share=share)
        buckets = {le: n - earlier.get(le, 0.0) for le, n in after.buckets(FINAL_SHARES, share=share).items()}
        count = grown(f"{FINAL_SHARES}_count", share=share)
        shares[share] = {
            "count": round(count),
            "mean_ms": _milliseconds(grown(f"{FINAL_SHARES}_sum", share=share) / count if count else None),
            "p50_ms": _milliseconds(histogram_quantile(buckets, 0.50)),
            "p95_ms": _milliseconds(histogram_quantile(buckets, 0.95)),
        }
    steps, audio = grown(_LANE_STEPS), grown(_AUDIO)
    return {
        "shares": shares,
        "lane_steps": round(steps),
        "audio_seconds": round(audio, 2),
        "steps_per_audio_second": round(steps / audio, 4) if audio else None,
    }


def histogram_quantile(buckets: Mapping[float, float], q: float) -> float | None:
    """A quantile of cumulative buckets, linear within its bucket, as Prometheus does it; None of nothing.

    The bound of the last finite bucket stands for everything above it.
    """
    bounds = sorted(buckets)
    total = buckets[bounds[-1]] if bounds else 0.0
    if total <= 0:
        return None
    low, below = 0.0, 0.0
    for bound in bounds:
        if buckets[bound] >= q * total:
            if bound == float("inf"):
                return low
            return low + (bound - low) * (q * total - below) / (buckets[bound] - below)
        low, below = bound, buckets[bound]
    return low


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(1000 * seconds, 2)
