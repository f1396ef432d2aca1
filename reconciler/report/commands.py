"""How this run would be called again, put into every command that a text names."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

from reconciler.values import dataclass

# Compiled when they are needed: most runs are called without anything to add.
# A command as a hint names it: its options may follow at once. What a report is called, and which
# command a run was, is no hint: that is a title, stands in brackets, or behind its label.
_COMMAND = (
    r"(?<!title=)(?<!\()(?<!\(`)(?<!command   )(?<!\"command\": \")\breconciler "
    r"(?:(?P<state>(?:state|runs) [a-z]+|status|doctor)|apply|plan|destroy|render|validate)"
    r"\b(?! --help)"
)
# Where a command ends and a sentence, or the next command, goes on.
_END = r"\n|; | \(|\breconciler "
_OPTION = r" --|$"


@dataclass(frozen=True, slots=True, kw_only=True)
class Commands:
    """How this run would be called again, and what other commands need to find what it is about.

    `specs` is for a command that takes a folder, `state` for one that takes none; `chdir` is `-C`.
    """

    again: str = "reconciler apply"
    specs: str = ""
    state: str = ""
    stack: str = ""
    chdir: str = ""

    def of(self, command: str) -> str:
        """Another command of the program, about the same state."""
        return f"reconciler{self.chdir} {command}{self.state}{self.stack}"

    def completed(self, text: str, escape: Callable[[str], str] = str) -> str:
        """A text of those who do not know how this run was called, with that in each command.

        What a command has already is not added again. `escape` is what the notation of the text
        asks for.
        """
        if not (self.specs or self.state or self.stack or self.chdir):
            return text

        def complete(mention: re.Match[str]) -> str:
            ends = re.compile(_END).search(text, mention.end())
            rest = text[mention.end() : ends.start() if ends else None]
            place = self.state if mention["state"] else self.specs
            parts = [escape(part) for part in _parts(f"{place}{self.stack}")]
            missing = [p for p in parts if not re.search(rf"{re.escape(p)}(?![\w./-])", rest)]
            command = mention[0].replace("reconciler", f"reconciler{escape(self.chdir)}", 1)
            return f"{command}{''.join(missing)}"

        return re.sub(_COMMAND, complete, text)


def _parts(options: str) -> list[str]:
    """The options of a text one by one, with what stands before the first of them."""
    starts = [mention.start() for mention in re.finditer(_OPTION, options)]
    return [options[a:b] for a, b in pairwise([0, *starts]) if a < b]


COMMANDS = Commands()
