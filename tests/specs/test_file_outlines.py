from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core.gpus import CountedManifest, GpuRequest, count_gpus
from reconciler.resources import schema_text
from reconciler.specs.compose.to_desired import SpecContent
from reconciler.specs.config import Config, config_file, load_config
from reconciler.specs.discovery.files import SourceFile
from reconciler.specs.file_outlines import FileOutlines
from reconciler.specs.judged_tree import WORTH_COMPARING, TreeJudge
from reconciler.specs.judging import CandidateSpec
from reconciler.specs.opening import SpecOpener
from reconciler.specs.source.documents import Reading
from tests.specs.strategies import mutated
from tests.support.specs import Files, load, spec, told, write

SERVER = """\
# Owned by team 1
metadata:
  name: llm
  projectId: "4501"
  category: Train
manifest:
  apiVersion: apps/v1
  kind: Deployment
  metadata:
    name: llm
    labels: {app: llm, tier: "serving"}
  spec:
    selector:
      matchLabels:
        app: llm
    template:
      metadata:
        labels:
          app: "llm"
      spec:
        tolerations:
          - key: a
            value: "word"
            effect: NoSchedule
        containers:
          - name: main
            image: example.com/app:1 # the newest
            command: ["python", '-m', train]
            args:
              - "--seed=1"
              - run "this" and that
              - |
                # in a script
                echo "hello"
            env:
              - name: A
                value: "x: y #1 100%"
              - name: B
                value: word
              - {name: C, value: "1"}
            resources: {limits: {nvidia.com/gpu: 2}}
"""
JOB = """\
lifecycle: {protect: true}
manifest:
  apiVersion: batch/v1
  kind: Job
  spec:
    template:
      spec:
        restartPolicy: Never
        volumes:
          - name: "data"
            persistentVolumeClaim: {claimName: "data"}
        containers:
          - name: main
            image: "ubuntu"
            args: [--name=llm, llm, "", "x"]
            volumeMounts: [{name: "data", mountPath: "/data"}]
metadata:
  project: team-a
  name: "llm"
"""
ALIASED = """\
metadata:
  name: llm
  projectId: "4501"
manifest:
  apiVersion: v1
  kind: Pod
  metadata:
    name: llm
  spec:
    containers:
      - name: main
        image: "app:1"
        env: &env
          - name: A
            value: "x"
          - name: B
            value: word
      - name: other
        image: app:2
        env: *env
    restartPolicy: Never
"""
NAMES = st.sampled_from(
    [
        *("llm", "wl-1", "a", "e", "e5", "rue", "true", "no", "main", "app", "image", "word", "A"),
        *("data", "reconciler", "ignore", "on-prem", "metadata", "1a", "team-a", "a" * 31),
    ]
)
ODD = st.sampled_from(
    [
        *("", " ", "1", "1.5", "1e5", "017", "true", "~", "null", "2020-01-01", "a: b", "a #b"),
        *("a b", "é", "\\", "'", '"', "[x]", "*x", "&a b", "!!str x", "- x", "-", "--x", "%", "|"),
        *("x:", "${X}", "{{ .x }}", "%s", "\\u0041", "reconciler:ignore unknown-priority -- x"),
    ]
)
PIECE = re.compile(r'"[^"\n]*"|#.*|(?<=[:-] ).+|[\w./-]+')


@st.composite
def copies(draw: st.DrawFn) -> list[str]:
    """Texts that were one, right or damaged, before each was changed a little."""
    base = draw(st.sampled_from([SERVER, JOB, ALIASED]))
    if draw(st.booleans()):
        base = draw(mutated(st.just(base)))
    return [draw(changed(base)) for _ in range(4)]


@st.composite
def changed(draw: st.DrawFn, text: str) -> str:
    """The text with another name, and with something else in some places."""
    text = text.replace("llm", draw(NAMES))
    for _ in range(draw(st.integers(0, 3))):
        pieces = list(PIECE.finditer(text))
        if not pieces:
            return text
        piece, odd = draw(st.sampled_from(pieces)), draw(ODD | NAMES)
        form = "#{}" if piece[0].startswith("#") else draw(st.sampled_from(["{}", '"{}"']))
        text = text[: piece.start()] + form.format(odd) + text[piece.end() :]
    return text


class Counted:
    """Judges texts one after the other, and counts the outlines among those that are judged."""

    def __init__(self, root: Path, *, with_outlines: bool = True) -> None:
        config = load_config(config_file(root), root=root)
        self.opener = SpecOpener.of([], root, config)
        self.judge = TreeJudge(self.opener, config, keeps=True)
        self.outlines = 0
        if with_outlines:
            defaults = self.judge.repository.defaults
            self.judge.outlines = FileOutlines(defaults, self.compose, self.judge.judge, keeps=True)

    def compose(self, file: SourceFile, reading: Reading) -> Sequence[CandidateSpec]:
        """An outline as a spec."""
        self.outlines += 1
        return self.opener.compose(file, reading)

    def known(self, text: str, name: str = "a.yaml") -> Any:
        """All that is known of a file, as a process would write it to another.

        What was counted for others that are alike is what this one asks for, and is left out.
        """
        self.opener.given = {name: text.encode("utf-8", "surrogatepass")}
        judged = self.judge.judge_file(SourceFile(name, ""))
        for content in judged.contents:
            assert content is None or SpecContent.read(_through_json(content.written())) == content
            if content is not None and content.gpus is not None:
                assert content.gpus == count_gpus(json.loads(content.manifest))
        uncounted = [content and content._replace(gpus=None) for content in judged.contents]
        return _through_json(judged._replace(contents=uncounted).written())


def _through_json(value: Any) -> Any:
    return json.loads(json.dumps(value))


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    """A repository with defaults in one folder, and none in the others."""
    defaults = "metadata: {category: Build}\nmanifest: {metadata: {annotations: {owner: word}}}\n"
    with tempfile.TemporaryDirectory() as folder:
        yield write(Path(folder), {"defaults/_defaults.yaml": defaults})


@settings(max_examples=300)
@given(texts=copies(), folder=st.sampled_from(["", "other/", "defaults/"]))
def test_outlines_change_nothing(texts: list[str], folder: str, root: Path) -> None:
    """Of each file the same is known as without a look at others: findings, facts, contents."""
    alone, compared = Counted(root, with_outlines=False), Counted(root)
    for number, text in enumerate(texts):
        name = f"{folder}{number}.yaml"
        assert compared.known(text, name) == alone.known(text, name)


def test_texts_that_no_check_looks_at(root: Path) -> None:
    """Files that differ in nothing else are judged once, whatever the texts are."""
    compared, alone = Counted(root), Counted(root, with_outlines=False)
    for name in ("llm", "another-workload", "on-prem"):
        text = SERVER.replace("llm", name)
        for old, new in (
            ("# Owned by team 1", f'# {name}: {{{{ a }}}} "b"'),
            ("# the newest", "# für alle"),
            ('"4501"', '"0c7bc3a4-1f2e-4b5d-9c8e-7a6f5e4d3c2b"'),
            ("example.com/app:1", f"nvcr.io/{name}@sha256:0"),
            ('"python"', f'"{name}, ]"'),
            ('"--seed=1"', '"a: b #c"'),
            ('"x: y #1 100%"', '"%s é😀"'),
            (": word\n", f": {name}\n"),
            ('"1"', '"true"'),
        ):
            text = text.replace(old, new)
        for each in (SERVER, text):
            assert compared.known(each) == alone.known(each)
    assert compared.outlines == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("category: Train", "category: Build"),
        ('"serving"', '"batch"'),
        ('value: "word"', 'value: "a"'),
        ("effect: NoSchedule", "effect: NoExecute"),
        ('- "--seed=1"', "- 1"),
        ('- "--seed=1"', '- ""'),
        ('"this"', '"that"'),
        ("# in a script", "# in another"),
        ("value: word", "value: 2"),
        ("value: word", "value: null"),
        ("value: word", 'value: ""'),
        ("value: word", "value: # nothing"),
        ("name: B", "name: D"),
        ("example.com/app:1", '"example.com/app 1"'),
        ('app: "llm"', 'app: "llm-2"'),
    ],
)
def test_whatever_else_differs_is_another_outline(old: str, new: str, root: Path) -> None:
    """What a check looks at, or may say something of, is judged in each text."""
    compared, alone = Counted(root), Counted(root, with_outlines=False)
    other = SERVER.replace(old, new)
    assert other != SERVER
    for each in (SERVER, other):
        assert compared.known(each) == alone.known(each)
    assert compared.outlines == 2


@pytest.mark.parametrize(
    ("old", "new"),
    [
        # Not a text at all, or no longer one where another name stands in it.
        ("llm", "true"),
        ("llm", "e5"),
        # What defaults say, and what suppresses a finding.
        ("llm", "word"),
        ("# Owned by team 1", "# reconciler:ignore unknown-priority -- unused"),
        # Others read it, or nobody can.
        ("# Owned by team 1", "# \u2028"),
        ("# Owned by team 1", "\ufeff# a"),
        ("# Owned by team 1", "--- # a"),
        ('"4501"', '"45 01"'),
        ("llm", "a" * 31),
    ],
)
def test_such_a_text_is_never_taken_for_a_known_one(old: str, new: str, root: Path) -> None:
    """It is judged by itself, also behind one with which it has all but that in common."""
    compared, alone = Counted(root), Counted(root, with_outlines=False)
    number = SERVER.replace("effect: NoSchedule", "tolerationSeconds: 1e5")
    for text in (SERVER, number):
        for each in (text, text.replace(old, new)):
            name = "defaults/a.yaml"
            assert compared.known(each, name) == alone.known(each, name)


def test_the_first_name_may_be_another_one(root: Path) -> None:
    """A label called `name` is no name of a workload whose own is too long to be compared."""
    compared, alone = Counted(root), Counted(root, with_outlines=False)
    labels = SERVER.replace('{app: llm, tier: "serving"}', "\n      name: short")
    text = labels.replace("llm", "a" * 31)
    for label in ("short", "other"):
        each = text.replace("short", label)
        assert compared.known(each) == alone.known(each)
    assert "a" * 31 in alone.known(text)[0][1]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("metadata:\n  name: llm\n  p", "metadata: # name: old\n  name: llm\n  p"),
        ("metadata:\n  name: llm\n  p", "metadata:\n  # name: old\n  name: llm\n  p"),
        ("metadata:\n  name: llm\n  p", "metadata:\n  name: 'llm' # not name: old\n  p"),
    ],
)
def test_a_comment_gives_no_name(old: str, new: str, root: Path) -> None:
    """The address is that of the spec, whatever is said beside it."""
    compared, alone = Counted(root), Counted(root, with_outlines=False)
    for name in ("llm", "another"):
        text = SERVER.replace(old, new).replace("llm", name)
        assert text != SERVER.replace("llm", name)
        assert compared.known(text) == alone.known(text)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        # What was free behind this line is looked at here, and the other way round.
        ("        tolerations:\n", '        tolerations:\n          - "--seed=1"\n'),
        ('              - "--seed=1"\n', '              - "serving"\n              - "--seed=1"\n'),
        ("effect: NoSchedule", 'effect: "NoSchedule"\n            # in a script'),
        (
            "                # in a script\n",
            '                # in a script\n                # "x"\n',
        ),
        # The id of the project stands behind this line in the metadata alone.
        ("            env:\n", '            projectId: "4501"\n            env:\n'),
        ('  projectId: "4501"\n', '  project: "alpha"\n'),
        ("category: Train", 'category: Train\nlifecycle:\n  projectId: "4501"'),
        ("category: Train", "category: Trian"),
    ],
)
def test_a_line_may_mean_something_else_in_another_place(old: str, new: str, root: Path) -> None:
    """What slots behind such lines were in one frame decides nothing about those of another."""
    other = SERVER.replace(old, new)
    assert other != SERVER
    for texts in ((SERVER, other), (other, SERVER)):
        compared, alone = Counted(root), Counted(root, with_outlines=False)
        for text in texts:
            for each in (text, text.replace("llm", "b").replace('"4501"', '"77"')):
                assert compared.known(each) == alone.known(each)


def test_files_that_are_not_alike_are_no_longer_compared(root: Path) -> None:
    """Where each has an outline of its own with something to find, a look at it spares nothing."""
    compared = Counted(root)
    for number in range(400):
        compared.known(SERVER.replace("category: Train", f"category: {number}"))
    assert compared.outlines == 301


def test_an_outline_that_one_file_has_spares_nothing(root: Path) -> None:
    """Files that are right, each in its own way, are no longer compared either."""
    compared = Counted(root)
    for number in range(400):
        compared.known(SERVER.replace('tier: "serving"', f"tier: t{number}"))
    assert compared.outlines == 301


def test_a_short_name_makes_no_long_outline(root: Path) -> None:
    """What stands for it takes thirty times as much memory."""
    compared, alone = Counted(root), Counted(root, with_outlines=False)
    text = SERVER.replace("llm", "a").replace('run "this"', "a" * 400)
    assert compared.known(text) == alone.known(text)
    assert compared.outlines == 0


@pytest.mark.parametrize(
    "files",
    [
        {"_patches.yaml": "match: {name: a}\nset: {/metadata/priority: high}\n"},
        {"reconciler.yaml": "crds: schemas\n"},
        {
            "reconciler.yaml": "schemas: schemas\n",
            "schemas/spec.schema.json": schema_text("spec"),
            "schemas/defaults.schema.json": schema_text("defaults"),
        },
        {"reconciler.yaml": "policies: [p.json]\n", "p.json": '{"required": ["lifecycle"]}'},
    ],
)
def test_others_may_ask_more_of_a_text(files: Files, tmp_path: Path) -> None:
    """Where patches, policies and schemas of a repository have a say, every file is judged."""
    specs = {f"{number}.yaml": spec(f"w{number}") for number in range(WORTH_COMPARING)}
    write(tmp_path, specs)
    assert TreeJudge(SpecOpener.of([], tmp_path, Config()), Config()).outlines is not None
    write(tmp_path, files)
    config = load_config(config_file(tmp_path), root=tmp_path)
    assert TreeJudge(SpecOpener.of([], tmp_path, config), config).outlines is None


def test_a_tree_of_copies_is_loaded_as_it_is_written(tmp_path: Path) -> None:
    """Each has its own address, content and place, and a mistake in one is told where it is."""
    files = {f"{n:03}.yaml": SERVER.replace("llm", f"w{n}") for n in range(WORTH_COMPARING)}
    files["050.yaml"] = SERVER.replace("category: Train", "category: Trian")
    files["051.yaml"] = "# one\n# line more\n" + files["051.yaml"].replace("app:1", "app:2")
    loaded = load(tmp_path, files)
    assert told(loaded) == [
        (
            "050.yaml:5:13-5:18 warning unknown-category: not every server has the category"
            " 'Trian' | did you mean 'Train'?"
        )
    ]
    assert len(loaded.desired) == WORTH_COMPARING
    w51 = next(each for each in loaded.desired if each.address.name == "w51")
    assert str(w51.source) == "051.yaml:4:1"
    assert w51.metadata == {"name": "w51", "projectId": "4501", "category": "Train"}
    assert isinstance(w51.manifest, CountedManifest)
    assert count_gpus(w51.manifest).gpus == 2
    container = w51.manifest["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == "example.com/app:2"
    assert container["args"][2] == '# in a script\necho "hello"\n'
    assert str(loaded.locate(w51.address, "/manifest/spec/template")) == "051.yaml:19:7"


def test_what_aliases_repeat_may_be_too_large(root: Path) -> None:
    """A text of one file is no longer than the file, but stands two hundred times in its object."""
    containers = "".join(
        f"            - name: c{number}\n              image: x\n"
        f"              args: {'*a' if number else text}\n              command: *a\n"
        for number, text in enumerate(['&a\n              - "{arg}"', *[""] * 13])
    )
    jobs = "".join(f"  - name: g{number}\n    template: *t\n" for number in range(1, 8))
    text = f"""\
metadata:
  name: llm
  projectId: "4501"
manifest:
 apiVersion: jobset.x-k8s.io/v1alpha2
 kind: JobSet
 metadata:
  name: llm
 spec:
  replicatedJobs:
  - name: g0
    template: &t
      spec:
        template:
          spec:
            restartPolicy: Never
            containers:
{containers}{jobs}  suspend: false
"""
    alone, compared = Counted(root, with_outlines=False), Counted(root)
    for length in (5, 7300):
        long = text.format(arg="x" * length)
        assert compared.known(long) == alone.known(long)
    assert "object-too-large" in json.dumps(compared.known(long))


def test_a_file_that_is_judged_by_itself_declares_what_it_did(root: Path) -> None:
    """Whether its GPUs were counted with others that are alike says nothing of its content."""
    by_itself, compared = Counted(root, with_outlines=False).judge, Counted(root).judge
    contents = []
    for judge in (by_itself, compared):
        judge.opener.given = {"a.yaml": SERVER.encode()}
        (content,) = judge.judge_file(SourceFile("a.yaml", "")).contents
        assert content is not None
        contents.append(content)
    alone, counted = contents
    assert (alone.gpus, counted.gpus) == (None, GpuRequest(gpus=2.0))
    assert counted.declares_same(alone)
    assert not counted.declares_same(alone._replace(encoded=True))


def test_no_author_can_know_what_stands_for_a_text() -> None:
    """Written in a file, it would be taken for a name that is looked at nowhere."""
    code = "from reconciler.specs import file_outlines as m; print(m._NAME, m._PROJECT, m._MARK)"
    drawn = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    }
    assert len(drawn) == 2
    assert {tuple(map(len, marks.split())) for marks in drawn} == {(30, 36, 27)}
