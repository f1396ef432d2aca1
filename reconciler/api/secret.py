"""A value that never prints."""

from __future__ import annotations

from dataclasses import field
from urllib.parse import quote_plus

from reconciler.core.redact import HIDDEN
from reconciler.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A value that does not print; `reveal` is the only way out."""

    value: str = field(repr=False)

    def reveal(self) -> str:
        """The secret itself, for the wire only."""
        return self.value

    def hide_in(self, text: str) -> str:
        """The text with the secret blanked."""
        # An empty secret would be found between any two characters.
        if not self.value:
            return text
        # Servers repeat what they are sent; in a login form the secret is percent-encoded.
        return text.replace(self.value, HIDDEN).replace(quote_plus(self.value), HIDDEN)
