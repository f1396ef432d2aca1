"""The stories of the corpus: what a user, a pipeline and a bad day do to a small repository."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable

from tests.corpus.stage import Stage

Story = Callable[[Stage], None]

# A server that only deletes and creates, as most of these stories are about that.
CONFIG = """\
    api_version: "2.23"
    stack: blue
    projects:
      team-a: "4501"
      team-b: "4502"
"""
SERVICE = """\
    metadata:
      name: {name}
      projectId: "4501"
    manifest:
      apiVersion: apps/v1
      kind: Deployment
      spec:
        replicas: 1
        selector: {{matchLabels: {{app: {name}}}}}
        template:
          metadata: {{labels: {{app: {name}}}}}
          spec:
            containers:
              - name: main
                image: registry.example/server:1
                resources: {{limits: {{nvidia.com/gpu: 2}}}}
"""
JOB = """\
    metadata: {{name: {name}, project: team-b}}
    manifest:
      apiVersion: batch/v1
      kind: Job
      spec:
        template:
          spec:
            restartPolicy: Never
            containers: [{{name: main, image: registry.example/train:1}}]
"""
APPLY = "apply . --yes"


def write_fleet(stage: Stage, *names: str) -> None:
    """A repository with services of these names, two GPUs each."""
    stage.write(
        {"reconciler.yaml": CONFIG} | {f"{name}.yaml": SERVICE.format(name=name) for name in names}
    )


def invalid_specs(stage: Stage) -> None:
    """Errors of many kinds in every format, and what a plan and an apply say about them."""
    stage.write(
        {
            "reconciler.yaml": CONFIG,
            "good.yaml": SERVICE.format(name="good"),
            "again.yaml": SERVICE.format(name="good"),
            "typed.yaml": """\
                metadata: {name: Not_A_Name, projectId: 4501, priorty: high}
                manifest: {apiVersion: example.com/v1, kind: Trainer}
            """,
            "pods.yaml": """\
                metadata: {name: pods, project: Team-C}
                manifest:
                  apiVersion: apps/v1
                  kind: Deployment
                  spec:
                    replicas: -1
                    selector: {matchLabels: {app: pods}}
                    template:
                      metadata: {labels: {app: other}}
                      spec:
                        containers:
                          - name: main
                            image: "{{ .Values.image }}"
                            env: [{name: A, value: 1}, {name: A, value: "2"}]
                            resources: {limits: {nvidia.com/gpu: 1.5}}
                            ports: [{containerPort: 99999}]
            """,
            "torn.yaml": "metadata: {name: torn\nmanifest: [\n",
            "torn.json": '{"metadata": {"name": "torn"},}\n',
            "lost.yaml": """\
                metadata: {name: lost, projectId: "4501"}
                manifestFile: gone.yaml
            """,
        }
    )
    stage.run("validate .")
    for form in ("json", "github", "sarif", "junit", "gitlab"):
        stage.run(f"validate . -o {form}")
    stage.run("validate . --max-errors 2 -q")
    stage.run("validate pods.yaml -v --fail-on warning")
    stage.run("plan .")
    stage.run("plan . -o markdown")
    stage.run("apply . --yes --init -o github")
    stage.run("render .")


def valid_specs(stage: Stage) -> None:
    """What is said about specs that are right, and what they become with their defaults."""
    write_fleet(stage, "llm")
    stage.write(
        {
            "_defaults.yaml": """\
                metadata: {priority: high}
                lifecycle: {onChange: hold, wave: 2}
            """,
            "job.yaml": JOB.format(name="train"),
        }
    )
    stage.run("validate .")
    stage.run("validate . -v")
    for form in ("json", "github", "sarif", "junit", "gitlab"):
        stage.run(f"validate . -o {form}")
    stage.run("render .")
    stage.run("render job.yaml -o json")


def first_apply(stage: Stage) -> None:
    """From nothing to two workloads, in every form of a plan and of an apply."""
    write_fleet(stage, "llm", "web")
    stage.run("plan .")
    stage.run("apply . --yes")
    for form in ("json", "markdown", "html", "github", "gitlab", "gitlab-plan"):
        stage.run(f"plan . -o {form}")
    files = " ".join(f"-o {form}=_out.{form}" for form in ("json", "ndjson", "markdown"))
    stage.run(f"apply . --yes --init -v {files} -o text")
    for form in ("json", "ndjson", "markdown"):
        stage.show_file(f"_out.{form}")
    stage.run("plan . --detailed-exitcode")
    stage.run("apply . --yes")


def prepare_changes(stage: Stage) -> None:
    """A fleet to which everything happens that a plan can speak of."""
    names = ("edited", "stays", "removed", "forgotten", "held", "guarded", "drifted", "gone")
    write_fleet(stage, *names, "failed")
    stage.write({"finished.yaml": JOB.format(name="finished")})
    for name, setting in (
        ("forgotten", "onRemove: forget"),
        ("held", "onChange: hold"),
        ("guarded", "protect: true"),
    ):
        stage.write({f"{name}.yaml": SERVICE.format(name=name) + f"    lifecycle: {{{setting}}}\n"})
    stage.run(f"{APPLY} --init")
    stage.skip(3600)
    stage.tell("specs are edited, removed and added; somebody changes and deletes workloads")
    stage.edit("edited.yaml", "replicas: 1", "replicas: 3")
    stage.edit("edited.yaml", "server:1", "server:2")
    stage.edit("held.yaml", "server:1", "server:2")
    stage.edit("stays.yaml", "metadata:\n", "lifecycle: {wave: 1}\nmetadata:\n")
    stage.remove("removed.yaml")
    stage.remove("forgotten.yaml")
    stage.write({"new.yaml": SERVICE.format(name="new")})
    store = stage.sandbox.store
    drifted = stage.id_of("drifted")
    manifest = store.manifest(drifted)
    manifest["spec"]["replicas"] = 5
    store.edit(drifted, manifest=manifest)
    store.vanish(stage.id_of("gone"))
    store.vanish(stage.id_of("finished", "4502"))
    store.fail_sync(stage.id_of("failed"), "quota exceeded")


def changes(stage: Stage) -> None:
    """Create, replace, delete, forget, hold, record, drift and missing workloads in one plan."""
    prepare_changes(stage)
    stage.run("status")
    stage.run("plan .")
    stage.run("plan . -q --no-refresh")
    stage.run("plan . --no-delete -t '*/*e*' -x 4501/new")
    stage.run("plan . --on-drift replace --replace 4501/stays --detailed-exitcode")
    for form in ("json", "markdown", "github", "gitlab", "gitlab-plan"):
        stage.run(f"plan . -o {form}")
    for name in ("edited", "held", "drifted", "gone", "removed", "failed", "stays", "nobody"):
        stage.run(f"plan . --explain 4501/{name}")
    stage.run("plan . --explain 4502/finished")


def changes_applied(stage: Stage) -> None:
    """The same plan is saved, shown, carried out, and remembered."""
    prepare_changes(stage)
    stage.run("plan . --save _plan.json")
    stage.run("show _plan.json")
    stage.run("show _plan.json -o markdown")
    stage.run("apply . --yes --plan _plan.json -v --metrics-file metrics.prom")
    stage.show_file("metrics.prom")
    stage.run("apply . --yes --plan _plan.json")
    stage.run("show _plan.json")
    stage.run("runs list")
    stage.run("status")
    stage.run("destroy . --yes")
    stage.run("state unprotect 4501/guarded")
    stage.run("destroy . --yes --allow-deletes 8")


def updates(stage: Stage) -> None:
    """A server of no declared version is asked what it can do, and that is known then."""
    write_fleet(stage, "llm", "web")
    stage.edit("reconciler.yaml", 'api_version: "2.23"\n', "")
    stage.run("apply . --yes --init")
    stage.edit("llm.yaml", "replicas: 1", "replicas: 3")
    # Nothing is asked of the server, and nothing is known of it yet.
    stage.run("plan . --no-refresh")
    stage.run("plan . -o json")
    stage.run(APPLY)
    stage.edit("web.yaml", "replicas: 1", "replicas: 2")
    stage.run("plan . --no-refresh")
    stage.edit("reconciler.yaml", "stack: blue", 'stack: blue\napi_version: "2.24"')
    stage.edit(
        "web.yaml", 'projectId: "4501"', 'projectId: "4501"\n  configuration: {mnnvl: Required}'
    )
    stage.run("plan .")


def contested_updates(stage: Stage) -> None:
    """Others change what its author changes as well, and more: what is overwritten, what stays."""
    write_fleet(stage, "llm", "web")
    stage.edit("reconciler.yaml", '"2.23"', '"3.0"')
    stage.run(f"{APPLY} --init")
    stage.skip(600)
    store = stage.sandbox.store
    for name, fields in (("llm", {"replicas": 9, "paused": True}), ("web", {"replicas": 5})):
        manifest = copy.deepcopy(store.manifest(stage.id_of(name)))
        manifest["spec"] |= fields
        [container] = manifest["spec"]["template"]["spec"]["containers"]
        container["image"] = "registry.example/patched:7"
        store.edit(stage.id_of(name), manifest=manifest)
    stage.edit("llm.yaml", "replicas: 1", "replicas: 2")
    files = "-o json=_out.json -o markdown=_out.md -o html=_out.html"
    stage.run(f"plan . -o text {files}")
    for name in ("_out.json", "_out.md", "_out.html"):
        stage.show_file(name)
    stage.run(APPLY)
    stage.run("plan . --detailed-exitcode")
    # Somebody has asked to take the rest back: that is done once, and not for ever.
    stage.run("plan . --on-drift update")
    stage.run(f"{APPLY} --on-drift update")
    stage.run("plan . --detailed-exitcode")


def failed_updates(stage: Stage) -> None:
    """The cluster refuses an update: it is told in every run, and never ended unasked."""
    write_fleet(stage, "llm")
    stage.edit("reconciler.yaml", '"2.23"', '"3.0"')
    stage.edit("llm.yaml", "metadata:\n", "lifecycle: {onFailed: replace}\nmetadata:\n")
    stage.run(f"{APPLY} --init")
    stage.skip(600)
    stage.edit("llm.yaml", "server:1", "server:2")
    stage.sandbox.set_faults("sync-fails='no such image' on=PUT")
    stage.run(APPLY)
    stage.run("plan . --detailed-exitcode")
    stage.run(APPLY)
    stage.run("status --exit-status")
    stage.run("plan . --replace 4501/llm")
    stage.sandbox.set_faults()
    # Mended and applied: the way that ends nothing.
    stage.edit("llm.yaml", "server:2", "server:3")
    stage.run(APPLY)
    stage.run("plan . --detailed-exitcode")


def guards(stage: Stage) -> None:
    """Every guard refuses with its numbers, and names the flag that overrides it."""
    names = ("one", "two", "three", "four", "five")
    write_fleet(stage, *names)
    stage.run(f"{APPLY} --init")
    stage.skip(600)
    for name in ("one", "two", "three", "four"):
        stage.remove(f"{name}.yaml")
    stage.run("plan .")
    for form in ("json", "gitlab", "gitlab-plan"):
        stage.run(f"plan . -o {form}")
    stage.run(f"{APPLY} -o json -o github", GITHUB_OUTPUT="_outputs", GITHUB_STEP_SUMMARY="_page")
    stage.show_file("_outputs")
    stage.show_file("_page")
    stage.run(f"{APPLY} --max-delete 10%")
    stage.run(f"{APPLY} --allow-deletes 3")
    stage.remove("five.yaml")
    stage.run(APPLY)
    write_fleet(stage, *names)
    for name in ("one", "two", "three", "four"):
        stage.sandbox.store.vanish(stage.id_of(name))
    stage.run("plan .")
    stage.run(f"{APPLY} --allow-missing 2")
    stage.run("plan . --stack green")
    stage.run("plan . --url https://elsewhere.example")
    stage.run(f"{APPLY} --expect-digest sha256:0000")


def failures(stage: Stage) -> None:
    """The server refuses, the cluster refuses, a wave fails, and each says so in every form."""
    write_fleet(stage, "refused", "failing", "fine", "found", "late", "next")
    stage.edit("next.yaml", "metadata:\n", "lifecycle: {wave: 1}\nmetadata:\n")
    stage.serve(
        "403 name=refused on=POST",
        "sync-fails='no quota left' name=failing",
        "sync-stuck name=late",
        "503 name=fine on=POST try=1-2 retry-after=2s",
        "lost name=found on=POST try=1",
    )
    files = " ".join(f"-o {form}=_out.{form}" for form in ("json", "ndjson", "markdown"))
    stage.run(
        f"{APPLY} --init --wait-timeout 30s -v {files} -o text -o github --metrics-file m.prom"
    )
    for name in ("_out.json", "_out.ndjson", "_out.markdown", "m.prom"):
        stage.show_file(name)
    stage.run("status")
    stage.run("status -o json --exit-status")
    stage.run("plan .")
    stage.run("runs list")
    stage.run("runs list -o json")
    stage.run("runs show 0")
    stage.sandbox.set_faults()
    stage.run(f"{APPLY} --no-wait --fail-fast")


def refused_deletes(stage: Stage) -> None:
    """A delete that is forbidden, one that fails, and one that does not end."""
    write_fleet(stage, "kept", "stuck", "endless", "fine")
    stage.run(f"{APPLY} --init")
    stage.skip(600)
    stage.sandbox.set_faults(
        "403 name=kept on=DELETE",
        "delete-fails='stuck finalizer' name=stuck",
        "linger name=endless",
    )
    for name in ("kept", "stuck", "endless"):
        stage.edit(f"{name}.yaml", "server:1", "server:2")
    stage.run(f"{APPLY} --wait-timeout 60s")
    stage.run("status")
    stage.run("state list")
    stage.run("plan .")
    stage.run("plan . --explain 4501/endless")
    stage.run("state resolve 4501/endless --abandon --yes")
    stage.run("state list")


def doubts(stage: Stage) -> None:
    """Answers are lost, lists are late, and nobody knows what became of a create."""
    write_fleet(stage, "lost", "unseen", "fine")
    stage.serve("lost on=POST name=lost", "lost on=POST name=unseen", listing=False)
    stage.run(f"{APPLY} --init -v -o text -o ndjson=_out.ndjson -o markdown=_out.md -o github")
    stage.show_file("_out.ndjson")
    stage.show_file("_out.md")
    stage.run("plan .")
    stage.run("plan . -o json")
    stage.run("plan . --explain 4501/lost")
    stage.run("status")
    stage.run("state list")
    stage.run("state list -o json")
    stage.run("state check")
    stage.run("state check -o json")
    stage.run("runs show 0")
    stage.run("runs show 0 -o json")
    stage.run("state resolve 4501/lost --recheck --yes")
    stage.run("state resolve 4501/lost --yes")
    stage.run(f"state resolve 4501/lost --id {stage.id_of('lost')} --yes")
    stage.run("state resolve 4501/unseen --abandon --dry-run")
    stage.run("state resolve 4501/unseen --abandon --yes")
    stage.run("state list")
    stage.remove("unseen.yaml")
    stage.run("plan .")


def taken_names(stage: Stage) -> None:
    """Workloads of somebody else have the names, and are adopted or left alone."""
    write_fleet(stage, "mine", "theirs")
    stage.serve()
    for name in ("theirs", "extra"):
        stage.sandbox.store.plant(
            {
                "metadata": {"name": name, "projectId": "4501"},
                "manifest": {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {}},
            }
        )
    stage.run(f"{APPLY} --init")
    stage.run("state adopt --project 4501 --dry-run")
    stage.run("state adopt --project 4501 --undeclared --dry-run -o json")
    stage.run(f"state adopt 4501/theirs --id {stage.id_of('theirs')} --yes")
    stage.run("plan .")
    stage.run("state show 4501/theirs")
    stage.run("state show 4501/nobody")
    stage.run("state rm 4501/theirs --yes")
    stage.run("plan .")


def lost_state(stage: Stage) -> None:
    """The state is gone, is damaged, is another's; and is rebuilt from the markers."""
    write_fleet(stage, "one", "two")
    stage.run("state list")
    stage.run(f"{APPLY} --init")
    stage.run("state list")
    stage.run("state show 4501/one")
    stage.run("state backup copy.db")
    stage.run("state protect 4501/one")
    stage.run("state move 4501/two --to other.db --init --yes")
    stage.run("state list --state other.db")
    stage.tell("the state is lost")
    stage.remove(".reconciler/state.db")
    stage.run("plan .")
    stage.run(f"{APPLY} --init")
    stage.run("state recover --yes")
    stage.run("state list")
    stage.write({".reconciler/state.db": "not a database"})
    stage.run("plan .")
    stage.run("state check")


def no_server(stage: Stage) -> None:
    """The doctor and a plan before a server that is away, refuses us, or is something else."""
    write_fleet(stage, "one")
    stage.run("doctor .")
    stage.run("doctor . -o json")
    stage.run("plan .", RUNAI_CLIENT_SECRET="wrong")
    stage.run("doctor .", RUNAI_CLIENT_SECRET="wrong")
    stage.run("plan .", RUNAI_BASE_URL="ftp://control-plane.example")
    for fault in ("503 at=all page=html", "200 at=all page=html", "drop at=all", "404 at=token"):
        stage.serve(fault)
        stage.run("plan . --deadline 20s")
    stage.run("doctor . --deadline 20s")
    stage.run("plan . -o markdown -o github --deadline 20s")


def usage(stage: Stage) -> None:
    """What is said to somebody who mistypes, and what begins a repository."""
    stage.run("init w --ci gitlab")
    stage.run("init w --ci gitlab")
    stage.show_file("w/reconciler.yaml")
    stage.run("validate w")
    for line in itertools.chain(
        ("plan nowhere", "plan w --max-delete x", "plan w -o json -o text", "apply w", "nonsense"),
        ("plan w -t '['", "apply w --plan missing.plan --yes", "apply w --plan a -t b --yes"),
        ("show w/reconciler.yaml", "runs show 0", "state resolve x", "schema show nothing"),
        ("status 4501/none", "plan w --deadline 3"),
        ("sandbox --fault nonsense", "sandbox --list-scenarios", "schema show", "--version"),
    ):
        stage.run(line)
    stage.edit("w/reconciler.yaml", "stack:", "stak:")
    stage.run("validate w")
    stage.run("plan w")


STORIES: dict[str, Story] = {
    story.__name__: story
    for story in (
        invalid_specs,
        valid_specs,
        first_apply,
        changes,
        changes_applied,
        updates,
        contested_updates,
        failed_updates,
        guards,
        failures,
        refused_deletes,
        doubts,
        taken_names,
        lost_state,
        no_server,
        usage,
    )
}
