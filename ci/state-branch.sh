#!/usr/bin/env bash
# Keeps a state on a branch of a git repository, for runners that lose their files.
#
#   state-branch.sh fetch STATE    before an apply: take the lock, write the stored state to STATE
#   state-branch.sh store STATE    after it, however it ended: put STATE back, free the lock
#   state-branch.sh read STATE     before a plan: as fetch, and without the lock
#
# The branch holds one file and grows by one commit a run. It is never forced: git takes a push
# only if it follows the commit that was fetched, so a store that somebody else's has overtaken is
# refused (exit 3), and the state that could not be stored is kept.
#
# The lock is a second branch, BRANCH-lock, which is there while somebody holds it. Git compares
# and swaps it in one step, so of several runs one gets it; the others wait (exit 6: too long).
#
#   STATE_BRANCH      the branch (reconciler-state)
#   STATE_REMOTE      the repository (the remote `origin` of the working directory)
#   STATE_USER        who pushes over https (x-access-token), with
#   STATE_TOKEN       the password; without one, git asks whatever its user has configured
#   STATE_KEEP        where a state goes that could not be stored (STATE.unstored)
#   STATE_LOCK_WAIT   seconds to wait for the lock (600)
#   STATE_LOCK_AGE    seconds after which a lock was left behind, and may be taken (4500): more
#                     than the longest job takes
#   STATE_PAUSE       seconds between two attempts (5)
set -euo pipefail
shopt -s inherit_errexit
umask 077

say() { printf '%s\n' "$1" >&2; }

fail() {
  if [ "${GITHUB_ACTIONS:-}" = true ]; then
    printf '::error title=reconciler state::%s\n' "$2" >&2
  else
    say "error: $2"
  fi
  exit "$1"
}

# What is started here gets these variables and no others: not the credentials of the control
# plane, and nothing that tells git another directory, configuration or program.
hide_variables() {
  local name passed=" PATH HOME XDG_CONFIG_HOME USER LOGNAME TMPDIR SSH_AUTH_SOCK SSL_CERT_FILE \
SSL_CERT_DIR http_proxy https_proxy HTTPS_PROXY all_proxy ALL_PROXY no_proxy NO_PROXY "
  while IFS= read -r name; do
    # shellcheck disable=SC2163 # it is the variable of that name that is not passed on
    [[ $passed = *" $name "* ]] || export -n "$name"
  done < <(compgen -e)
  export LC_ALL=C GIT_TERMINAL_PROMPT=0
}

# Neither a hook nor a folder of plain files that looks like a repository decides what git does.
run_git() {
  git -c safe.bareRepository=explicit -c core.hooksPath=/dev/null -c core.fsmonitor=false "$@"
}

here() { run_git --git-dir="$clone" "$@"; }

# Git with the password. It goes through a helper that reads the environment: as an argument others
# on the machine could see it, and in a file it would stay.
talk() {
  local settings=()
  [ -z "${GIT_SSL_CAINFO:-}" ] || settings+=(-c "http.sslCAInfo=$GIT_SSL_CAINFO")
  if [ -n "${STATE_TOKEN:-}" ]; then
    local -x STATE_TOKEN=$STATE_TOKEN STATE_USER=${STATE_USER:-x-access-token}
    # shellcheck disable=SC2016 # the helper's own shell expands it
    settings+=(-c credential.helper= -c
      'credential.helper=!f() { echo "username=$STATE_USER"; echo "password=$STATE_TOKEN"; }; f')
  fi
  here ${settings[@]+"${settings[@]}"} "$@"
}

# The top of the checkout around a folder; fails outside of one.
top_of() {
  local folder=$1
  until [ -e "$folder/.git" ]; do
    [ "$folder" != / ] || return 1
    folder=$(dirname -- "$folder")
  done
  printf '%s' "$folder"
}

# Make the paths absolute, and refuse those that a commit can have brought: a plan from a forged
# state deletes what it names, and a git directory runs what it configures.
check_paths() {
  local folder logical top path tracked
  cd -P .
  mkdir -p -- "$(dirname -- "$state")"
  logical=$(cd -L -- "$(dirname -- "$state")" && pwd -L)
  folder=$(cd -P -- "$logical" && pwd -P)
  top=$(top_of "$PWD") || top=
  if [ -n "$top" ] && [[ $logical/ = "$top"/* ]] && [ "$logical" != "$folder" ]; then
    fail 1 "$logical leads through a link in the checkout: keep the state outside of it"
  fi
  state=$folder/$(basename -- "$state")
  clone=$state.branch
  keep=${STATE_KEEP:-$state.unstored}
  [[ $keep = /* ]] || keep=$PWD/$keep
  for path in "$state" "$clone" "$keep"; do
    [ ! -L "$path" ] || fail 1 "$path is a link: keep the state outside of the checkout"
  done
  while top=$(top_of "$folder"); do
    tracked=$(run_git -C "$top" --literal-pathspecs ls-files -- \
      "$state" "$state-journal" "$state-wal" "$state-shm" "$clone") ||
      fail 1 "git cannot tell what is committed in $top"
    [ -z "$tracked" ] || fail 1 "the path of the state is committed in this repository \
(${tracked%%$'\n'*}): keep the state outside of the checkout"
    [ "$top" != / ] || break
    folder=$(dirname -- "$top")
  done
}

# The commit that a branch of the repository points to, or nothing where there is none. A
# repository that cannot be asked is an error: it must never look like one without a state.
tip() {
  local listed commit name
  # A remote's address may hold a token, so none is ever printed.
  listed=$(talk ls-remote "$remote" "refs/heads/$1") || return 1
  # Git lists every branch whose name ends like this one.
  while IFS=$'\t' read -r commit name; do
    [ "$name" != "refs/heads/$1" ] || printf '%s' "$commit"
  done <<<"$listed"
}

# A commit that this run made or fetched, or nothing.
own() { here rev-parse --quiet --verify "refs/heads/$1" || true; }

# A commit by nobody: its tree and its message as arguments, its parents as further ones.
commit() {
  GIT_AUTHOR_NAME=reconciler GIT_AUTHOR_EMAIL=reconciler@invalid \
    GIT_COMMITTER_NAME=reconciler GIT_COMMITTER_EMAIL=reconciler@invalid \
    here commit-tree "$@"
}

this_run() {
  if [ -n "${GITHUB_RUN_ID:-}" ]; then
    printf 'run %s' "$GITHUB_SERVER_URL/$GITHUB_REPOSITORY/actions/runs/$GITHUB_RUN_ID"
  elif [ -n "${CI_JOB_ID:-}" ]; then
    printf 'job %s' "${CI_JOB_URL:-$CI_JOB_ID}"
  else
    printf 'a run on %s' "$(hostname)"
  fi
}

# Let the lock point to this run's commit, if it still is as it was seen (nothing: not there).
swap_lock() { talk push --quiet --force-with-lease="refs/heads/$lock:$1" "$remote" "$2:refs/heads/$lock"; }

# Whether a lock is so old that its run cannot be at work any more. Tells who holds it in `holder`.
is_left_behind() {
  local since
  talk fetch --quiet --no-tags --depth=1 "$remote" "+refs/heads/$lock:refs/heads/held" || return 1
  [ "$(own held)" = "$1" ] || return 1
  since=$(here log -1 --format=%ct refs/heads/held)
  # Whoever may push wrote this: no line break, no escape sequence, nothing of any length.
  holder=$(here log -1 --format=%s refs/heads/held | tr -cd '[:alnum:] ,/:._-' | head -c 200)
  [ $(($(date +%s) - since)) -gt "${STATE_LOCK_AGE:-4500}" ]
}

# Take the lock, or tell (1) that somebody else holds it. A lost answer is asked for again.
try_lock() {
  local held mine attempt now
  held=$(tip "$lock") || fail 1 "the repository of the branch $branch cannot be read"
  mine=$(own lock)
  [ -z "$mine" ] || [ "$held" != "$mine" ] || return 0
  if [ -n "$held" ]; then
    is_left_behind "$held" || return 1
    say "taking the lock that was left behind: $holder"
  fi
  # Said here, because a caller that asks whether this succeeds switches `set -e` off.
  mine=$(commit "$(here mktree </dev/null)" -m "$(this_run), $(date -u +%FT%TZ)" \
    -m "$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')") || fail 1 "the lock cannot be written to $clone"
  for attempt in 1 2 3; do
    [ "$attempt" = 1 ] || sleep "$pause"
    if swap_lock "$held" "$mine" 2>"$clone/push.log"; then
      now=$mine
    else
      now=$(tip "$lock") || continue
    fi
    if [ "$now" = "$mine" ]; then
      here update-ref refs/heads/lock "$mine"
      return 0
    fi
    [ "$now" = "$held" ] || return 1
  done
  cat "$clone/push.log" >&2
  fail 1 "the lock cannot be taken: the job must be able to push the branch $lock"
}

wait_for_lock() {
  local end=$((SECONDS + ${STATE_LOCK_WAIT:-600})) told=
  holder="somebody"
  until try_lock; do
    [ "$SECONDS" -lt "$end" ] || fail 6 "the state on the branch $branch is locked by $holder. \
It is free when that run ends, or when its lock is ${STATE_LOCK_AGE:-4500} s old; if it is certain \
that nothing runs: git push REPOSITORY :$lock"
    [ "$told" = "$holder" ] || say "waiting for the lock of the branch $branch: $holder"
    told=$holder
    sleep "$pause"
  done
}

# Nothing of a run depends on this: what stays behind is taken when it is old enough.
free_lock() {
  local mine attempt
  mine=$(own lock)
  [ -n "$mine" ] || return 0
  for attempt in 1 2 3; do
    [ "$attempt" = 1 ] || sleep "$pause"
    if swap_lock "$mine" "" 2>/dev/null || [ "$(tip "$lock" || printf '%s' "$mine")" != "$mine" ]; then
      here update-ref -d refs/heads/lock
      return 0
    fi
  done
  say "the lock of the branch $branch could not be freed: it is taken when it is old enough"
}

fetch() {
  local found
  [ -e "$clone" ] || [ ! -e "$state" ] || fail 1 "there is already a state at $state, and not from \
the branch $branch. Remove it, or do without the branch"
  [ -e "$clone" ] || run_git init --quiet --bare --template= "$clone"
  if [ "$verb" = fetch ]; then
    wait_for_lock
    # Whatever goes wrong from here on, this run will not store and free it.
    trap free_lock EXIT
  fi
  found=$(tip "$branch") || fail 1 "the repository of the branch $branch cannot be read"
  if [ -e "$state" ]; then
    [ "$found" = "$(own fetched)" ] || fail 1 "the branch $branch moved on since the state $state \
was fetched. Remove that file to begin with the newer one"
    say "the state that was fetched before is still the newest"
  else
    write_state "$found"
  fi
  trap - EXIT
}

write_state() {
  # Without its file a journal is nothing; SQLite would write it into the one that is fetched.
  rm -f "$state-journal" "$state-wal" "$state-shm"
  if [ -z "$1" ]; then
    say "there is no branch $branch yet; only the very first apply makes a state, with --init"
    return
  fi
  talk fetch --quiet --no-tags --depth=1 "$remote" "+refs/heads/$branch:refs/heads/fetched" ||
    fail 1 "the branch $branch cannot be fetched"
  here cat-file blob refs/heads/fetched:state.db >"$state.partial" ||
    fail 1 "the branch $branch holds no state.db"
  mv "$state.partial" "$state"
  say "fetched the state of commit $(own fetched) from the branch $branch"
}

store() {
  local from new
  [ -e "$clone" ] || fail 1 "the state was not fetched here: 'state-branch.sh fetch $state' first"
  from=$(own fetched)
  if [ ! -e "$state" ]; then
    free_lock
    [ -z "$from" ] || fail 1 "the state $state is gone; the branch $branch is left as it is"
    say "there was no state, and there is none: nothing to store"
    return
  fi
  copy_state
  check_lineage "$from"
  new=$(write_commit "$from")
  if [ -z "$new" ]; then
    free_lock
    say "the state did not change: nothing to store"
  elif is_unchanged; then
    free_lock
    say "the run changed nothing that the state records: nothing to store"
  else
    push "$from" "$new"
  fi
}

# Through SQLite, not cp: a run that was killed leaves a half-done transaction and its journal. The
# program is asked at the root, where it finds no configuration of a pull request: a broken one would
# keep the state from its branch.
copy_state() {
  rm -f "$copy"
  (cd / && reconciler state backup --state "$state" "$copy") >/dev/null ||
    fail 1 "the state $state could not be copied; the branch $branch is left as it is"
}

# A state that did not grow out of the fetched one would make the next apply forget all of it.
check_lineage() {
  local fetched stored
  [ -n "$1" ] || return 0
  here cat-file blob "$1:state.db" >"$clone/fetched.db"
  fetched=$(lineage_of "$clone/fetched.db")
  stored=$(lineage_of "$copy")
  fetched_content=$(content_of "$clone/fetched.db")
  rm -f "$clone/fetched.db"
  [ "$fetched" != "$stored" ] || return 0
  cp -- "$copy" "$keep"
  free_lock
  fail 1 "this state has another lineage ($stored) than the branch $branch ($fetched), so it was not \
made from it; the branch is left as it is, and this state is kept at $keep"
}

# Whether the copy records what the fetched state did. Only the history of this run is lost then, and
# a schedule of half an hour does not fill the branch with the same state.
is_unchanged() {
  local content
  content=$(content_of "$copy")
  [ -n "$content" ] && [ "$content" = "${fetched_content:-}" ]
}

content_of() {
  (cd / && reconciler state check --state "$1" -o json) 2>/dev/null |
    sed -n 's/^ *"content": "\(sha256:[0-9a-f]*\)",\{0,1\}$/\1/p' || true
}

lineage_of() {
  (cd / && reconciler state check --state "$1" -o json) 2>/dev/null |
    sed -n 's/^ *"lineage": "\([0-9a-f-]*\)",\{0,1\}$/\1/p' || true
}

# A commit that holds the copy and follows what was fetched; nothing where that holds the same.
write_commit() {
  local blob tree parents=()
  blob=$(here hash-object -w --stdin <"$copy")
  tree=$(printf '100644 blob %s\tstate.db\n' "$blob" | here mktree)
  if [ -n "$1" ]; then
    [ "$(here rev-parse "$1^{tree}")" != "$tree" ] || return 0
    parents=(-p "$1")
  fi
  commit "$tree" ${parents[@]+"${parents[@]}"} -m "State after $(this_run)"
}

# Store and free the lock in one step: a run that lost the lock stores nothing.
push() {
  local from=$1 new=$2 mine now attempt
  # Freed already where a store is repeated.
  try_lock || lose 3 "another run took the lock meanwhile ($holder)"
  mine=$(own lock)
  for attempt in 1 2 3; do
    [ "$attempt" = 1 ] || sleep "$pause"
    if talk push --quiet --atomic --force-with-lease="refs/heads/$lock:$mine" "$remote" \
      "$new:refs/heads/$branch" ":refs/heads/$lock"; then
      stored "$new"
      return
    fi
    now=$(tip "$branch") || continue
    if [ "$now" = "$new" ]; then
      stored "$new"
      return
    fi
    [ "$now" = "$from" ] || lose 3 "another run stored its state meanwhile: the branch $branch \
moved on to $now"
    now=$(tip "$lock") || continue
    [ "$now" = "$mine" ] || lose 3 "another run took the lock meanwhile"
  done
  lose 1 "the state could not be pushed to the branch $branch"
}

stored() {
  here update-ref refs/heads/fetched "$1"
  here update-ref -d refs/heads/lock
  say "stored the state as commit $1 on the branch $branch"
}

lose() {
  local project projects=
  cp -- "$copy" "$keep"
  free_lock
  for project in $( (cd / && reconciler state list --state "$copy" -o json) 2>/dev/null |
    sed -n 's|^ *"address": "\([A-Za-z0-9_-]*\)/.*|\1|p' | sort -u || true); do
    projects+=" --project $project"
  done
  say "This run's state is kept at $keep. The next apply finds by their marks the workloads of this
run that a spec still names. To record the others, run where the specs are, between fetch and store:
  reconciler state recover$projects --state $state"
  fail "$1" "$2. This run's state is kept at $keep; 'reconciler state recover$projects' records what \
it created"
}

[ $# = 2 ] || fail 64 "use: state-branch.sh fetch|read|store STATE"
verb=$1
state=$2
branch=${STATE_BRANCH:-reconciler-state}
lock=$branch-lock
pause=${STATE_PAUSE:-5}
hide_variables
case $verb in
  fetch | read | store) check_paths ;;
  *) fail 64 "use: state-branch.sh fetch|read|store STATE" ;;
esac
copy=$clone/copy.db
remote=${STATE_REMOTE:-$(top=$(top_of "$PWD") && run_git -C "$top" remote get-url origin)} ||
  fail 1 "there is no repository to keep the branch in: set STATE_REMOTE"
case $verb in
  fetch | read) fetch ;;
  store) store ;;
esac
