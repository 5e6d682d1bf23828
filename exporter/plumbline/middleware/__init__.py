"""A request's ids from its arrival to every call it makes: ASGI and WSGI middleware, and outgoing headers.

``arrival`` reads ``X-Request-ID`` and ``traceparent``, or makes them; ``asgi`` and ``wsgi`` bind both for
the request's log lines and events, answer with them, and write one access line per request; ``outgoing``
sends them along with requests and httpx.
"""

from plumbline.middleware.asgi import ASGIMiddleware
from plumbline.middleware.outgoing import propagate, propagation_headers
from plumbline.middleware.wsgi import WSGIMiddleware

__all__ = ["ASGIMiddleware", "WSGIMiddleware", "propagate", "propagation_headers"]
