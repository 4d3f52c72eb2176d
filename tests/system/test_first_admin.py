"""The first administrator's password is shown once, and a start that died before showing it loses nothing."""

import pytest

from yoyaku.embedded.system import FIRST_ADMIN, System
from yoyaku.testkit.people import People


@pytest.mark.requirement("ID-06", "DL-01")
async def test_a_password_nobody_was_shown_is_given_again_and_then_forgotten(system: System, people: People) -> None:
    assert system.admin is not None
    file = system.secrets.password_file(FIRST_ADMIN)
    assert file.stat().st_mode & 0o777 == 0o600

    again = await system._make_admin()
    assert again == system.admin
    await people.admin()

    system.admin_was_told()
    assert not file.exists()
    assert await system._make_admin() is None
