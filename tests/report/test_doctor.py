from __future__ import annotations

import click

from reconciler import __version__
from reconciler.report.text.color import ColorWriter
from reconciler.report.text.doctor import (
    Check,
    DoctorReport,
    Level,
    Setting,
    examination_document,
    examination_text,
)

FOUND = DoctorReport(
    checks=[
        Check(name="server", level=Level.OK, message="https://cp.example"),
        Check(
            name="lock",
            level=Level.PROBLEM,
            message="the state is in use by \x1b[31manna@ci-7",
            hint="wait for it with --lock-timeout 10m",
            exit_code=6,
        ),
        Check(name="clock", level=Level.WARNING, message="40 s behind", hint="use NTP"),
        Check(name="login", level=Level.PROBLEM, message="refused", exit_code=9),
        Check(name="read", level=Level.SKIPPED, message="not tried without a login"),
    ],
    settings=[
        Setting(name="url", value="https://cp.example", origin="RUNAI_BASE_URL"),
        Setting(name="ca_file", value="", origin="default"),
    ],
    versions={"reconciler": "1.0", "Python": "3.11"},
)
TEXT = """\
ok       server  https://cp.example
problem  lock    the state is in use by \\x1b[31manna@ci-7
                 hint: wait for it with --lock-timeout 10m
warning  clock   40 s behind
                 hint: use NTP
problem  login   refused
skipped  read    not tried without a login

SETTING  VALUE               FROM
url      https://cp.example  RUNAI_BASE_URL
ca_file  -                   default

Versions: reconciler 1.0, Python 3.11

2 problems, 1 warning; an apply would end with 6."""


def test_an_examination_as_text() -> None:
    """Every check with its hint, then the settings, then the verdict."""
    assert examination_text(FOUND, ColorWriter()) == TEXT
    assert click.unstyle(examination_text(FOUND, ColorWriter(colour=True))) == TEXT


def test_nothing_is_wrong() -> None:
    """The verdict counts the warnings all the same."""
    found = DoctorReport(checks=[Check(name="a", level=Level.WARNING, message="b")])
    assert found.exit_code == 0
    assert examination_text(found, ColorWriter()) == "warning  a  b\n\nNo problem, 1 warning."


def test_words_are_broken_at_the_width() -> None:
    """Below the beginning of the message; addresses and paths stay whole."""
    words = "nobody listens at https://a-very-long-name.of-a-control-plane.example:8443 today"
    found = DoctorReport(checks=[Check(name="login", level=Level.OK, message=words)])
    assert examination_text(found, ColorWriter(), width=40).splitlines()[:4] == [
        "ok       login  nobody listens at",
        "                https://a-very-long-name.of-a-control-plane.example:8443",
        "                today",
        "",
    ]


def test_an_examination_as_a_document() -> None:
    """The same for programs; the code is that of the first problem an apply would meet."""
    document = examination_document(FOUND)
    assert document["tool_version"] == __version__
    assert document["exit_code"] == 6
    assert document["checks"][1] == {
        "name": "lock",
        "level": "problem",
        "message": "the state is in use by \x1b[31manna@ci-7",
        "hint": "wait for it with --lock-timeout 10m",
        "exit_code": 6,
    }
    assert document["checks"][0]["hint"] is None
    assert document["settings"][0] == {
        "name": "url",
        "value": "https://cp.example",
        "origin": "RUNAI_BASE_URL",
    }
    assert document["versions"] == {"reconciler": "1.0", "Python": "3.11"}
