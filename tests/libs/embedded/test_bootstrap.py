"""What a person reads when a system cannot be prepared."""

import os
import shutil

import asyncpg
import pytest

from yoyaku.embedded.processes import OTLP_ENDPOINT
from yoyaku.embedded.system import StepFailedError, SystemOptions, start_system
from yoyaku.testkit.servers import make_scratch_folder


@pytest.fixture
def options():
    folder = make_scratch_folder()
    environment = {name: value for name, value in os.environ.items() if name != OTLP_ENDPOINT}
    yield SystemOptions(folder / "data", services=(), fsync=False, environment=environment)
    shutil.rmtree(folder)


@pytest.mark.postgres
@pytest.mark.nats
@pytest.mark.requirement("DL-01")
async def test_a_migration_that_fails_is_told_by_file_and_postgresqls_message(options):
    async with start_system(options.data_dir, options=options) as system:
        settings = system.postgres.admin_settings.model_copy(update={"database": "booking"})
        connection = await asyncpg.connect(**settings.connect_arguments("test"))
        await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION booking_owner")
        await connection.execute("CREATE TABLE room (id integer)")
        await connection.close()
    with pytest.raises(StepFailedError) as failed:
        async with start_system(options.data_dir, options=options):
            pass
    told = str(failed.value)
    assert told.startswith("preparing databases and streams failed: the migrations of yoyaku.booking: 0001_pre")
    assert 'relation "room" already exists' in told
    assert len(told.splitlines()) == 1
    assert "Traceback" not in told
