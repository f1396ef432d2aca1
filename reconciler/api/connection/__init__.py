"""How bytes travel: connections, proxies, TLS, and what a broken connection proves."""
