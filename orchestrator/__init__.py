"""The core: what Switchyard means, independent of sockets and of Celery tasks."""
