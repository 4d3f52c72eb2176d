import os
import socket
from pathlib import Path

import pytest

from yoyaku.embedded.ports import (
    HIGHEST_PORT,
    LOOPBACK,
    NoFreePortError,
    PortForbiddenError,
    PortTakenError,
    RememberedPorts,
    choose_port,
    is_free,
    require_free,
)


@pytest.fixture
def taken():
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_chosen_port_is_free_and_no_outgoing_connection_is_given_it():
    port = choose_port()
    assert is_free(port)
    assert port <= HIGHEST_PORT
    lowest_ephemeral = Path("/proc/sys/net/ipv4/ip_local_port_range")
    if lowest_ephemeral.exists():
        assert port < int(lowest_ephemeral.read_text().split()[0])


def test_a_taken_port_is_refused_and_its_holder_named(taken):
    with pytest.raises(PortTakenError, match=str(taken)) as refusal:
        require_free(taken)
    assert str(os.getpid()) in refusal.value.holder


def test_a_port_that_this_user_may_not_have_is_not_called_taken(monkeypatch):
    def refuse(self, address):
        raise PermissionError

    with monkeypatch.context() as patched:
        patched.setattr(socket, "socket", type("Refused", (socket.socket,), {"bind": refuse}))
        with pytest.raises(PortForbiddenError, match=r"port 80 .* 1024"):
            require_free(80)


def test_a_port_is_the_same_next_time(tmp_path):
    file = tmp_path / "ports.json"
    first = RememberedPorts(file).port_for("nats")
    assert RememberedPorts(file).port_for("nats") == first
    assert RememberedPorts(file).port_for("postgres") != first


def only_these(monkeypatch, *ports):
    monkeypatch.setattr("yoyaku.embedded.ports.choosable_ports", lambda: list(ports))
    monkeypatch.setattr("yoyaku.embedded.ports._given", set())


def test_two_servers_that_do_not_listen_yet_get_different_ports(monkeypatch):
    one, other = choose_port(), choose_port()
    only_these(monkeypatch, one, other)
    assert {choose_port(), choose_port()} == {one, other}
    with pytest.raises(NoFreePortError):
        choose_port()


def test_no_two_names_of_a_folder_have_the_same_port_also_over_two_processes(tmp_path, monkeypatch):
    one, other = choose_port(), choose_port()
    file = tmp_path / "ports.json"
    file.write_text(f'{{"nats": {one}}}')
    only_these(monkeypatch, one, other)
    assert RememberedPorts(file).port_for("worker-health") == other
    file.write_text(f'{{"nats": {one}, "worker-health": {one}}}')
    only_these(monkeypatch, one, other)
    assert RememberedPorts(file).port_for("worker-health") == other


def test_a_remembered_port_that_is_taken_meanwhile_is_chosen_again(tmp_path, taken):
    file = tmp_path / "ports.json"
    file.write_text(f'{{"nats": {taken}}}')
    assert RememberedPorts(file).port_for("nats") != taken


def test_a_fixed_port_wins_over_the_remembered_one_and_is_never_replaced(tmp_path, taken):
    ports = RememberedPorts(tmp_path / "ports.json")
    remembered = ports.port_for("gateway")
    wanted = choose_port()
    assert ports.port_for("gateway", fixed=wanted) == wanted != remembered
    with pytest.raises(PortTakenError):
        ports.port_for("gateway", fixed=taken)


@pytest.mark.parametrize("content", ["", "[1]", '{"nats": "x"}', "\x00"])
def test_a_damaged_file_of_ports_is_no_obstacle(tmp_path, content):
    file = tmp_path / "ports.json"
    file.write_text(content)
    assert is_free(RememberedPorts(file).port_for("nats"))
