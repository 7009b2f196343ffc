"""The library's benchmark for a moment, on a real server: each way reads what was written, the agent's too.

Not proven here: any number. Those are `./estate bench client`'s.
"""

from ops.development.bench import client


def test_each_way_to_read_can_be_measured() -> None:
    said: list[str] = []

    found = client.measured(20, said.append)

    assert said == ["reading one secret 20 times each way"]
    assert list(found.reads) == [client.HIT, client.MISS, client.HVAC, client.HTTPX, client.AGENT]
    assert all(0 < one.p50 <= one.p95 and one.cpu > 0 for one in found.reads.values())
    assert found.reads[client.HIT].p50 < found.reads[client.MISS].p50
