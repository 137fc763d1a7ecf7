"""The picture of a load run: latencies over time and their distributions."""

from wavelane.measure import percentile
from wavelane_client.load.report import Result
from wavelane_client.picture import new_figure, save_png

BIN_SECONDS = 1.0


def plot(result: Result, path: str) -> None:
    """Write a PNG: partial lag and end-of-audio to final over time with the sessions, and their cumulative shares.

    Raises:
        WavelaneError: INVALID_CONFIG when matplotlib is missing or the file cannot be written.
    """
    figure = new_figure(11, 7)
    over_time, shares = figure.subplots(2, 1)
    lags = [(at - result.start, lag) for record in result.records for at, lag in record.partial_lags]
    finals = [(r.at - result.start, r.final) for r in result.records if r.final is not None]

    for points, label, colour in ((lags, "partial lag", "tab:blue"), (finals, "end of audio to final", "tab:orange")):
        for q, style in ((0.5, "-"), (0.95, "--")):
            times, values = _binned(points, q)
            over_time.plot(times, values, style, color=colour, label=f"{label}, p{100 * q:.0f}")
    over_time.axvspan(result.plan.measured_from, result.plan.measured_to, color="0.95", zorder=0)
    over_time.set(xlabel="time (s); measured where shaded", ylabel="ms", ylim=(0, None))
    sessions = over_time.twinx()
    sessions.plot(
        [at - result.start for at, *_ in result.counts],
        [active for _, active, *_ in result.counts],
        color="0.6",
        label="sessions sending",
    )
    sessions.set(ylabel="sessions", ylim=(0, None))
    lines = [*over_time.get_lines(), *sessions.get_lines()]
    over_time.legend(
        lines,
        [str(line.get_label()) for line in lines],
        fontsize="small",
        ncols=5,
        loc="lower left",
        bbox_to_anchor=(0, 1),
    )

    for values, label in (
        ([lag for _, lag in result.partial_lags()], "partial lag"),
        (result.finals(), "end of audio to final"),
        ([r.first_partial for r in result.measured() if r.first_partial is not None], "time to first partial"),
    ):
        ordered = sorted(1000 * value for value in values)
        shares.step(ordered, [(n + 1) / len(ordered) for n in range(len(ordered))], where="post", label=label)
    for q in (0.5, 0.95, 0.99):
        shares.axhline(q, color="0.85", zorder=0)
    shares.set(xlabel="ms", ylabel="share not above", xlim=(0, None), ylim=(0, 1.01), yticks=(0, 0.5, 0.95, 1))
    shares.legend(fontsize="small", loc="lower right")
    figure.suptitle(f"{result.plan.sessions} sessions at {result.plan.url}")
    save_png(figure, path)


def _binned(points: list[tuple[float, float]], q: float) -> tuple[list[float], list[float]]:
    """A percentile of each second, in milliseconds."""
    bins: dict[int, list[float]] = {}
    for at, value in points:
        bins.setdefault(int(at // BIN_SECONDS), []).append(1000 * value)
    keys = sorted(bins)
    return [(key + 0.5) * BIN_SECONDS for key in keys], [percentile(bins[key], q) or 0.0 for key in keys]
