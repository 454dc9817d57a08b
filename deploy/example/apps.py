"""Django's registration of the example company, for its one command."""

from typing import Any

from django.apps import AppConfig


class ExampleConfig(AppConfig):
    """Name the app."""

    name = "deploy.example"
    label = "switchyard_example"

    def administrator_sql(self, connection: Any) -> list[str]:  # Any: a psycopg2 connection, which has no stubs here
        """Return the statements that make the readers, for a role that may not; `doctor --sql` prints them."""
        from deploy.example.readers import creation_statements

        return creation_statements(connection)
