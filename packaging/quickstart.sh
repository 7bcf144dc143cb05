#!/usr/bin/env bash
# Builds deployer and shows what it does, on SQLite and without a service manager: a deployment, one that fails and is rolled
# back, and one whose runner is killed. Needs nothing but git and Debian's packages; run it again as often as you like.
set -euo pipefail
cd "$(dirname "$0")/.."

demo=build/demo
port=${DEMO_PORT:-8090}
deployer=build/release/deployer
export LC_ALL=C.UTF-8

say() { printf '\n== %s\n' "$*"; }
health() { curl -s "http://127.0.0.1:$port/health" || true; }
expect() { # STATUS COMMAND… : runs it and insists on its exit status
  local wanted=$1 status=0
  shift
  echo "\$ $*"
  "$@" || status=$?
  echo "exit status $status"
  [ "$status" -eq "$wanted" ] || { echo "quickstart: exit status $wanted was expected" >&2; exit 1; }
}
state_of_demo() {
  sqlite3 "$demo/library.db" "SELECT 'schema ' || count(*) FROM sqlite_schema WHERE name NOT LIKE 'deployer_%';
    SELECT 'books ' || group_concat(id || ':' || title, ', ') FROM books;"
  "$deployer" current
  readlink "$demo/venv"
  health
}

say "Installing what is missing, from Debian's packages"
packaging/install-packages.sh run build
say "Building deployer"
cmake --preset release >/dev/null
cmake --build --preset release
"$deployer" --version

say "The sample: a book library, its dependency as wheels in $demo/wheels"
mkdir -p "$demo"
python3 examples/book-library/build-wheels.py "$demo/wheels"

say "1. A deployment: eight steps, release 2"
expect 0 "$deployer" run pipelines/demo.yml --var "port=$port"
echo "the service says: $(health)"

say "2. The same with release 3, whose migration breaks the service: everything is taken back"
before=$(state_of_demo)
expect 1 "$deployer" run pipelines/demo.yml --var release=3 --var "port=$port"
after=$(state_of_demo)
if [ "$before" != "$after" ]; then
  printf 'quickstart: it is not as it was before\n%s\n-- now\n%s\n' "$before" "$after" >&2
  exit 1
fi
echo "schema, rows, dependencies and the service are as they were before: $(health)"

say "3. The runner is killed in the middle of it, with kill -9"
"$deployer" run pipelines/demo.yml --var release=3 --var "port=$port" >"$demo/killed.log" 2>&1 &
runner=$!
for _ in $(seq 600); do
  grep -q 'dependencies' "$demo/killed.log" && break
  kill -0 "$runner" 2>/dev/null || break
  sleep 0.05
done
kill -KILL "$runner" 2>/dev/null || { echo "quickstart: the run was over before it could be killed" >&2; exit 1; }
wait "$runner" 2>/dev/null || true
tail -n 3 "$demo/killed.log"
echo "killed; $deployer recover takes it back:"
expect 0 "$deployer" recover
if [ "$before" != "$(state_of_demo)" ]; then
  echo "quickstart: it is not as it was before" >&2
  exit 1
fi
echo "as it was before: $(health)"

say "What to look at next"
cat <<TEXT
  $deployer runs list              every run, and how it ended
  $deployer runs show last         its steps, and how each was undone
  $deployer status                 the migrations
  $deployer backup list            the backups, each restored in a drill
  pipelines/demo.yml               the document that was run
  docs/pipelines.md                how to write your own
The service goes on at http://127.0.0.1:$port/books; kill \$(cat $demo/service.pid) ends it.
TEXT
