"""Decides whether a server may be spoken to: before its name is looked up, and before any byte.

Credentials go to whatever address a run has. So an address counts only if the state belongs to it,
or if somebody who is not the author of the specs has named or confirmed it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from reconciler.api.urls import normalise_url
from reconciler.app.committed import is_committed
from reconciler.app.refused import GuardError
from reconciler.app.settings import Settings
from reconciler.core.model import Target
from reconciler.core.planning.guards import check_target, unconfirmed_server
from reconciler.errors import InvalidInputError
from reconciler.specs.discovery.git import checkout_top

ConfirmServer = Callable[[str, str], bool]
"""Asks a person whether a server is meant, given its URL and which file names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedTarget:
    """The target that a state belongs to.

    With `binds` off it confirms its server and excludes no other: nothing is recorded there.
    """

    target: Target
    binds: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedServer:
    """A server that may be spoken to. Clients need one, and only `check_server` makes them."""

    url: str


def check_server(
    settings: Settings,
    pin: PinnedTarget | None,
    *,
    environ: Mapping[str, str],
    confirm: ConfirmServer | None = None,
) -> CheckedServer:
    """The server of these settings; `pin` is that of their state, if there is one.

    `confirm` is None where nobody can be asked. Raises GuardError for a server that is refused,
    UsageError where none is given, InvalidInputError for an address that cannot be used.
    """
    url = normalise_url(settings.need_url())
    if pin is not None and pin.binds:
        need_same_target(pin.target, Target(url=url, stack=settings.stack))
    if settings.url_is_given:
        return CheckedServer(url=url)
    is_pinned = pin is not None and _normalised(pin.target).url == url
    may_be_committed = is_pinned and _may_be_committed(settings, environ)
    if not is_pinned or may_be_committed:
        source = settings.origins.get("url", "")
        # Some CI systems attach a terminal, and nobody sits at it.
        if confirm is None or environ.get("CI") or not confirm(url, source):
            raise GuardError(
                [unconfirmed_server(url, source, state_may_be_committed=may_be_committed)]
            )
    return CheckedServer(url=url)


def _may_be_committed(settings: Settings, environ: Mapping[str, str]) -> bool:
    """Whether a state may have come with the specs: its author is then the address's, too.

    So it may in a pipeline whose specs are in no checkout.
    """
    if checkout_top(settings.state.resolve().parent) is None:
        return bool(environ.get("CI")) and checkout_top(settings.root) is None
    return is_committed(settings.state)


def need_same_target(pinned: Target, met: Target) -> None:
    """Raise GuardError when a state belongs to another server, login or owner."""
    refusals = check_target(_normalised(pinned), met)
    if refusals:
        raise GuardError(refusals)


def _normalised(pinned: Target) -> Target:
    # A state that was made and then never used kept the address as it was typed.
    try:
        return replace(pinned, url=normalise_url(pinned.url))
    except InvalidInputError:
        return pinned
