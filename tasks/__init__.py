"""The worker edge: Celery tasks, one file a stage, thin over `orchestrator`."""
