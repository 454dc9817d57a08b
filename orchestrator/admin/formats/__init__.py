"""How the admin writes dates: sortable, with seconds, as in the logs."""
