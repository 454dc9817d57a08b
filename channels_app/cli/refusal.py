"""Why a PostgreSQL server lets nobody in, in words; and what its administrator runs so that a reader gets in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

_WAIT_S = 5
#: What the driver says -> what a person reads. The server's own part is English, or another language's: then its first
#: line is shown as it stands. The order matters: a line on encryption also names the user and the database.
_WORDS = (
    (r"no pg_hba\.conf entry .*(no encryption|SSL off)", "{host} lets {user} in only encrypted: add ?sslmode=require"),
    (r"does not support SSL", "{host} does not speak SSL: leave sslmode=require out, or switch it on there"),
    (r"certificate verify failed|root certificate file", "{host} shows a certificate that can't be verified (sslmode)"),
    (r"no pg_hba\.conf entry", "{host} lets {user} not into {database} from this machine: see its pg_hba.conf"),
    (
        r"password authentication failed|no password supplied",
        "{host} refuses {user}: wrong password, or no such role",
    ),
    (r'role ".*" does not exist', "{host} knows no role {user}"),
    (r"is not permitted to log in", "the role {user} may not log in: give it LOGIN"),
    (r'database ".*" does not exist', "{host} has no database {database}"),
    (r"permission denied for database", "the role {user} may not connect to {database}: grant it CONNECT"),
    (
        r"Connection refused|No such file or directory",
        "nothing listens at {host}: is the port right, is it up?",
    ),
    (r"could not translate host name|[Nn]ame or service not known", "there is no machine called {machine}"),
    (r"timeout expired|timed out", "{host} does not answer within 5 s: a firewall, or the wrong machine?"),
    (r"No route to host|Network is unreachable", "there is no way to {host} from this machine"),
    (r"too many connections|remaining connection slots", "{host} takes no more connections at the moment"),
)
_READER = """\
CREATE ROLE switchyard_reader LOGIN PASSWORD '…' CONNECTION LIMIT 20;
GRANT CONNECT ON DATABASE {database} TO switchyard_reader;
GRANT USAGE ON SCHEMA public TO switchyard_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO switchyard_reader;
ALTER ROLE switchyard_reader SET default_transaction_read_only = on;
ALTER ROLE switchyard_reader SET statement_timeout = '30s';
REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC;  -- unless other roles need it; then grant it to those"""


def refusal(address: URL) -> str | None:
    """Return why PostgreSQL at `address` lets nobody in, without the password; None if it does, or is no PostgreSQL."""
    if address.get_backend_name() not in ("postgresql", "postgres"):
        return None
    import psycopg2

    # Any: what the driver's stub tells apart, and we pass on as it came.
    query = {name: value for name, value in address.query.items() if isinstance(value, str)}
    given: dict[str, Any] = {
        **{"host": address.host, "port": address.port, "dbname": address.database},
        **{"user": address.username, "password": address.password, "connect_timeout": _WAIT_S},
    }
    try:
        psycopg2.connect(**{name: value for name, value in (given | query).items() if value is not None}).close()
    except psycopg2.Error as exc:
        return words(str(exc), address)
    return None


def words(said: str, address: URL) -> str:
    """Return what the driver `said` in words of ours; where there are none, its first line without the password."""
    machine = address.host or "this machine"
    facts = {
        "machine": machine,
        "host": f"{machine}:{address.port or 5432}",
        "user": address.username or "nobody in particular",
        "database": address.database or "its database",
    }
    for pattern, text in _WORDS:
        if re.search(pattern, said):
            return text.format(**facts)
    first = (said.strip().splitlines() or ["it gives no reason"])[0]
    return first.replace(str(address.password), "…") if address.password else first


def reader_statements(address: URL) -> str | None:
    """Return what makes a role that can only read, for an administrator of the server; None for other databases."""
    if address.get_backend_name() not in ("postgresql", "postgres"):
        return None
    quoted = '"' + (address.database or "").replace('"', '""') + '"'
    return _READER.format(database=quoted)
