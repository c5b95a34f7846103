#!/usr/bin/env bash
# install_deps.sh GROUP... installs the Debian packages of each group that are missing: build, test,
# clang, interop, heavy (machines that QEMU boots), run (for a built program on a computer that builds nothing). It never removes a package: apt-get is told to stop rather than do that.
set -euo pipefail

build=(build-essential cmake ninja-build pkg-config libboost-dev libssl-dev libcurl4-openssl-dev
    libsqlite3-dev libpq-dev libtss2-dev libtss2-tcti-swtpm0 libfmt-dev libspdlog-dev nlohmann-json3-dev libsimdjson-dev
    libzstd-dev libcli11-dev libexpected-dev libcbor-dev libxgboost-dev libseccomp-dev libfuse3-dev libp11-kit-dev swtpm mold)
[ "$(dpkg --print-architecture)" = amd64 ] && build+=(libipsec-mb-dev)
test=(libgtest-dev libgmock-dev libbenchmark-dev python3 python3-cryptography python3-jmespath tpm2-tools openssl
    procps softhsm2 clang-format-16 postgresql)
clang=(clang-16 libclang-rt-16-dev)
interop=(python3-azure azure-cli python3-xgboost python3-pandas python3-sklearn python3-dotenv openssh-client
    openssh-server jq curl)
heavy=(qemu-system-x86 ovmf swtpm sbsigntool systemd-boot-efi mtools dosfstools busybox-static dropbear-bin
    openssh-client openssh-sftp-server libtss2-tcti-device0 openssl zstd)
run=(libcurl4 libsqlite3-0 libpq5 libtss2-esys-3.0.2-0 libtss2-mu0 libtss2-rc0 libtss2-tctildr0
    libtss2-tcti-swtpm0 libtss2-tcti-device0 libfmt9 libspdlog1.10 libsimdjson14 libzstd1 libcbor0.8 libxgboost0 libseccomp2
    libfuse3-3 libssl3 libstdc++6 ca-certificates swtpm openssh-client openssh-server)
[ "$(dpkg --print-architecture)" = amd64 ] && run+=(libipsec-mb1)

wanted=()
for group in "$@"; do
    case $group in
        build) wanted+=("${build[@]}") ;;
        test)
            wanted+=("${test[@]}")
            command -v node >/dev/null || wanted+=(nodejs)
            command -v npm >/dev/null || wanted+=(npm)
            ;;
        clang) wanted+=("${clang[@]}") ;;
        interop) wanted+=("${interop[@]}") ;;
        heavy) wanted+=("${heavy[@]}") ;;
        run) wanted+=("${run[@]}") ;;
        *) echo "install_deps.sh: unknown group '$group' (build, test, clang, interop, heavy, run)" >&2; exit 2 ;;
    esac
done

missing=()
for package in "${wanted[@]}"; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
        missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

sudo=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || {
        echo "These packages are missing; install them as root: ${missing[*]}" >&2
        exit 1
    }
    sudo=(sudo)
fi
echo "Installing: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
# The tests start PostgreSQL servers of their own; Debian's package would start another one.
clusters=/etc/postgresql-common/createcluster.conf
if [[ " ${missing[*]} " == *" postgresql "* && ! -e $clusters ]]; then
    "${sudo[@]}" mkdir -p "$(dirname $clusters)"
    echo 'create_main_cluster = false' | "${sudo[@]}" tee $clusters >/dev/null
fi
# A lab's machines start SSH servers of their own; Debian's package would start one for everybody.
if [[ " ${missing[*]} " == *" openssh-server "* && ! -e /etc/ssh/sshd_config ]]; then
    "${sudo[@]}" mkdir -p /etc/ssh
    "${sudo[@]}" touch /etc/ssh/sshd_not_to_be_run
fi
"${sudo[@]}" apt-get update -q -o DPkg::Lock::Timeout=600 >/dev/null
"${sudo[@]}" apt-get install -y -q --no-remove --no-install-recommends \
    -o DPkg::Lock::Timeout=600 -o Dpkg::Options::=--force-confold "${missing[@]}" >/dev/null
