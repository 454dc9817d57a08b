"""The ASGI application: HTTP to Django, `/ws/chat/` to the chat socket, any other socket refused."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Any, cast

from django.core.asgi import get_asgi_application

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


def make_application() -> Any:  # Any: ASGI applications have no common type
    """Load Django and return the whole application."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings." + os.environ.get("SWITCHYARD_MODE", "dev"))
    http = get_asgi_application()
    # Only now: these read models, which need Django loaded.
    from channels.routing import ProtocolTypeRouter, URLRouter
    from django.urls import path, re_path

    from channels_app.consumer import chat_socket

    # Django's own types know views only; Channels puts applications in their place.
    routes = [path("ws/chat/", cast(Any, chat_socket)), re_path(r"", cast(Any, _refuse))]
    return ProtocolTypeRouter({"http": http, "websocket": URLRouter(routes)})


async def _refuse(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    # Without a route of its own an unknown path would be a server error in the log of whoever is scanned.
    await receive()
    await send({"type": "websocket.close"})


application = make_application()
