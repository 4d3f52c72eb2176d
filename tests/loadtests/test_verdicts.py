import random
from uuid import UUID

import pytest
from loadtests.ledger import answers_told, differences
from loadtests.load import breaking_point
from loadtests.memory import MemoryLog, trend
from loadtests.picture import draw

SECONDS = [float(second) for second in range(600)]


def noisy(per_second: float, noise: float = 2.0) -> list[float]:
    chance = random.Random(7)
    return [100 + per_second * second + chance.uniform(-noise, noise) for second in SECONDS]


@pytest.mark.requirement("PF-01")
def test_a_leak_of_two_mebibytes_a_minute_is_growth() -> None:
    assert trend(SECONDS, noisy(2 / 60)).grows


def test_noise_is_no_growth() -> None:
    assert not trend(SECONDS, noisy(0.0)).grows


def test_what_fills_in_the_warm_up_is_no_growth() -> None:
    filling = [100 + min(second, 180) / 2 for second in SECONDS]
    assert not trend(SECONDS, filling).grows


def test_a_few_high_samples_are_no_growth() -> None:
    spiked = [value + (80 if second % 97 == 0 else 0) for second, value in zip(SECONDS, noisy(0.0), strict=True)]
    assert not trend(SECONDS, spiked).grows


def test_the_picture_shows_every_process() -> None:
    log = MemoryLog()
    for second in range(60):
        log.add(float(second), {"nats": 10.0 + second, "postgres": 100.0})
    trends = {name: trend(log.seconds, values) for name, values in log.processes.items()}
    picture = draw(log, trends, "Soak <1>", 1 / 3)
    assert picture.count("<polyline") == 2
    assert "Soak &lt;1&gt;" in picture


@pytest.mark.requirement("PF-01")
def test_answers_are_compared_with_what_is_stored() -> None:
    told = {UUID(int=n): {"room_id": 1, "status": "confirmed", "version": 1} for n in (1, 2, 3)}
    stored = [{"id": UUID(int=n), "room_id": 1, "status": "confirmed", "version": 1} for n in (2, 4)]
    stored.append({"id": UUID(int=3), "room_id": 1, "status": "cancelled", "version": 2})
    assert differences(told, stored) == ([UUID(int=1)], [UUID(int=4)], [UUID(int=3)])


def test_the_newest_answer_counts(tmp_path) -> None:
    one = UUID(int=1)
    lines = [f'{{"id":"{one}","version":{version},"status":"{status}"}}' for version, status in ((2, "b"), (1, "a"))]
    (tmp_path / "answers.jsonl").write_text("\n".join(lines))
    assert answers_told(tmp_path / "answers.jsonl")[one]["status"] == "b"
    assert answers_told(tmp_path / "nothing.jsonl") == {}


def test_the_breaking_point_names_the_last_rate_that_held() -> None:
    def part(p95: float, holds: bool) -> dict:
        return {"values": {"p(95)": p95}, "thresholds": {"p(95)<1000": {"ok": holds}}}

    metrics = {
        "http_req_duration{scenario:rate_100}": part(20, holds=True),
        "http_req_duration{scenario:rate_150}": part(1200, holds=False),
        "http_req_duration{scenario:rate_225}": part(0, holds=True),
        **{
            f"http_reqs{{scenario:rate_{rate}}}": {"values": {"count": count}}
            for rate, count in ((100, 9), (150, 4), (225, 0))
        },
    }
    told = breaking_point({"metrics": metrics})
    assert told == "held 100 requests/s; at 150 requests/s it broke: http_req_duration p(95)<1000 (was 1,200)"
