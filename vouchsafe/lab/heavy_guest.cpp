#include "vouchsafe/lab/heavy_guest.h"

namespace vouchsafe::lab {

namespace {

constexpr std::string_view kInit = R"(#!/bin/busybox sh
# The first process of a heavy machine: mounts, modules, settings from the host, network, ssh.
/bin/busybox --install -s /bin
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts -o mode=0620,gid=5 devpts /dev/pts
mount -t tmpfs -o mode=1777 tmp /tmp
mount -t securityfs sec /sys/kernel/security
while read -r module; do insmod "/lib/modules/$module"; done < /lib/modules/order
mount -t efivarfs efi /sys/firmware/efi/efivars
settings=/sys/firmware/qemu_fw_cfg/by_name/opt/vouchsafe/settings/raw
[ -e $settings ] && (cd / && cpio -idu 2>/dev/null < $settings)
. /etc/vouchsafe/machine
hostname "$HOST_NAME"
ip link set lo up
ip link set eth0 up
for address in $ADDRESSES; do ip addr add "$address" dev eth0; done
/usr/sbin/dropbear -s -j -k -r /etc/dropbear/host_key
acpid -d 2>/dev/null &
echo "vouchsafe guest ready after $(cut -d' ' -f1 /proc/uptime) s"
while true; do setsid cttyhack login -f "$USER_NAME"; sleep 1; done
)";

// Everybody inside may become root, as the first user of a machine of the cloud may.
constexpr std::string_view kSudo = R"(#!/bin/sh
while true; do
    case $1 in
        -E | -H | -n | -i | -k) shift ;;
        --) shift; break ;;
        *) break ;;
    esac
done
[ $# -eq 0 ] && exec su root
exec su -- root -c 'exec "$0" "$@"' "$@"
)";

constexpr std::string_view kPowerButton = "#!/bin/sh\nsync\npoweroff -f\n";

constexpr std::string_view kRelease =
    "ID=vouchsafe-guest\nNAME=\"Vouchsafe guest\"\nVERSION_ID=1\n";

}  // namespace

void add_guest_files(BootArchive& archive, const std::vector<std::string>& modules) {
    for (const char* path : {"dev", "proc", "sys", "run", "sbin", "mnt", "var/log"})
        archive.folder(path);
    archive.link("var/run", "/run");
    archive.folder("tmp", 01777);
    archive.folder("root", 0700);
    archive.file("init", as_bytes(kInit), 0755);
    archive.file("usr/bin/sudo", as_bytes(kSudo), 0755);
    // The event of the power button, as the kernel names it.
    archive.file("etc/acpi/PWRF/00000080", as_bytes(kPowerButton), 0755);
    archive.file("etc/shells", as_bytes("/bin/sh\n"));
    archive.file("etc/os-release", as_bytes(kRelease));
    archive.file("etc/nsswitch.conf", as_bytes("hosts: files\n"));
    archive.file("etc/profile", as_bytes("export PATH=/usr/sbin:/usr/bin:/sbin:/bin\n"));
    // Where Debian's OpenSSL looks for authorities.
    archive.link("usr/lib/ssl/cert.pem", "/" + std::string(kGuestAuthorities));
    archive.link("usr/lib/ssl/certs", "/etc/ssl/certs");
    std::string order;
    for (const std::string& module : modules) order += module + "\n";
    archive.file("lib/modules/order", as_bytes(order));
}

}  // namespace vouchsafe::lab
