import pytest

from yoyaku.booking.domain.person import PERMISSIONS, Action, Role, may


@pytest.mark.requirement("ID-05")
def test_every_action_is_in_the_table() -> None:
    assert set(PERMISSIONS) == set(Action)


@pytest.mark.requirement("ID-05")
def test_an_operator_changes_nothing() -> None:
    allowed = {action for action in Action if may(Role.OPERATOR, action)}
    own = {action for action in Action if action.value.startswith("self.")}
    assert allowed - own == {
        Action.LIST_ROOMS,
        Action.READ_RESERVATIONS,
        Action.LIST_ANOTHERS_RESERVATIONS,
        Action.READ_AUDIT,
        Action.READ_BACKUPS,
    }


@pytest.mark.requirement("ID-05")
def test_an_admin_may_all() -> None:
    assert all(may(Role.ADMIN, action) for action in Action)
