"""A machine of its own that was booted by a real systemd, in about a second, without a tree to download.

PID 1 is /lib/systemd/systemd in namespaces of its own (mount, pid, uts, ipc, cgroup), on an overlay of this machine's
root whose upper layer is a tmpfs, in a cgroup2 group of its own. The network, the folder for temporary files, the
checkout and the built program are those of this machine. Needs root, and systemd and dbus as packages.

It is gone, with all that it mounted, its processes and its cgroup, at the end of the `with`, when its PID 1 is killed,
and when the test dies.
"""
import os
import pathlib
import shlex
import shutil
import subprocess
import tempfile

from support.program import PROGRAM, ROOT, wait_for

# Outside: a mount namespace in which the unified hierarchy can be seen, and who cleans up when PID 1 is gone. It waits
# for that, or for the end of its input, which comes when the test dies.
OUTER = r"""
set -e
folder=$1; alive=$2; shift 2
mkdir "$folder/cgroup" "$folder/root"
mount -t cgroup2 none "$folder/cgroup"
group=$folder/cgroup/$(basename "$folder")
mkdir "$group"
unshare --cgroup --pid --fork --kill-child --uts --ipc --mount --propagation private \
  bash -c "$INNER" inner "$folder" "$@" </dev/null &
inner=$!
( read -r _ || true; touch "$folder/left"; kill -9 $inner ) 2>/dev/null <&"$alive" &
wait $inner || true
kill $! 2>/dev/null || true
for _ in $(seq 500); do
  find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || true
  test -e "$group" || break
  sleep 0.01
done
umount "$folder/cgroup"
if test -e "$folder/left"; then rm -rf --one-file-system "$folder"; fi
"""

# Inside, as PID 1 to be. The cgroup namespace has to be made anew from within the group.
INNER = r"""
set -e
folder=$1; shift
echo $$ >"$folder/cgroup/$(basename "$folder")/cgroup.procs" 2>/dev/null ||
  echo 0 >"$folder/cgroup/$(basename "$folder")/cgroup.procs"
exec unshare --cgroup bash -c "$BOOT" boot "$folder" "$@"
"""

BOOT = r"""
set -e
folder=$1; shift
read -r pid _ </proc/self/stat  # of the /proc outside
tree=$folder/root
mount -t tmpfs -o mode=755 none "$tree"
mkdir "$tree/upper" "$tree/work" "$tree/new"
new=$tree/new
mount -t overlay -o "lowerdir=/,upperdir=$tree/upper,workdir=$tree/work" overlay "$new"

mkdir -p "$new/proc" "$new/sys" "$new/run" "$new/dev"
mount -t proc none "$new/proc"
mount -t sysfs none "$new/sys"
mkdir -p "$new/sys/fs/cgroup"
mount -t cgroup2 none "$new/sys/fs/cgroup"
mount -t tmpfs -o mode=755 none "$new/run"
mount -t tmpfs -o mode=755 none "$new/dev"
for node in null zero full random urandom tty; do
  touch "$new/dev/$node"; mount --bind "/dev/$node" "$new/dev/$node"
done
mkdir "$new/dev/pts" "$new/dev/shm"
mount -t devpts -o newinstance,ptmxmode=666,mode=620 none "$new/dev/pts"
ln -s pts/ptmx "$new/dev/ptmx"
ln -s /proc/self/fd "$new/dev/fd"
mount -t tmpfs none "$new/dev/shm"
for visible in "$@"; do
  mkdir -p "$new$visible"; mount --bind "$visible" "$new$visible"
done

# Nothing of what this machine would start, but a journal and a bus.
units=$new/etc/systemd/system
rm -rf "$units" "$new/etc/fstab"
mkdir -p "$units" "$new/etc/systemd" "$folder/none"
for generators in system-generators system-environment-generators; do
  mount --bind "$folder/none" "$new/lib/systemd/$generators"
done
for wanted in "$new"/lib/systemd/system/{sysinit,basic,local-fs,sockets,timers,multi-user}.target.wants/*; do
  case ${wanted##*/} in
    systemd-journald*|dbus.*|'*') ;;
    *) ln -sfn /dev/null "$units/${wanted##*/}" ;;
  esac
done
ln -sfn /dev/null "$units/systemd-journal-flush.service"
printf '[Unit]\nRequires=systemd-journald.service dbus.socket\nAfter=systemd-journald.service dbus.socket\n' \
  >"$units/machine.target"
rm -f "$new/etc/machine-id"
tr -d - </proc/sys/kernel/random/uuid >"$new/etc/machine-id"

cd "$new"
mkdir -p old
pivot_root . old
umount -l /old
exec env -i container=deployer-test LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin PID_OUTSIDE=$pid \
  /lib/systemd/systemd --unit=machine.target --show-status=no
"""


class BootedMachine:
    """`with BootedMachine() as machine: machine.call("systemctl", "status")`."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="deployer-machine-"))
        self.visible = sorted({str(ROOT), str(pathlib.Path(PROGRAM).parent), tempfile.gettempdir()})
        self.keeper = None
        self.pid = None  # of its PID 1, as it is seen from here

    def __enter__(self):
        console = open(self.folder / "console", "wb")
        alive, self.alive = os.pipe()
        env = {**os.environ, "INNER": INNER, "BOOT": BOOT}
        words = ["unshare", "--mount", "--propagation", "private", "bash", "-c", OUTER, "outer", str(self.folder),
                 str(alive)]
        self.keeper = subprocess.Popen([*words, *self.visible], env=env, stdin=subprocess.DEVNULL, stdout=console,
                                       stderr=console, start_new_session=True, pass_fds=[alive])
        os.close(alive)
        console.close()
        try:
            wait_for(self.is_up, 30)
        except BaseException:
            text = (self.folder / "console").read_text(errors="replace")
            self.__exit__()
            raise AssertionError(f"systemd did not boot: {text}")
        return self

    def __exit__(self, *ignored):
        os.close(self.alive)
        self.keeper.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)

    def is_up(self):
        if self.keeper.poll() is not None:
            raise AssertionError("it ended")
        if self.pid is None:
            self.pid = self.find_first_process()
        return self.pid is not None and self.call("systemctl", "is-active", "machine.target").returncode == 0

    def find_first_process(self):
        """Below the keeper, the one that is PID 1 of another namespace."""
        todo = [self.keeper.pid]
        while todo:
            pid = todo.pop()
            try:
                status = pathlib.Path(f"/proc/{pid}/status").read_text()
                todo += map(int, pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
                name = pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
            except OSError:
                continue
            [numbers] = [line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:")]
            if len(numbers) > 1 and numbers[-1] == "1" and name == "systemd":
                return pid
        return None

    def words(self, folder="/", user=None):
        """What to put before a command so that it runs inside, in a folder, as a user."""
        enter = ["nsenter", "-t", str(self.pid), "-m", "-u", "-i", "-p", "-C", "--"]
        if user:
            enter += ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--"]
        return [*enter, "sh", "-c", f'cd {shlex.quote(str(folder))} && exec "$0" "$@"']

    def call(self, *words, user=None):
        """Runs a command inside; CompletedProcess with its output as text."""
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}
        return subprocess.run([*self.words(user=user), *map(str, words)], capture_output=True, text=True, env=env,
                              stdin=subprocess.DEVNULL, timeout=60)

    def inner(self, started):
        """The process inside of a command that was started by `words`: the one that has to be killed."""
        [pid] = pathlib.Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text().split()
        return int(pid)

    def must(self, *words):
        done = self.call(*words)
        assert done.returncode == 0, f"{words}: {done.returncode} {done.stdout} {done.stderr}"
        return done.stdout

    def write(self, path, text, mode=0o644):
        """A file inside; nothing of it is left outside."""
        quoted = shlex.quote(str(path))
        subprocess.run([*self.words(), "sh", "-c", f"mkdir -p $(dirname {quoted}) && cat >{quoted} && "
                        f"chmod {mode:o} {quoted}"], input=text, text=True, check=True)

    def show(self, unit, *properties):
        """Properties of a unit, as systemd has them."""
        text = self.must("systemctl", "show", "--property=" + ",".join(properties), "--", unit)
        found = dict(line.split("=", 1) for line in text.splitlines())
        return found[properties[0]] if len(properties) == 1 else tuple(found[name] for name in properties)
