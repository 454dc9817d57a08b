"""The people's edge: sockets, HTTP and pages, thin over `orchestrator`."""
