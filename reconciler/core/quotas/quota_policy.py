"""What the settings say of plans that do not fit into a quota."""

from __future__ import annotations

from enum import StrEnum


class QuotaPolicy(StrEnum):
    """What a plan that does not fit into a quota leads to; OFF does not look at quotas."""

    WARN = "warn"
    REFUSE = "refuse"
    OFF = "off"
