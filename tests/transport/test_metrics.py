"""What /metrics prints can be read by Prometheus."""

from app.metrics import Count, Histogram, gauge, gauges


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


def test_gauges_of_one_name_are_told_apart_and_what_a_name_holds_breaks_no_line() -> None:
    lines = gauges("part", "Parts.", "name", {"b": 0.5, 'a "x"\n': 1.0})
    assert lines[2:] == ['part{name="a \\"x\\"\\n"} 1.0', 'part{name="b"} 0.5']
