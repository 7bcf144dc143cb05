#!/usr/bin/env bash
# Installs Debian packages for the named purposes: run, build, test. Does nothing where all of them are there.
set -euo pipefail

run=(python3 python3-venv python3-pip bash curl procps sqlite3)
build=(git ca-certificates g++ cmake ninja-build ccache mold pkg-config python3 libpoco-dev libyaml-cpp-dev
  libspdlog-dev libfmt-dev nlohmann-json3-dev libcli11-dev libexpected-dev libzstd-dev libsodium-dev libmariadb-dev
  libsqlite3-dev libssl-dev)
test=("${run[@]}" libgtest-dev libgmock-dev librapidcheck-dev mariadb-server mariadb-client strace zstd systemd dbus
  clang-format openssl python3-pymysql git xz-utils bzip2 unzip)

packages=()
for purpose in "$@"; do
  declare -n list="$purpose"
  packages+=("${list[@]}")
done

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" -ne 0 ]; then
  echo "these packages are missing; install them, or run this as root: ${missing[*]}" >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get -q update
apt-get -q -o DPkg::Lock::Timeout=500 install -y --no-install-recommends "${missing[@]}"
