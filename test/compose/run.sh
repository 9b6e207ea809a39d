#!/bin/sh
# Runs the test of the stack where a container engine answers, and says so where
# none does. CPSGATE_TEST_COMPOSE=1 makes that a failure.
set -eu
cd "$(dirname "$0")/../.."

lacking() {
	echo "the stack of compose.yaml is not tested: $1" >&2
	[ "${CPSGATE_TEST_COMPOSE:-}" != 1 ] || exit 1
	exit 0
}

command -v docker >/dev/null || lacking "docker is not installed"
timeout 20 docker info >/dev/null 2>&1 || lacking "no container engine answers"
docker compose version >/dev/null 2>&1 || command -v docker-compose >/dev/null || lacking "neither docker compose nor docker-compose is installed"

test/packages.sh
test/compose/base-images.sh
CPSGATE_TEST_ALL=1 ${GO:-go} test -tags compose -count 1 -timeout 30m -v ./internal/e2e/stack
