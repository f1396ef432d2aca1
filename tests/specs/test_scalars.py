from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from reconciler.specs.source.scalars import PlainScalar, read_plain


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("true", True),
        ("FALSE", False),
        ("0", 0),
        ("-12", -12),
        ("+3", 3),
        ("0x1F", 31),
        ("1.5", 1.5),
        (".5", 0.5),
        ("-1.", -1.0),
        ("1.5e+3", 1500.0),
        ("18446744073709551615", 2**64 - 1),
        ("-9223372036854775808", -(2**63)),
        ("nginx:1.27", "nginx:1.27"),
        ("1.2.3", "1.2.3"),
        ("10Gi", "10Gi"),
        ("500m", "500m"),
        ("-", "-"),
        ("tRue", "tRue"),
        pytest.param("0" * 5_000, 0, id="zeros"),
        pytest.param("-" + "0" * 5_000 + "8.5", -8.5, id="a fraction behind zeros"),
        pytest.param("0x" + "0" * 5_000 + "f", 15, id="hexadecimal behind zeros"),
        ("None", "None"),
        ("--flag", "--flag"),
    ],
)
def test_what_both_versions_read_alike(text: str, value: Any) -> None:
    """Ordinary scalars mean what the core schema of YAML 1.2 says, and nobody disagrees."""
    read = read_plain(text)
    assert read == PlainScalar(value)
    assert type(read.value) is type(value)


@pytest.mark.parametrize(
    ("text", "value", "older"),
    [
        ("no", "no", "false"),
        ("On", "On", "true"),
        ("yes", "yes", "true"),
        ("y", "y", "true"),
        ("N", "N", "false"),
        ("017", 17, "the number 15"),
        ("0o17", 15, "the text '0o17'"),
        ("08", 8, "the text '08'"),
        ("1_000", "1_000", "the number 1000"),
        ("0b11", "0b11", "the number 3"),
        ("12:30:45", "12:30:45", "the number 45045"),
        ("22:22", "22:22", "the number 1342"),
        ("1e3", 1000.0, "the text '1e3'"),
        ("1.5e3", 1500.0, "the text '1.5e3'"),
        ("-0x1F", "-0x1F", "the number -31"),
        ("2026-01-01", "2026-01-01", "a date"),
        ("2026-99-99", "2026-99-99", "an error"),
        ("0001-01-01t00:00:00+23:00", "0001-01-01t00:00:00+23:00", "a date"),
        ("0" * 5_000 + "17", 17, "the number 15"),
        ("-" + "0" * 5_000 + "8", -8, f"the text '-{'0' * 56}...'"),
    ],
    ids=lambda given: str(given)[:20],
)
def test_what_they_read_differently(text: str, value: Any, older: str) -> None:
    """The value is that of YAML 1.2; that of 1.1 is told beside it."""
    read = read_plain(text)
    assert (read.value, read.yaml11, read.unusable) == (value, older, "")
    assert type(read.value) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        "1" + ":20" * 5_000,
        "-1" + ":20" * 500_000,
        "0" + ":59" * 5_000 + ".5",
        "1" + ":59" * 23 + ".5",
        "0b" + "1" * 20_000,
        "0b" + "1" * 65,
        "1_" * 2_000 + "0",
    ],
    ids=lambda text: f"{text[:8]} {len(text)}",
)
def test_long_numbers_of_the_older_version(text: str) -> None:
    """Texts in 1.2 that 1.1 takes for numbers of thousands of digits are told apart in no time."""
    assert read_plain(text) == PlainScalar(text, yaml11="a large number")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (".nan", "is not a number that JSON can hold"),
        ("-.INF", "is not a number that JSON can hold"),
        ("1e400", "is too large for a number"),
        ("18446744073709551616", "does not fit into 64 bits"),
        ("-9223372036854775809", "does not fit into 64 bits"),
        ("9" * 10_000, "does not fit into 64 bits"),
        ("0x" + "f" * 10_000, "does not fit into 64 bits"),
        ("0o" + "7" * 10_000, "does not fit into 64 bits"),
        ("1e" + "9" * 10_000, "is too large for a number"),
        ("1" * 10_000 + ".5", "is too large for a number"),
    ],
    ids=lambda given: given[:20],
)
def test_numbers_that_nobody_can_hold(text: str, problem: str) -> None:
    """They are reported, in no time, whatever their length."""
    assert read_plain(text).unusable == problem


def older_value(text: str) -> Any:
    """What PyYAML makes of one scalar."""
    loader: Any = yaml.SafeLoader("")
    tag = loader.resolve(yaml.ScalarNode, text, (True, False))
    return loader.construct_object(yaml.ScalarNode(tag, text))


@given(
    st.one_of(
        st.from_regex(r"[-+.~]{0,2}[0-9]{0,3}[A-Za-z._:]{0,3}[0-9]{0,2}", fullmatch=True),
        st.sampled_from(
            ["true", "False", "NULL", "nUll", "yes", "Off", "y", "1E5", "1.5m", "-.inf"]
        ),
    )
)
def test_what_is_called_alike_is_alike_to_pyyaml(text: str) -> None:
    """A scalar without a word about YAML 1.1 is the same value to its most common reader."""
    read = read_plain(text)
    if text and not read.yaml11 and not read.unusable:
        older = older_value(text)
        assert (type(older), older) == (type(read.value), read.value)
