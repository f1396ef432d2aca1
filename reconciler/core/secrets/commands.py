"""Command lines: passwords behind flags whose names do not say that they take one."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from reconciler.core.secrets.shapes import is_open

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


# `-p` may be a port, a path or a profile; beside a flag for a password it is most likely one too.
_WORD = r"([^\s\"'$(-][^\s\"']*)"
_LONG_FLAG = r"--[\w-]{0,40}pass(?:code|phrase|wd|word)?s?(?![a-z])"
_SHORT_FLAG = r"(?<![\w-])-p(?:[ \t]+|=)[\"']?"
_BEFORE_PASSWORD = re.compile(rf"({_SHORT_FLAG}){_WORD}(?=[^|;&\n]{{0,200}}?\s{_LONG_FLAG})")
_AFTER_PASSWORD = re.compile(rf"({_LONG_FLAG}[^|;&\n]{{0,200}}?\s{_SHORT_FLAG}){_WORD}")
_PORTS = re.compile(r"[\d:.,/-]+(?:tcp|udp)?")
_HAS_LONG_FLAG = re.compile(_LONG_FLAG)
# A file `.netrc`, also as one line or as what `printf` is given.
_GAP = r"(?:\s|\\n){1,20}"
_NETRC = re.compile(
    rf"((?<![\w-])(?:machine{_GAP}[^\s\\]+|default){_GAP}"
    rf"(?:(?:login|account){_GAP}[^\s\\]+{_GAP}){{1,2}}password{_GAP})([^\s\"'$(\\][^\s\"'\\]*)"
    rf"|((?<![\w-])machine{_GAP}[^\s\\]+{_GAP}password{_GAP})([^\s\"'$(\\][^\s\"'\\]*)"
    rf"(?={_GAP}login{_GAP})"
)


def hide_in_command(text: str, hide: Callable[[str], str]) -> str:
    """Hide passwords in a shell's command line."""

    def hidden(login: re.Match[str]) -> str:
        flag, quote, *parts = login.groups()
        user, password = parts[:2] if quote else parts[2:]
        if not _is_login(user, password):
            return login[0]
        return f"{flag}{quote or ''}{user}:{hide(password)}"

    def unless_open(match: re.Match[str]) -> str:
        return match[0] if _is_no_password(match[2]) else match[1] + hide(match[2])

    text = _LOGIN_BEHIND_FLAG.sub(hidden, text)
    text = _PASSWORD_BEHIND_FLAG.sub(lambda match: match[1] + hide(match[2]), text)
    if _HAS_LONG_FLAG.search(text):
        text = _AFTER_PASSWORD.sub(unless_open, _BEFORE_PASSWORD.sub(unless_open, text))
    return _NETRC.sub(lambda m: (m[1] or m[3]) + hide(m[2] or m[4]), text)


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
    if flag == _PASSWORD_FLAGS.get(command):
        return hide(item)
    is_beside = flag == "-p" and any(_HAS_LONG_FLAG.match(str(other)) for other in items)
    return hide(item) if is_beside and not _is_no_password(item) else None


def _is_no_password(value: str) -> bool:
    return _PORTS.fullmatch(value) is not None or is_open(value, surely=True)


def _is_login(user: str, password: str) -> bool:
    """Whether it is a password at all: `1000:1000` and `root:root` are a user and a group."""
    return not (user == password or (user.isdecimal() and password.isdecimal()))
