"""Command lines: passwords behind flags whose names do not say that they take one."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

_LOGIN_FLAGS = frozenset({"-u", "-U", "--user", "--proxy-user", "--http-user"})
_LOGIN = re.compile(r"([^\s:/@\"'$=]+):([^\s\"'$(][^\"']*)")
_LOGIN_BEHIND_FLAG = re.compile(
    r"((?<![\w-])(?:-[uU]|--(?:http-|proxy-)?user)(?:[ \t]+|=))"
    r"(?:([\"'])([^\s:/@\"'$=]+):([^\"'$(][^\"']*)(?=\2)|([^\s:/@\"'$=]+):([^\s\"'$(][^\s\"']*))"
)
# `login` is a command of docker, podman, helm, skopeo and others.
_PASSWORD_FLAGS = {
    "ldapsearch": "-w",
    "login": "-p",
    "mongosh": "-p",
    "redis-cli": "-a",
    "sshpass": "-p",
}
# These take it without a space; with one, it is the name of a database.
_ATTACHED = ("mariadb", "mysql", "mysqladmin", "mysqldump")
_COMMAND = r"(?<![\w-]){program}(?=\s)[^|;&\n]{{0,200}}?\s{flag}"
_PASSWORD_BEHIND_FLAG = re.compile(
    "("
    + "|".join(
        [
            *(
                _COMMAND.format(program=program, flag=flag) + r"[ \t]*"
                for program, flag in _PASSWORD_FLAGS.items()
            ),
            _COMMAND.format(program=f"(?:{'|'.join(_ATTACHED)})", flag="-p"),
        ]
    )
    + r")[\"']?([^\s\"'$(-][^\s\"']*)"
)


def hide_in_command(text: str, hide: Callable[[str], str]) -> str:
    """Hide passwords in a shell's command line."""

    def hidden(login: re.Match[str]) -> str:
        flag, quote, *parts = login.groups()
        user, password = parts[:2] if quote else parts[2:]
        if not _is_login(user, password):
            return login[0]
        return f"{flag}{quote or ''}{user}:{hide(password)}"

    text = _LOGIN_BEHIND_FLAG.sub(hidden, text)
    return _PASSWORD_BEHIND_FLAG.sub(lambda match: match[1] + hide(match[2]), text)


def hide_argument(items: Sequence[Any], index: int, hide: Callable[[str], str]) -> str | None:
    """One argument of a command line with its password hidden; None where it has none."""
    item, flag = str(items[index]), items[index - 1]
    if item.startswith("$") or not (flag.startswith("-") or item.startswith("-p")):
        return None
    if flag in _LOGIN_FLAGS:
        login = _LOGIN.fullmatch(item)
        return f"{login[1]}:{hide(login[2])}" if login and _is_login(login[1], login[2]) else None
    program = str(items[0]).rpartition("/")[2]
    if program in _ATTACHED:
        return f"-p{hide(item[2:])}" if item.startswith("-p") and len(item) > len("-p") else None
    command = "login" if "login" in items[:index] else program
    return hide(item) if flag == _PASSWORD_FLAGS.get(command) else None


def _is_login(user: str, password: str) -> bool:
    """Whether it is a password at all: `1000:1000` and `root:root` are a user and a group."""
    return not (user == password or (user.isdecimal() and password.isdecimal()))
