"""Files that differ from one that was judged only in texts that no check looks at.

A text is taken apart into slots, for names, images, arguments and the like, and the frame around
them. What is judged is its outline, with marks in the slots: where these get to says whether a
check looks at them. A file with a known outline is neither parsed nor judged.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any, NamedTuple

from reconciler.core.model import Address
from reconciler.core.stored_json import encode
from reconciler.specs.compose.composed_spec import INLINE
from reconciler.specs.compose.defaults import Defaults
from reconciler.specs.compose.to_desired import SpecContent
from reconciler.specs.discovery.files import SourceFile
from reconciler.specs.judging import CandidateSpec, SpecJudge
from reconciler.specs.kubernetes.outlines import IMAGE, ORDINARY_NAME, Outlines
from reconciler.specs.rules.check_context import FoundError, TrialContext
from reconciler.specs.rules.suppressions import MARK
from reconciler.specs.source.documents import Reading
from reconciler.specs.source.fileaccess import ReadFailure
from reconciler.specs.source.linereader import is_printable, read_lines
from reconciler.specs.source.source_text import SourceText
from reconciler.specs.verdicts import NO_FINDINGS, FileVerdict, SpecFacts

# Longer files, and more outlines, take more memory and time than they spare. Within these bounds
# no object is as large as Kubernetes may store, whatever its slots hold.
_LONGEST, _LONGEST_DEFAULTS, _MOST = 10_000, 100_000, 1_000
# What an alias repeats more often than this might make such an object of a short file.
_REPEATED = 100
# So many files show whether those of a repository are alike, and so many wrong guesses that slots
# behind the same lines are not the same.
_TRIED, _WRONG = 300, 20

# What begins with a letter is text to both versions of YAML, but for these words.
_TEXT = r'(?!(?i:true|false|null|yes|no|on|off|y|n)(?:["\s]|\Z))'
_END = r"(?=[ ]*$|[ ]+\#)"
_PLAIN = rf"{_TEXT}[A-Za-z][A-Za-z0-9._/@-]*(?::[A-Za-z0-9._/@-]+)*"
# Texts in quotes, words in two fields, and comments. Each begins with a character that is rare, and
# looks back behind that: to look back in front of it would take several times as long.
_SLOT = re.compile(
    rf"""
    (   "[^"\\\n]+"
    |   g(?<=[ ]imag)e:[ ](?:"{IMAGE}"|{_PLAIN}){_END}
    |   v(?<=[ ]v)alue:[ ]{_PLAIN}{_END}
    |   \#(?<!\S\#).*
    )""",
    re.VERBOSE | re.MULTILINE,
)
# The first name in the metadata is taken for that of the workload; its outline says if it is.
_NAME_LINE = re.compile(rf'^ +name: "?({_TEXT}{ORDINARY_NAME})"?$', re.MULTILINE)
_PROJECT_ID = re.compile(r'"[A-Za-z0-9-]{1,36}"')

# What stands for a name, for the id of a project and, with a number, for what a slot holds. Drawn
# anew by each process, so that no author can write them. The first two take whatever they stand
# for, which is not longer. A text in quotes may hold blanks, and so does its mark.
_NAME, _PROJECT = f"w-{os.urandom(14).hex()}", f"w-{os.urandom(17).hex()}"
_MARK = f"w-{os.urandom(12).hex()}-"
# The number of a mark, wherever it is; and of one that is a text by itself, with its blank.
_ANYWHERE, _ALONE = rf"{_MARK}(\d+\.)", rf'"{_MARK}(\d+\. ?)"'


class _Frame(NamedTuple):
    """A frame, with the kind of each slot in front, and what its slots are.

    `outlines` are known by what the `fixed` slots hold, and are None where there is something to
    find. `project` is the slot of the project's id.
    """

    text: str
    fixed: Sequence[int]
    project: int | None
    outlines: dict[tuple[str, ...], _Outline | None]

    def held_by(self, slots: Sequence[str], name: str) -> tuple[str, ...]:
        """What the fixed slots of a workload of this name hold."""
        held = [slots[number] for number in self.fixed]
        return tuple([s.replace(name, _NAME) if _inside(s) == name else s for s in held])


class _Outline(NamedTuple):
    """What is known of all files with an outline in which there is nothing to find.

    The manifest of its content has a `%s` for what each of the `filled` slots holds.
    """

    facts: SpecFacts
    content: SpecContent | None
    filled: Sequence[int]

    def facts_of(self, file: str, name: str, project: str | None) -> SpecFacts:
        """The facts of one of these files."""
        return self.facts._replace(
            file=file,
            name=name,
            object_name=name,
            project=self.facts.project if project is None else project,
        )

    def contents_of(self, facts: SpecFacts, slots: Sequence[str]) -> Sequence[SpecContent]:
        """The content of the spec in one of these files, if contents are kept."""
        if self.content is None:
            return ()
        metadata = self.content.metadata.replace(_NAME, facts.name)
        # What a slot holds has neither quotes nor backslashes: most are JSON as they are.
        texts = [slots[number] for number in self.filled]
        texts = [
            text if text[0] == '"' and text.isascii() else encode(_inside(text)) for text in texts
        ]
        manifest = self.content.manifest % tuple(texts)
        content = self.content._replace(
            metadata=metadata.replace(_PROJECT, facts.project),
            manifest=manifest.replace(_NAME, facts.name),
        )
        return (content,)


class _Frames(NamedTuple):
    """The frames of the files that the same `defaults` reach; None for one that others read."""

    defaults: str
    frames: dict[str, _Frame | None]


class FileOutlines:
    """The outlines of a run, which composes and judges specs like this. `keeps` as `TreeJudge`."""

    def __init__(
        self,
        defaults: Defaults,
        compose: Callable[[SourceFile, Reading], Sequence[CandidateSpec]],
        judge: SpecJudge,
        *,
        keeps: bool,
    ) -> None:
        self._defaults = defaults
        self._compose = compose
        self._judge = replace(judge, context=TrialContext)
        self._outlines = judge.objects.outlines or Outlines()
        self._keeps = keeps
        self._by_chain: dict[int, _Frames] = {}
        self._by_folder: dict[str, _Frames] = {}
        self._known, self._unknown, self._count = 0, 0, 0
        # By the line in front of a slot: whether it was the project's id; what a fixed one held.
        self._is_project: dict[str, bool] = {}
        self._fixed: set[tuple[str, str]] = set()
        self._wrong = 0

    @property
    def are_common(self) -> bool:
        """Whether most files that were asked about so far have a known outline."""
        return self._known > self._unknown

    def find(
        self, file: SourceFile, data: bytes | ReadFailure
    ) -> tuple[FileVerdict, Sequence[SpecContent]] | None:
        """What is known of a file, and the content of its spec; None where it has to be judged."""
        if isinstance(data, ReadFailure) or len(data) > _LONGEST or file.name.endswith(".json"):
            return None
        if self._unknown > self._known + _TRIED:
            return None
        try:
            text = data.decode()
        except UnicodeDecodeError:
            return None
        count = self._count
        found = self._find(file, text) if is_printable(text) else None
        # An outline that this file has brought spares nothing yet.
        if found is None or self._count > count:
            self._unknown += 1
        else:
            self._known += 1
        return found

    def _find(
        self, file: SourceFile, text: str
    ) -> tuple[FileVerdict, Sequence[SpecContent]] | None:
        frames = self._frames_of(file.name.rpartition("/")[0])
        written = _NAME_LINE.search(text, max(0, text.find("\nmetadata:")))
        # A check may compare a name with what defaults say.
        if written is None or MARK in text or f'"{written[1]}"' in frames.defaults:
            return None
        name, parts = written[1], _SLOT.split(text)
        slots = parts[1::2]
        kinds = "".join([slot[0] for slot in slots])
        around = f"{kinds}\0" + "\0".join(parts[::2]).replace(name, _NAME)
        frame = frames.frames.get(around) or self._add_frame(file, frames, around, name, slots)
        if frame is None:
            return None
        fixed = frame.held_by(slots, name)
        outline = frame.outlines.get(fixed) or self._add_outline(file, frame, fixed)
        project = None if frame.project is None else slots[frame.project]
        if outline is None or (project and not _PROJECT_ID.fullmatch(project)):
            return None
        facts = outline.facts_of(file.name, name, project and _inside(project))
        verdict = FileVerdict(facts=[facts], findings=[NO_FINDINGS])
        return verdict, outline.contents_of(facts, slots)

    def _frames_of(self, folder: str) -> _Frames:
        frames = self._by_folder.get(folder)
        if frames is None:
            # The defaults keep their chains, so that no other one gets its number.
            chain = self._defaults.reaching(folder)
            if id(chain) not in self._by_chain:
                self._by_chain[id(chain)] = _Frames(encode(chain.value), {})
            frames = self._by_folder[folder] = self._by_chain[id(chain)]
        return frames

    def _may_add(self) -> bool:
        self._count += 1
        return self._count <= _MOST

    def _add_frame(
        self, file: SourceFile, frames: _Frames, around: str, name: str, slots: Sequence[str]
    ) -> _Frame | None:
        """Find out what the slots of a frame are, by a text with a mark in each of them."""
        # Where a name of one letter was, what stands for it makes a long text of a short one.
        is_long = len(frames.defaults) > _LONGEST_DEFAULTS or len(around) > _LONGEST
        if is_long or around in frames.frames or not self._may_add():
            return None
        guess = self._guess_frame(around, slots)
        if guess is not None and self._add_outline(file, guess, guess.held_by(slots, name)):
            frames.frames[around] = guess
            return guess
        marks = _marks_for(around)
        document = read_lines(SourceText(file="", text=_assemble(around, marks)))
        frame = None
        if document is not None:
            places = _Places(document.value, self._outlines)
            fixed = [number for number, mark in enumerate(marks) if not places.is_free(mark)]
            project = next((n for n in fixed if places.project == _inside(marks[n])), None)
            frame = _Frame(around, [n for n in fixed if n != project], project, {})
            self._note_slots(frame, slots)
        if frame and guess and frame[:3] == guess[:3]:
            # There is something to find in the file.
            frame = guess
        elif guess:
            self._wrong += 1
        frames.frames[around] = frame
        return frame

    def _note_slots(self, frame: _Frame, slots: Sequence[str]) -> None:
        """Keep what the slots of a frame are, by the lines in front of them."""
        for number, line in enumerate(_lines_before_slots(frame.text)):
            if number in frame.fixed:
                self._fixed.add((line, slots[number]))
            else:
                self._is_project[line] = number == frame.project

    def _guess_frame(self, around: str, slots: Sequence[str]) -> _Frame | None:
        """A frame whose slots are what they were behind the same lines; judging it shows if so."""
        # A slot counts as fixed only where it holds what one has held: a frame with too many of
        # these would have an outline for each file.
        fixed, projects = [], []
        for number, line in enumerate(_lines_before_slots(around)):
            if (line, slots[number]) in self._fixed:
                fixed.append(number)
            elif line not in self._is_project:
                return None
            elif self._is_project[line]:
                projects.append(number)
        if len(projects) > 1 or self._wrong > _WRONG:
            return None
        return _Frame(around, fixed, projects[0] if projects else None, {})

    def _add_outline(
        self, file: SourceFile, frame: _Frame, fixed: tuple[str, ...]
    ) -> _Outline | None:
        """Judge the outline of the texts with a frame whose fixed slots hold the same."""
        if fixed in frame.outlines or not self._may_add():
            return None
        slots = _marks_for(frame.text)
        marks = dict(enumerate(slots))
        for number, text in zip(frame.fixed, fixed, strict=True):
            slots[number] = text
            del marks[number]
        if frame.project is not None:
            slots[frame.project] = f'"{_PROJECT}"'
            del marks[frame.project]
        outline = self._judge_outline(file, _assemble(frame.text, slots), marks)
        frame.outlines[fixed] = outline
        return outline

    def _judge_outline(
        self, file: SourceFile, text: str, marks: Mapping[int, str]
    ) -> _Outline | None:
        """What is known of a text with marks; None where there is something to find."""
        document = read_lines(SourceText(file=file.name, text=text))
        if document is None:
            return None
        (candidate,) = self._compose(file, Reading(documents=(document,)))
        try:
            facts, findings = self._judge.judge(candidate)
        except FoundError:
            return None
        spec = candidate.spec
        if not (spec and facts and facts.is_sound) or findings != NO_FINDINGS:
            return None
        # What stands in another file, or in base64, is not where the marks are.
        if facts.manifest or spec.encoded:
            return None
        # The name may be that of something else, such as a label of this name; so may the project.
        if not facts.name == facts.object_name == _NAME:
            return None
        if _PROJECT in text and facts.project != _PROJECT:
            return None
        places = _Places(spec.value, self._outlines)
        if not (places.are_own and all(map(places.is_free, marks.values()))):
            return None
        if not self._keeps:
            return _Outline(facts, None, ())
        # Only a plan pays for loading it.
        from reconciler.core.gpus import count_gpus

        content = SpecContent.of(spec, Address(project=facts.project, name=facts.name))
        # A text may stand in several places, where an alias repeats what it is in.
        manifest = content.manifest.replace("%", "%%")
        filled = [int(number.rstrip(". ")) for number in re.findall(_ALONE, manifest)]
        manifest = re.sub(_ALONE, "%s", manifest)
        gpus = count_gpus(spec.value[INLINE])
        return _Outline(facts, content._replace(manifest=manifest, gpus=gpus), filled)


class _Places:
    """Where marks have got to in the value of an outline."""

    def __init__(self, value: dict[str, Any], outlines: Outlines) -> None:
        self._whole = encode(value)
        others = dict(value)
        manifest, metadata = others.pop(INLINE, None), others.get("metadata")
        self.project: Any = None
        if isinstance(metadata, dict):
            self.project = metadata.get("projectId")
            others["metadata"] = {
                field: part
                for field, part in metadata.items()
                if (field, part) not in (("name", _NAME), ("projectId", _PROJECT))
            }
        outline = outlines.write(_NAME, manifest) if isinstance(manifest, dict) else ""
        # What has no outline is looked at as a whole.
        self._looked_at = encode(others) + (outline or self._whole)
        self._present = {*re.findall(_ANYWHERE, self._whole)}
        self._alone = Counter(re.findall(_ALONE, self._whole))
        self._seen = {*re.findall(_ANYWHERE, self._looked_at)}

    @property
    def are_own(self) -> bool:
        """Whether no check looks at the name and the project's id but as such.

        As a part of a word, a name might make a number or a boolean of the whole.
        """
        is_whole = self._whole.count(f'"{_NAME}"') == self._whole.count(_NAME)
        return is_whole and not (_NAME in self._looked_at or _PROJECT in self._looked_at)

    def is_free(self, mark: str) -> bool:
        """Whether no check looks at what a slot holds, by the mark in it.

        A comment is no part of the value. A text in the value is one by itself there: what stands
        in a longer one might end that.
        """
        number = mark.rpartition("-")[2].rstrip('"')
        if mark[0] == "#":
            return number not in self._present
        return 0 < self._alone[number] <= _REPEATED and number.rstrip() not in self._seen


def _marks_for(around: str) -> list[str]:
    """A mark for each slot of a frame, of its kind."""
    word = f": {_MARK}%d."
    marks = {"#": f"#{_MARK}%d.", '"': f'"{_MARK}%d. "', "g": f"ge{word}", "v": f"value{word}"}
    return [marks[kind] % number for number, kind in enumerate(around.partition("\0")[0])]


def _inside(slot: str) -> str:
    """The text that a slot holds, where that is no comment."""
    return slot[1:-1] if slot[0] == '"' else slot.partition(" ")[2].strip('"')


def _lines_before_slots(around: str) -> Iterator[str]:
    """What stands in front of each slot in its line, other slots left out."""
    line = ""
    for piece in around.split("\0")[1:-1]:
        _, is_new, begun = piece.rpartition("\n")
        line = begun.lstrip(" ") if is_new else line + piece
        yield line


def _assemble(around: str, slots: Sequence[str]) -> str:
    """The text with a frame, and something in its slots."""
    _, *pieces = around.split("\0")
    return "".join(chain.from_iterable(zip(pieces, [*slots, ""], strict=True)))
