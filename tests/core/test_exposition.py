"""Numbers in Prometheus' text format."""

from mainstay.core.counts import Counts
from mainstay.core.exposition import histogram, render


def test_a_metric_has_its_help_its_type_and_its_samples() -> None:
    """Whole numbers are written without a point."""
    text = render("size_bytes", "gauge", "How large.", [({"of": "a"}, 3.0), ({}, 0.5)])
    assert text == (
        "# HELP size_bytes How large.\n"
        "# TYPE size_bytes gauge\n"
        'size_bytes{of="a"} 3\n'
        "size_bytes 0.5\n"
    )


def test_values_of_labels_are_escaped() -> None:
    """What a path can have in it must not end the label."""
    text = render("n", "counter", "N.", [({"path": 'a"b\\c\nd'}, 1)])
    assert 'n{path="a\\"b\\\\c\\nd"} 1\n' in text


def test_a_histogram_counts_up_to_each_bound() -> None:
    """Buckets are cumulated; sum and count close the series."""
    counts = Counts()
    counts.add(0, 0.003)
    counts.add(0, 20.0)
    lines = histogram("d_seconds", "D.", [({"of": "a"}, counts)]).splitlines()
    assert lines[:2] == ["# HELP d_seconds D.", "# TYPE d_seconds histogram"]
    assert 'd_seconds_bucket{of="a",le="0.005"} 1' in lines
    assert lines[-3:] == [
        'd_seconds_bucket{of="a",le="+Inf"} 2',
        'd_seconds_sum{of="a"} 20.003',
        'd_seconds_count{of="a"} 2',
    ]
