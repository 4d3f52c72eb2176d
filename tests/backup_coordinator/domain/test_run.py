from pathlib import PurePath

from yoyaku.backup_coordinator.domain.run import TRANSITIONS, RunPlaces, RunState


def test_every_state_has_its_transitions_and_an_end_has_none() -> None:
    assert set(TRANSITIONS) == set(RunState)
    assert {state for state, following in TRANSITIONS.items() if not following} == {
        RunState.COMPLETED,
        RunState.FAILED,
    }
    reachable, new = {RunState.REQUESTED}, {RunState.REQUESTED}
    while new:
        new = {following for state in new for following in TRANSITIONS[state]} - reachable
        reachable |= new
    assert reachable == set(RunState)


def test_a_run_has_two_names_in_one_folder() -> None:
    places = RunPlaces.of(PurePath("backups"), "7")
    assert (places.partial, places.final) == (PurePath("backups/7.partial"), PurePath("backups/7"))
