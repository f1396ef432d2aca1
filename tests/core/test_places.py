from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from reconciler.core.states.places import (
    FilePlace,
    ObjectPlace,
    PasswordError,
    PlaceError,
    PostgresPlace,
    StatePlace,
    parse_place,
)
from tests.support.strategies import hostile

# In no other part of an address, so that it is found wherever it leaks to.
PASSWORDS = st.text(st.sampled_from("Zz9 :/@?&=#%é\x00"), min_size=4, max_size=12).map("Zq".__add__)
USERS = st.sampled_from(["", "ci", "team%40corp"])
HOSTS = st.sampled_from(
    ["", "db.example.com", "db1:5432,db2:5433", "[::1]:5432", "%2Fvar%2Frun%2Fpostgresql"]
)
DATABASES = st.sampled_from(["", "/", "/reconciler"])
PARAMETERS = st.lists(
    st.sampled_from(
        ["sslmode=require", "service=prod", "passfile=/run/pgpass", "sslrootcert=system"]
    ),
    unique=True,
)
SCHEMAS = st.sampled_from(["", "reconciler", "team_a", "_2"])
SECRET_PARAMETERS = st.sampled_from(["password", "sslpassword", "pasword", "scram_client_key"])


def parse(text: str, *, may_hold_password: bool = True) -> StatePlace:
    """Parse an address as the environment gives it."""
    return parse_place(text, stack="blue", may_hold_password=may_hold_password)


@given(st.text().filter(lambda text: "://" not in text))
def test_what_is_no_address_is_a_path(text: str) -> None:
    """Relative to the folder of who wrote it; what is absolute stays."""
    assert parse_place(text, stack="s", folder=Path("/r")) == FilePlace(path=Path("/r") / text)
    assert str(parse_place("/x/state.db", stack="s", folder=Path("/r"))) == "/x/state.db"


@given(USERS, HOSTS, DATABASES, PARAMETERS, SCHEMAS)
def test_an_address_is_printed_as_it_can_be_read_again(
    user: str, hosts: str, database: str, parameters: list[str], schema: str
) -> None:
    """The schema is ours and goes to no server; all else is left as it was written."""
    if "," in hosts or ":" in hosts or not hosts:
        assume(database or not parameters)
    at = f"{user}@" if user else ""
    query = "&".join(parameters)
    address = f"postgresql://{at}{hosts}{database}{'?' if query else ''}{query}"
    glue = "&" if query else "?"
    place = parse(address + (f"{glue}schema={schema}" if schema else ""))
    assert place == PostgresPlace(url=address, schema=schema or "reconciler", stack="blue")
    assert parse(str(place)) == place
    assert parse(str(place).replace("postgresql:", "postgres:", 1)) == place


@given(PASSWORDS, SECRET_PARAMETERS, st.booleans(), HOSTS, PARAMETERS)
def test_a_password_is_kept_apart_and_never_printed(
    password: str, name: str, in_front: bool, hosts: str, parameters: list[str]
) -> None:
    """Wherever it stands in the address; where others can read it, it is refused unsaid."""
    encoded = quote(password, safe="")
    query = "&".join(parameters if in_front else [f"{name}={encoded}", *parameters])
    front = f"ci:{encoded}@" if in_front else "ci@"
    address = f"postgresql://{front}{hosts}/db{'?' if query else ''}{query}"
    place = parse(address)
    assert isinstance(place, PostgresPlace)
    assert place.secrets == {"password" if in_front else name: password}
    shown = f"{place} {place!r} {place.title} {place.url}"
    assert password not in shown
    assert encoded not in shown
    assert parse(str(place)) == place
    with pytest.raises(PasswordError) as caught:
        parse(address, may_hold_password=False)
    assert (caught.value.message, caught.value.hint) == (
        "a password does not belong here: others can read it",
        "set PGPASSWORD, or PGPASSFILE for a file that holds it",
    )


def shown(text: str, *, may_hold_password: bool) -> str:
    """Everything that is ever shown of an address, or of why it is refused."""
    try:
        place = parse(text, may_hold_password=may_hold_password)
    except PlaceError as error:
        return f"{error.message} ({error.hint})"
    return f"{place} {place!r} {place.title}"


@pytest.mark.parametrize("password", ["a@Zq", "a/Zq", "a/Zq@b", "a@Zq/b", "a/b?Zq", "a]Zq"])
@pytest.mark.parametrize("may_hold_password", [True, False])
def test_a_password_that_is_not_spelt_out_is_taken_for_no_host(
    password: str, may_hold_password: bool
) -> None:
    """What libpq would look up by name, and tell the world, is refused without a word of it."""
    address = f"postgresql://ci:{password}@db/x"
    assert "Zq" not in shown(address, may_hold_password=may_hold_password)


@given(hostile, st.booleans())
def test_whatever_is_written_is_a_place_or_told(text: str, may_hold_password: bool) -> None:
    """Nothing else is raised, and a terminal can show it."""
    assert shown(f"postgresql://{text}", may_hold_password=may_hold_password).isprintable()


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("postgresql://ci@db.example.com/r?schema=team_a", "db.example.com/r, schema team_a"),
        ("postgres://h1,h2/r", "h1,h2/r, schema reconciler"),
        ("postgresql:///?service=prod&sslmode=require", "service prod, schema reconciler"),
        ("postgresql://", "the default server, schema reconciler"),
    ],
)
def test_a_sentence_names_the_database_and_no_more(text: str, title: str) -> None:
    """Who logs in, and how, is of no use there."""
    assert parse(text).title == f"of stack blue ({title})"


@pytest.mark.parametrize("schema", ["Team", "a-b", "pg_x", "", "x" * 64, 'a"b', "1a"])
def test_a_schema_needs_no_quotes(schema: str) -> None:
    """A DBA types it as it is written."""
    with pytest.raises(PlaceError, match="cannot be read"):
        parse(f"postgresql://db/r?schema={quote(schema)}")


@pytest.mark.parametrize("scheme", ["s3a", "https", "sqlite"])
def test_other_places_are_refused_by_name(scheme: str) -> None:
    """What is not known is never taken for a path."""
    with pytest.raises(PlaceError, match=f"a state cannot be kept at {scheme}://"):
        parse(f"{scheme}://x/y")


@pytest.mark.parametrize(
    "parameter", ["sslkeylogfile=/x", "passfile=/x", "require_auth=password", "options=-csome"]
)
def test_a_file_of_the_repository_says_little_of_a_connection(parameter: str) -> None:
    """What writes files, weakens the login or reads other files is for whoever runs it."""
    address = f"postgresql://db/r?sslmode=require&{parameter}"
    assert str(parse(address)) == address
    with pytest.raises(PlaceError, match="cannot be set in a file that a pull request can change"):
        parse_place(address, stack="blue", by_repository=True)
    place = parse_place("postgresql://db/r?sslmode=require", stack="blue", by_repository=True)
    assert isinstance(place, PostgresPlace)
    assert place.by_repository


BUCKETS = st.sampled_from(["team-states", "a.b.c", "x_y9"])
FOLDERS = st.lists(st.sampled_from(["a", "Team_1", "x.y", "9-z"]), max_size=3).map("/".join)


@given(st.sampled_from(["s3", "gs", "az"]), BUCKETS, FOLDERS, st.sampled_from(["", "eu-west-1"]))
def test_a_bucket_is_printed_as_it_can_be_read_again(
    scheme: str, bucket: str, folder: str, region: str
) -> None:
    """The stack is a folder below the address; a region is of Amazon alone."""
    assume(scheme == "s3" or not region)
    address = f"{scheme}://{bucket}{'/' if folder else ''}{folder}"
    place = parse(address + (f"?region={region}" if region else ""))
    assert place == ObjectPlace(scheme=scheme, bucket=bucket, prefix=folder, stack="blue")
    assert isinstance(place, ObjectPlace)
    assert (place.region, place.folder) == (region, f"{folder}/blue".lstrip("/"))
    assert parse(str(place)) == place
    assert place.title == f"of stack blue ({address})"


@given(PASSWORDS, st.sampled_from(["s3", "gs", "az"]), st.booleans())
def test_a_bucket_never_holds_credentials(password: str, scheme: str, in_front: bool) -> None:
    """Not even where a password of a database may stand: the cloud's tools read the environment."""
    encoded = quote(password, safe="")
    text = f"//id:{encoded}@states/x" if in_front else f"//states/x?aws_secret_access_key={encoded}"
    with pytest.raises(PasswordError) as caught:
        parse(f"{scheme}:{text}", may_hold_password=True)
    assert (caught.value.message, caught.value.hint) == (
        "a password does not belong here: others can read it",
        "set the credentials in the environment, as the cloud's own tools do",
    )


@pytest.mark.parametrize(
    "text",
    [
        *("s3://", "s3:///x", "s3://B/x", "s3://b/x", "s3://host:9000/x", "s3://a.b../../x"),
        *("s3://states/../other", "s3://states/a//b", "s3://states/ä", "s3://states/.hidden"),
        *("s3://states/x?endpoint=evil", "gs://states/x?region=eu", "s3://states?region=a.b/"),
        *("s3://states/x?region=eu&region=us", "az://acc#x/y"),
    ],
)
def test_what_leads_out_of_a_bucket_is_refused(text: str) -> None:
    """Names become a part of the server's address and of a path, and no address names a server."""
    with pytest.raises(PlaceError, match="the address of the state's bucket cannot be read"):
        parse(text)


@pytest.mark.parametrize("stack", ["a/b", "..", "a b", "ä"])
def test_a_stack_in_a_bucket_is_a_folder(stack: str) -> None:
    """It is refused where it could be another state's."""
    with pytest.raises(PlaceError, match="the stack is a folder in the bucket"):
        parse_place("s3://states/x", stack=stack)


@given(hostile, st.sampled_from(["s3", "gs", "az"]))
def test_whatever_is_written_of_a_bucket_is_a_place_or_told(text: str, scheme: str) -> None:
    """Nothing else is raised, and a terminal can show it."""
    assert shown(f"{scheme}://{text}", may_hold_password=True).isprintable()
