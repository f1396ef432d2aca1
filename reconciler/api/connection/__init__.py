"""How bytes travel: connections, proxies, TLS, and what a broken connection proves."""

import os
from importlib import import_module


def _import_aiohttp() -> None:
    """Import aiohttp without the system's authorities, which takes a fifth of the time.

    It would read them twice for connections without a context of their own; ours all have one.
    """
    # OpenSSL looks at this variable whenever it is asked for the system's authorities: ours are
    # read later, when it is as it was. No thread of ours runs yet that could see it.
    before = os.environ.get("SSL_CERT_FILE")
    os.environ["SSL_CERT_FILE"] = os.devnull
    try:
        import_module("aiohttp")
    finally:
        if before is None:
            del os.environ["SSL_CERT_FILE"]
        else:
            os.environ["SSL_CERT_FILE"] = before


_import_aiohttp()
