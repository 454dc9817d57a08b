"""The private servers of one start: those that no address was given for."""

import asyncio
import time
from contextlib import ExitStack

from deploy.folder import DataFolder, SetupError, held
from deploy.servers import ServerRecord, ServerStartError, free_port
from deploy.servers_postgres import PostgresServer, home_for
from deploy.servers_redis import RedisServer
from deploy.supervisor import Supervisor

#: A cluster that was cut off in the middle of heavy writing may need a while to recover.
ANSWER_LIMIT_S = 90.0
_DEATHS_LIMIT = 3


async def start_postgres(folder: DataFolder, supervisor: Supervisor, until_the_end: ExitStack) -> PostgresServer:
    """Start the data folder's PostgreSQL under `supervisor` and return it, with the product's database made.

    `until_the_end` holds the cluster for this start until the server is gone.

    Raises:
        SetupError: it cannot be set up or does not answer.
    """
    record = ServerRecord.load(folder.servers)
    record.postgres_home = str(home_for(folder.root, folder.digest, record.postgres_home))
    record.postgres_port = free_port(record.postgres_port)
    # Before the cluster is made: a start that is cut in between must find the passwords it was made with.
    record.save(folder.servers)
    server = PostgresServer.of(record, log=supervisor.log_of("postgres"))
    try:
        server.make_home()
        # Root's cluster lies outside the data folder, whose lock says nothing about a copy of the folder.
        until_the_end.enter_context(
            held(server.home / "lock", f"the database in {server.home} is in use by process {{holder}}")
        )
        await asyncio.to_thread(server.prepare)
    except OSError as exc:
        raise SetupError(f"PostgreSQL cannot be set up in {server.home}: {exc}") from exc
    supervisor.start(server.process())
    await _answering(server, supervisor)
    await asyncio.to_thread(server.ensure_database)
    return server


async def start_redis(folder: DataFolder, supervisor: Supervisor) -> str:
    """Start the data folder's Redis under `supervisor`; return its address.

    Raises:
        SetupError: it cannot be set up or does not answer.
    """
    record = ServerRecord.load(folder.servers)
    record.redis_port = free_port(record.redis_port)
    record.save(folder.servers)
    server = RedisServer(
        home=folder.root / "redis",
        port=record.redis_port,
        password=record.redis_password,
        log=supervisor.log_of("redis"),
    )
    server.prepare()
    supervisor.start(server.process())
    await _answering(server, supervisor)
    return server.url


async def _answering(server: PostgresServer | RedisServer, supervisor: Supervisor) -> None:
    name, deadline = server.process().name, time.monotonic() + ANSWER_LIMIT_S
    while not await asyncio.to_thread(server.answers):
        if supervisor.deaths(name) >= _DEATHS_LIMIT:
            raise ServerStartError(name, f"its process ended {_DEATHS_LIMIT} times", server.log)
        if time.monotonic() > deadline:
            raise ServerStartError(name, f"no answer within {ANSWER_LIMIT_S:g} s", server.log)
        await asyncio.sleep(0.05)
