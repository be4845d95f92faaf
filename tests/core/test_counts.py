"""What is counted of calls."""

from mainstay.core.counts import BOUNDS, Counts


def test_calls_are_counted_by_status_and_time() -> None:
    """A time at a bound belongs below it; one beyond all bounds has the last place."""
    counts = Counts()
    for status, seconds in [(200, 0.0005), (200, 0.001), (404, 0.002), (499, 60.0)]:
        counts.add(status, seconds)
    assert counts.statuses == {200: 2, 404: 1, 499: 1}
    assert counts.total == 4
    assert counts.buckets[:2] == [2, 1]
    assert counts.buckets[-1] == 1
    assert abs(counts.seconds - 60.0035) < 1e-9


def test_prometheus_reads_sums() -> None:
    """Every bucket has those of the smaller ones in it, and the last one has all."""
    counts = Counts()
    for seconds in (0.0001, 0.003, 0.003, 100.0):
        counts.add(200, seconds)
    cumulated = list(counts.cumulated())
    assert len(cumulated) == len(BOUNDS) + 1
    assert cumulated[0] == ("0.001", 1)
    assert dict(cumulated)["0.005"] == 3
    assert cumulated[-1] == ("+Inf", 4)
