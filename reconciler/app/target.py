"""Decides whether a server may be spoken to: before its name is looked up, and before any byte.

Credentials go to whatever address a run has. So an address counts only if the state belongs to it,
or if somebody who is not the author of the specs has named or confirmed it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from reconciler.api.urls import normalise_url
from reconciler.app.committed import may_be_committed
from reconciler.app.refused import GuardError
from reconciler.app.settings import Settings
from reconciler.core.model import Target
from reconciler.core.planning.guards import check_target, unconfirmed_server
from reconciler.errors import InvalidInputError
from reconciler.values import dataclass

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
    need_same_target(pin, Target(url=url, stack=settings.stack))
    if settings.url_is_given:
        return CheckedServer(url=url)
    # From here on only the repository names the server, and a pull request can change that.
    is_pinned = pin is not None and _normalised(pin.target).url == url
    is_doubtful = is_pinned and may_be_committed(settings.state, settings.root, environ)
    if not is_pinned or is_doubtful:
        source = settings.origins.get("url", "")
        # Some CI systems attach a terminal, and nobody sits at it.
        if confirm is None or environ.get("CI") or not confirm(url, source):
            raise GuardError([unconfirmed_server(url, source, state_may_be_committed=is_doubtful)])
    return CheckedServer(url=url)


def need_same_target(pin: PinnedTarget | None, target: Target) -> None:
    """Raise GuardError when a state belongs to another server, login, tenant or owner.

    A run without a state, and a state that records nothing, may use any.
    """
    if pin is None or not pin.binds:
        return
    refusals = check_target(_normalised(pin.target), target)
    if refusals:
        raise GuardError(refusals)


def _normalised(pinned: Target) -> Target:
    # A state that was made and then never used kept the address as it was typed.
    try:
        return replace(pinned, url=normalise_url(pinned.url))
    except InvalidInputError:
        return pinned
