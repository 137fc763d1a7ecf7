from wavelane.engine.metrics import GraphStats
from wavelane_server.metrics import Metrics, render


def test_metrics_tell_of_cuda_graphs() -> None:
    metrics = Metrics()
    assert metrics.engine is not None
    metrics.engine.on_graphs(GraphStats(captured=55, fallen_back=1, seconds=12.5, bytes=3_000_000))
    page = render(metrics.registry).decode()
    assert "\nwavelane_cuda_graphs 55.0\n" in page
    assert "\nwavelane_cuda_graphs_fallen_back 1.0\n" in page
    assert "\nwavelane_cuda_graphs_capture_seconds 12.5\n" in page
    assert "\nwavelane_cuda_graphs_bytes 3e+06\n" in page
