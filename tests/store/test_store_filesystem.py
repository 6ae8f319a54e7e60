"""A database on a network drive is refused before it is opened; the two ways out are named."""

import time
from pathlib import Path

import pytest

from overnight.errors import DatabaseRefused
from overnight.store import filesystem
from overnight.store.filesystem import cloud_of, network_drive, untrusted_place
from overnight.store.open import open_database

LINUX = r"""22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
31 27 0:40 / /tmp rw,nosuid - tmpfs tmpfs rw,size=2m
40 27 8:17 / /data rw - xfs /dev/sdb1 rw
41 40 0:51 / /data/share rw,relatime shared:9 - nfs4 nas.example:/export/share rw,vers=4.2
42 27 0:52 / /mnt/smb rw - cifs //nas/share rw,vers=3.1.1
43 27 0:53 / /scratch rw - lustre 10.0.0.1@o2ib:/scratch rw,flock
44 27 0:54 / /gpfs rw - gpfs gpfs0 rw
45 27 0:55 / /beegfs rw - beegfs beegfs_nodev rw
46 27 0:56 / /ceph rw - ceph 10.0.0.2:6789:/ rw
47 27 0:57 / /gluster rw - fuse.glusterfs nas:/volume rw
48 27 0:58 / /afs rw - afs AFS rw
49 27 0:59 / /home/me/far rw - fuse.sshfs me@far.example:/home/me rw,user_id=1000
50 27 0:60 / /home/me/bucket rw - fuse.rclone s3:bucket rw
51 27 0:61 / /mnt/c rw,noatime - 9p C:\134 rw,aname=drvfs;path=C:\134
52 27 0:62 / /mnt/d rw - drvfs D: rw
53 27 0:63 / /mnt/with\040blank rw - nfs nas:/with\040blank rw
54 27 0:64 / /home/me/sealed rw - fuse.gocryptfs /home/me/.sealed rw
55 27 0:65 / /pool rw - fuse.mergerfs a:b rw
56 27 8:33 / /usb rw - fuseblk /dev/sdc1 rw
57 41 8:49 / /data/share/local rw - ext4 /dev/sdd1 rw
58 27 0:66 / /twice rw - ext4 /dev/sde1 rw
59 58 0:67 / /twice rw - nfs nas:/twice rw
60 27 0:68 / /thrice rw - nfs nas:/thrice rw
61 60 0:69 / /thrice rw - btrfs /dev/sdf1 rw
62 27 0:70 / /odd rw - newfs something rw
63 27 0:71 / /over rw - overlay overlay rw,lowerdir=/a:/b
a line that nobody understands
"""
MACOS = """/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)
devfs on /dev (devfs, local, nobrowse)
/dev/disk3s5 on /System/Volumes/Data (apfs, local, journaled, nobrowse, protect)
map auto_home on /System/Volumes/Data/home (autofs, automounted, nobrowse)
//me@nas/My Share on /Volumes/My Share (smbfs, nodev, nosuid, mounted by me)
nas:/export on /Volumes/export (nfs, nodev, nosuid)
me@far.example:/data on /Volumes/far (macfuse, nodev, nosuid, synchronous, mounted by me)
/dev/disk5s1 on /Volumes/ntfs (macfuse, local, synchronous)
/dev/disk4s2 on /Volumes/USB (exfat, local, nodev, nosuid, noowners)
"""


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/data/share/overnight.db", "NFS, nas.example:/export/share"),
        ("/data/share/deep/er/overnight.db", "NFS, nas.example:/export/share"),
        ("/mnt/smb/x.db", "SMB, //nas/share"),
        ("/scratch/me/x.db", "Lustre, 10.0.0.1@o2ib:/scratch"),
        ("/gpfs/x.db", "GPFS, gpfs0"),
        ("/beegfs/x.db", "BeeGFS, beegfs_nodev"),
        ("/ceph/x.db", "Ceph, 10.0.0.2:6789:/"),
        ("/gluster/x.db", "glusterfs, nas:/volume"),
        ("/afs/cell/x.db", "AFS, AFS"),
        ("/home/me/far/x.db", "sshfs, me@far.example:/home/me"),
        ("/home/me/bucket/x.db", "rclone, s3:bucket"),
        ("/mnt/c/Users/me/x.db", "9p, C:\\"),
        ("/mnt/d/x.db", "a drive of Windows, D:"),
        ("/mnt/with blank/x.db", "NFS, nas:/with blank"),
        ("/twice/x.db", "NFS, nas:/twice"),
    ],
)
def test_network_drives_of_linux_are_known(path, said):
    assert network_drive(Path(path), LINUX) == said


@pytest.mark.parametrize(
    "path",
    [
        "/home/me/overnight.db",
        "/tmp/x.db",
        "/data/x.db",
        "/data/shared/x.db",  # its name only begins like a network drive's
        "/data/share/local/x.db",
        "/home/me/sealed/x.db",
        "/pool/x.db",
        "/usb/x.db",
        "/thrice/x.db",
        "/odd/x.db",
        "/over/x.db",
    ],
)
def test_local_and_unknown_drives_are_allowed(path):
    assert network_drive(Path(path), LINUX) is None


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/Users/me/x.db", None),
        ("/Volumes/My Share/x.db", "SMB, //me@nas/My Share"),
        ("/Volumes/export/x.db", "NFS, nas:/export"),
        ("/Volumes/far/x.db", "macfuse, me@far.example:/data"),
        ("/Volumes/ntfs/x.db", None),
        ("/Volumes/USB/x.db", None),
    ],
)
def test_the_drives_of_macos_are_known(path, said):
    assert network_drive(Path(path), MACOS) == said


def test_a_sandbox_whose_own_disk_comes_by_9p_is_no_network_drive():
    table = "1 0 0:1 / / rw - 9p none rw,trans=fd\n2 1 0:2 / /mnt/c rw - 9p C: rw\n"
    assert network_drive(Path("/root/x.db"), table) is None
    assert network_drive(Path("/mnt/c/x.db"), table) == "9p, C:"


def test_without_a_table_nothing_is_refused():
    assert network_drive(Path("/anywhere/x.db"), "") is None


@pytest.mark.parametrize(
    ("inside", "cloud"),
    [
        ("OneDrive/x.db", "OneDrive"),
        ("OneDrive - The University/study/x.db", "OneDrive"),
        ("Dropbox (Personal)/x.db", "Dropbox"),
        ("Google Drive/x.db", "Google Drive"),
        ("Library/CloudStorage/Box-Box/x.db", "a cloud"),
        ("Library/Mobile Documents/com~apple~CloudDocs/x.db", "iCloud"),
        ("study/x.db", None),
        ("OneDrive.db", None),
        ("study/OneDrive/x.db", None),
    ],
)
def test_folders_of_clouds_are_known_by_their_names(tmp_path, inside, cloud):
    assert cloud_of(tmp_path / inside, tmp_path) == cloud


def test_the_real_place_counts_also_of_a_database_that_is_not_there_yet(tmp_path, monkeypatch):
    share = tmp_path / "share"
    share.mkdir()
    (tmp_path / "link").symlink_to(share, target_is_directory=True)
    table = f"1 0 0:1 / / rw - ext4 /dev/vda rw\n2 1 0:2 / {share.resolve()} rw - nfs nas:/x rw\n"
    monkeypatch.setattr(filesystem, "mount_table", lambda: table)
    assert untrusted_place(tmp_path / "link" / "new" / "x.db") == "on a network drive (NFS, nas:/x)"
    assert untrusted_place(tmp_path / "x.db") is None


@pytest.mark.parametrize("create", [False, True])
def test_such_a_database_is_refused_before_anything_is_opened(tmp_path, monkeypatch, create):
    share = tmp_path / "share"
    table = (
        f"1 0 0:1 / / rw - ext4 /dev/vda rw\n2 1 0:2 / {tmp_path.resolve()} rw - nfs nas:/x rw\n"
    )
    monkeypatch.setattr(filesystem, "mount_table", lambda: table)
    with pytest.raises(DatabaseRefused) as caught:
        open_database(share / "study.db", create=create)
    said = str(caught.value)
    assert "on a network drive (NFS, nas:/x)" in said
    assert "--db ~/overnight/study.db" in said
    assert "OVERNIGHT_DB" in said
    assert f"overnight backup --out {share}" in said
    assert "\n" not in said
    assert caught.value.exit_code == 3
    assert not share.exists()


def test_who_has_his_home_on_a_network_drive_is_not_sent_there(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    table = f"2 1 0:2 / {tmp_path.resolve()} rw - nfs nas:/x rw\n"
    monkeypatch.setattr(filesystem, "mount_table", lambda: table)
    with pytest.raises(DatabaseRefused, match="--db /A/LOCAL/DISK/study"):
        open_database(tmp_path / "home" / "study.db", create=True)


def test_a_cloud_folder_is_refused_as_well(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(DatabaseRefused, match="in a folder of OneDrive"):
        open_database(tmp_path / "OneDrive - Uni" / "study.db", create=True)
    assert list(tmp_path.iterdir()) == []


def test_looking_costs_next_to_nothing(tmp_path):
    untrusted_place(tmp_path / "x.db")
    started = time.process_time()  # others on the machine do not count
    for _ in range(20):
        untrusted_place(tmp_path / "x.db")
    assert (time.process_time() - started) / 20 < 0.01, "0.1 ms where it was measured"
