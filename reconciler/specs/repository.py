"""What holds for every spec of a repository: its rules, its defaults, its patches, its files."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from reconciler.core.diagnostics import Diagnostic
from reconciler.errors import Where
from reconciler.specs.compose.defaults import Defaults
from reconciler.specs.compose.patches import Patches
from reconciler.specs.config import Config, name_below
from reconciler.specs.discovery.files import CONFIG_FILE
from reconciler.specs.discovery.ignoring import IGNORE_FILE
from reconciler.specs.discovery.spec_files import DiscoveredFiles, discover_files
from reconciler.specs.judging import SpecComposer, SpecJudge
from reconciler.specs.kubernetes.imported_kinds import load_object_schemas
from reconciler.specs.kubernetes.object_schemas import ObjectSchemas
from reconciler.specs.rules.codes import make_diagnostic
from reconciler.specs.rules.suppressions import Suppressions
from reconciler.specs.schema.imported_schemas import imported_files, load_schemas
from reconciler.specs.schema.policies import Policy, load_policies
from reconciler.specs.schema.policychecks import PolicyChecks
from reconciler.specs.schema.spec_schemas import SpecSchemas
from reconciler.specs.source.source_cache import SourceCache

# So many files that are no specs are enough to know that this is no repository of them.
MOST_FOREIGN = 50


class Repository(NamedTuple):
    """All of a repository but its specs; `diagnostics` are about the rules, defaults and files."""

    root: Path
    config: Config
    policies: Sequence[Policy]
    schemas: SpecSchemas
    objects: ObjectSchemas
    discovered: DiscoveredFiles
    sources: SourceCache
    defaults: Defaults
    patches: Patches
    diagnostics: list[Diagnostic]

    @classmethod
    def of(cls, paths: Sequence[Path], root: Path, config: Config) -> Repository:
        """Find the files of a repository, and read what holds for all of them."""
        diagnostics = list(config.diagnostics)
        policies = load_policies(config, root, diagnostics)
        schemas = load_schemas(config, root, diagnostics)
        objects = load_object_schemas(config, root, diagnostics)
        discovered = discover_files(paths, root, config)
        sources = SourceCache(root)
        defaults = Defaults(discovered.tree.defaults, sources, schemas, discovered.included)
        patches = Patches(discovered.tree.patches, sources)
        diagnostics += defaults.diagnostics
        return cls(
            root=root,
            config=config,
            policies=policies,
            schemas=schemas,
            objects=objects,
            discovered=discovered,
            sources=sources,
            defaults=defaults,
            patches=patches,
            diagnostics=diagnostics,
        )

    @property
    def rules(self) -> frozenset[str]:
        """The names of the files that every spec is checked by."""
        rules = {policy.file for policy in self.policies}
        if self.config.path is not None:
            rules.add(name_below(self.config.path, self.root))
        rules.update(name_below(Path(real), self.root) for real in imported_files(self.config))
        # A patch that was taken out of its file has a part in specs that no longer know of it.
        rules.update(file.name for file in self.discovered.tree.patches)
        rules.update(f"{folder}/{IGNORE_FILE}" for folder in self.discovered.included)
        return frozenset(rules)

    @property
    def is_plain(self) -> bool:
        """Whether nobody but this program, and defaults, has a say in what a spec holds."""
        return not (self.policies or len(self.patches) or self.schemas.imported) and (
            self.objects.outlines is not None
        )

    @property
    def unused_patches(self) -> Sequence[Diagnostic]:
        """The patches that match no spec, where there are specs at all."""
        return tuple(self.patches.unused()) if self.discovered.tree.specs else ()

    def composer(self) -> SpecComposer:
        """What makes specs of the documents of files."""
        return SpecComposer(
            config=self.config, sources=self.sources, defaults=self.defaults, patches=self.patches
        )

    def judge(self, config: Config) -> SpecJudge:
        """What checks each spec by itself, by a configuration with what names of projects mean."""
        suppressions = Suppressions(configured=config.suppressions)
        return SpecJudge(
            config=config,
            schemas=self.schemas,
            objects=self.objects,
            patches=self.patches,
            suppressions=suppressions,
            policy_checks=PolicyChecks(policies=self.policies, suppressions=suppressions),
        )

    def without_configuration(self) -> Diagnostic:
        """Say once what thousands of findings in other people's files would say.

        What was found so far is not said: it is about these files.
        """
        tree = self.discovered.tree
        nested = (one.where.file for one in tree.diagnostics if one.code == "nested-config")
        below = next((posixpath.dirname(file) for file in nested), "")
        tree.diagnostics.clear()
        message = (
            f"no {CONFIG_FILE} here or above, and more than {MOST_FOREIGN} files that are no specs"
        )
        hint = f"did you mean {below}/?" if below else "give the folder that holds the specs"
        return make_diagnostic("no-configuration", message, Where(file="."), hint=hint)
