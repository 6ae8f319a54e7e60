"""Where a database may lie: not on a network drive, not in a folder that a cloud keeps in step.

SQLite needs locks that hold and memory that all its users share. A network drive promises both
and keeps neither; a cloud's client copies the file and its journal at different moments.
"""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from overnight.errors import DatabaseRefused

_REMOTE = {
    "nfs": "NFS",
    "nfs4": "NFS",
    "cifs": "SMB",
    "smb3": "SMB",
    "smbfs": "SMB",
    "afpfs": "AFP",
    "lustre": "Lustre",
    "gpfs": "GPFS",
    "beegfs": "BeeGFS",
    "ceph": "Ceph",
    "glusterfs": "GlusterFS",
    "afs": "AFS",
    "auristorfs": "AFS",
    "9p": "9p",
    "drvfs": "a drive of Windows",
    "vboxsf": "a folder of the host",
    "prl_fs": "a folder of the host",
    "davfs": "WebDAV",
    "webdav": "WebDAV",
    "panfs": "PanFS",
    "wekafs": "WekaFS",
    "orangefs": "OrangeFS",
    "pvfs2": "OrangeFS",
    "gfs2": "GFS2",
    "ocfs2": "OCFS2",
}
# FUSE carries local drives too (mergerfs, gocryptfs, ntfs-3g): these are the remote ones.
_REMOTE_FUSE = re.compile(
    r"sshfs|rclone|s3fs|goofys|mount-s3|gcsfuse|blobfuse|davfs|gluster|ceph|beegfs|juicefs|"
    r"mfs|moosefs|lizardfs|seaweedfs|curlftpfs|smbnetfs|google-drive|onedrive|dropbox|gvfsd|"
    r"vmhgfs|cvmfs|hdfs|afs"
)
_ANY_FUSE = frozenset(("fuse", "macfuse", "osxfuse"))
_HOST_FIRST = re.compile(r"[\w.@-]{2,}:")  # user@host:/path, as sshfs names its source

# Folders in the home that a cloud's client keeps in step, by the beginning of their names.
_CLOUDS = (
    ("OneDrive", "OneDrive"),
    ("Dropbox", "Dropbox"),
    ("Google Drive", "Google Drive"),
    ("GoogleDrive", "Google Drive"),
    ("iCloud", "iCloud"),
    ("Nextcloud", "Nextcloud"),
    ("ownCloud", "ownCloud"),
    ("pCloud", "pCloud"),
    ("Box Sync", "Box"),
    ("Library/CloudStorage", "a cloud"),
    ("Library/Mobile Documents", "iCloud"),
)

_MOUNT_TABLE = Path("/proc/self/mountinfo")
_ESCAPED = re.compile(r"\\([0-7]{3})")
_MAC_LINE = re.compile(r"(?P<source>.*) on (?P<point>/.*) \((?P<kind>[^,()]+)[^()]*\)")


def refuse_network_drive(database: Path) -> None:
    """Raise DatabaseRefused if the database lies, or would be made, on such a drive."""
    where = untrusted_place(database)
    if where is None:
        return
    home = _home()
    local = f"~/overnight/{shlex.quote(database.name)}"
    if home is None or untrusted_place(home / database.name):
        local = f"/A/LOCAL/DISK/{shlex.quote(database.name)}"
    folder = shlex.quote(str(database.parent))
    raise DatabaseRefused(
        f"{database} is {where}, where a database can be damaged: SQLite's locks cannot be trusted "
        f"there; keep it on a local disk (--db {local}, or the same in OVERNIGHT_DB), and copy it "
        f"there with: overnight backup --out {folder}"
    )


def untrusted_place(path: Path) -> str | None:
    """What is wrong with the place of a file, which need not exist; None if nothing is."""
    home = _home()
    cloud = None if home is None else cloud_of(path, home)
    if cloud is not None:
        return f"in a folder of {cloud}"
    drive = network_drive(path.resolve(), mount_table())
    return None if drive is None else f"on a network drive ({drive})"


def cloud_of(path: Path, home: Path) -> str | None:
    """The cloud whose client keeps a file's folder in step; its real path counts as well."""
    for here, base in ((path, home), (path.resolve(), home.resolve())):
        if here.is_relative_to(base):
            inside = here.relative_to(base).parent.as_posix()
            for beginning, cloud in _CLOUDS:
                if inside.startswith(beginning):
                    return cloud
    return None


def network_drive(path: Path, table: str) -> str | None:
    """The network drive that holds a real path, in words; None for a local or unknown one.

    `table` is /proc/self/mountinfo of Linux, or what `mount` prints on macOS.
    """
    kind, source, point = "", "", ""
    inside = f"{path}/"
    for mounted_kind, mounted_source, mounted_at in _mounts(table):
        # `>=`: what was mounted later on the same place hides what lies below.
        holds = inside.startswith(mounted_at.rstrip("/") + "/")
        if holds and len(mounted_at) >= len(point):
            kind, source, point = mounted_kind, mounted_source, mounted_at
    name = _remote_name(kind, source)
    if name is None or (kind == "9p" and point == "/"):  # a sandbox whose own disk comes by 9p
        return None
    return f"{name}, {source}" if source not in ("", "none") else name


def _remote_name(kind: str, source: str) -> str | None:
    if kind in _REMOTE:
        return _REMOTE[kind]
    family, _, flavour = kind.partition(".")
    if family == "fuse" and _REMOTE_FUSE.search(flavour):
        return flavour
    return kind if kind in _ANY_FUSE and _HOST_FIRST.match(source) else None


def _mounts(table: str) -> Iterable[tuple[str, str, str]]:
    """(type, source, mount point) of every mount, in the order of the table."""
    for line in table.splitlines():
        before, separator, after = line.partition(" - ")
        left, right = before.split(" "), after.split(" ")
        if separator and len(left) > 5 and len(right) > 1:  # noqa: PLR2004 - proc(5)
            yield right[0], _unescaped(right[1]), _unescaped(left[4])
        elif match := _MAC_LINE.fullmatch(line):
            yield match["kind"], match["source"], match["point"]


def _unescaped(text: str) -> str:
    r"""`text` with \040 and its like as the bytes that they are."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 8)), text)


def _home() -> Path | None:
    try:
        return Path.home()
    except RuntimeError:  # a user without one, as in some containers
        return None


def mount_table() -> str:
    """What is mounted where; empty where that cannot be told, and then nothing is refused."""
    try:
        if sys.platform == "darwin":
            return subprocess.run(
                ["/sbin/mount"], capture_output=True, text=True, check=True, timeout=5
            ).stdout
        return _MOUNT_TABLE.read_text(encoding="utf-8", errors="surrogateescape")
    except (OSError, subprocess.SubprocessError):
        return ""
