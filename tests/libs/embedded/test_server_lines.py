import stat

import pytest

from yoyaku.embedded.server_lines import Chatter, ServerFiles

POSTGRES = """2026-04-01 09:00:00.772 UTC [14605] LOG:  checkpoint starting: time
2026-04-01 09:00:00.772 UTC [14605] DETAIL:  of the log line
2026-04-01 09:00:01.772 UTC [14605] ERROR:  relation "x" does not exist at character 15
2026-04-01 09:00:01.772 UTC [14605] STATEMENT:  SELECT *
\tFROM x
2026-04-01 09:00:02.772 UTC [14605] LOG:  checkpoint complete
\tand its second line
2026-04-01 09:00:03.772 UTC [14605] FATAL:  the database system is shutting down
postgres: could not access the server configuration file""".splitlines()


def test_of_postgresql_only_trouble_and_what_belongs_to_it_is_shown() -> None:
    chatter = Chatter()
    shown = [line for line in POSTGRES if not chatter.is_chatter("postgres", line)]
    assert shown == [*POSTGRES[2:5], *POSTGRES[7:]]


@pytest.mark.parametrize(
    ("level", "shown"), [("INF", False), ("DBG", False), ("WRN", True), ("ERR", True), ("FTL", True)]
)
def test_of_nats_only_trouble_is_shown(level: str, shown: bool) -> None:
    line = f"[14604] 2026/04/01 09:00:00.761966 [{level}]  _ | | __|_"
    assert Chatter().is_chatter("nats", line) is not shown


def test_what_is_not_understood_and_what_services_say_is_shown() -> None:
    assert not Chatter().is_chatter("nats", "nats-server: unknown field in /nats-server.conf")
    assert not Chatter().is_chatter("audit-log", POSTGRES[0])


def test_a_full_file_makes_room_for_the_next(tmp_path) -> None:
    files = ServerFiles(tmp_path / "logs", largest_bytes=20)
    for line in ("a" * 15, "b" * 15, "c" * 15):
        files.write("nats", line)
    files.close()
    assert (tmp_path / "logs" / "nats.log.1").read_text().splitlines() == ["a" * 15, "b" * 15]
    assert (tmp_path / "logs" / "nats.log").read_text().splitlines() == ["c" * 15]
    assert stat.S_IMODE((tmp_path / "logs" / "nats.log").stat().st_mode) == 0o600


def test_a_disk_that_cannot_be_written_holds_nobody_up(tmp_path) -> None:
    (tmp_path / "logs").write_text("a file where the folder should be")
    ServerFiles(tmp_path / "logs").write("nats", "line")
