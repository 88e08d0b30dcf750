"""What /metrics prints can be read by Prometheus."""

from app.metrics import Count, Histogram, gauge


def test_a_counter_has_one_line_a_label() -> None:
    count = Count("things_total", "Things.", "kind")
    count.add("b")
    count.add("a", 2)
    assert list(count.lines())[2:] == ['things_total{kind="a"} 2', 'things_total{kind="b"} 1']


def test_a_histogram_counts_upwards_and_its_last_bucket_holds_all() -> None:
    histogram = Histogram("seconds", "Time.")
    for seconds in (0.0005, 0.002, 0.002, 100.0):
        histogram.add(seconds)
    lines = list(histogram.lines())
    assert 'seconds_bucket{le="0.001"} 1' in lines
    assert 'seconds_bucket{le="0.0025"} 3' in lines
    assert 'seconds_bucket{le="+Inf"} 4' in lines
    assert lines[-1] == "seconds_count 4"


def test_a_gauge_is_named_typed_and_told() -> None:
    assert gauge("up", "Whether.", 1) == ["# HELP up Whether.", "# TYPE up gauge", "up 1"]
