# SPDX-License-Identifier: MIT
"""editors.py HOW FILE TEXT: saves TEXT to FILE with the system calls of an editor or library that is too large to
install for a test."""
import contextlib
import ctypes
import errno
import os
import shutil
import sys
import tempfile

libc = ctypes.CDLL(None, use_errno=True)


def write(path, text, flags, mode=0o666):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | flags, mode)
    os.write(fd, text.encode())
    os.fsync(fd)
    os.close(fd)


def without(path):
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def emacs_lock(folder, name):
    """A symbolic link; where there are none a file that is renamed to it."""
    try:
        os.symlink("user@host.1:2", f"{folder}/.#{name}")
        raise AssertionError("a symbolic link beside members")
    except PermissionError:
        fd, made = tempfile.mkstemp(prefix=".#-emacs", dir=folder)
    os.write(fd, b"user@host.1:2")
    os.fchmod(fd, 0o644)
    os.close(fd)
    if libc.renameat2(-100, os.fsencode(made), -100, os.fsencode(f"{folder}/.#{name}"), 1) != 0:
        raise OSError(ctypes.get_errno(), "renameat2")


def emacs(folder, name, text):
    path = f"{folder}/{name}"
    before = os.stat(path)
    emacs_lock(folder, name)
    write(f"{folder}/#{name}#", text, os.O_TRUNC)
    without(path + "~")
    try:
        os.rename(path, path + "~")
    except OSError as error:
        assert error.errno in (errno.EINVAL, errno.EPERM), error
        shutil.copy2(path, path + "~")
    write(path, text, os.O_TRUNC)
    os.chmod(path, before.st_mode & 0o7777)
    os.unlink(f"{folder}/#{name}#")
    os.unlink(f"{folder}/.#{name}")


def nano(folder, name, text):
    path = f"{folder}/{name}"
    before = os.stat(path)
    write(f"{folder}/.{name}.swp", "b0nano", os.O_EXCL)
    without(path + "~")
    fd = os.open(path + "~", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.fchown(fd, before.st_uid, before.st_gid)
    os.fchmod(fd, 0o640)
    with open(path, "rb") as file:
        os.write(fd, file.read())
    os.utime(fd, ns=(before.st_atime_ns, before.st_mtime_ns))
    os.close(fd)
    saved = os.stat(path + "~")
    assert (saved.st_mode & 0o7777, saved.st_mtime_ns) == (0o640, before.st_mtime_ns), saved
    write(path, text, os.O_TRUNC)
    os.unlink(f"{folder}/.{name}.swp")


def glib(folder, name, text):
    write(f"{folder}/.goutputstream-ABC123", text, os.O_EXCL)
    os.rename(f"{folder}/.goutputstream-ABC123", f"{folder}/{name}")


def python(folder, name, text):
    with tempfile.NamedTemporaryFile("w", dir=folder, delete=False) as file:
        file.write(text)
    os.chmod(file.name, 0o644)
    os.replace(file.name, f"{folder}/{name}")


def lock_file(folder, name, text):
    """git, and many that name their temporary file by a suffix: it is a member until it is renamed."""
    write(f"{folder}/{name}.lock", text, os.O_EXCL)
    os.rename(f"{folder}/{name}.lock", f"{folder}/{name}")


globals()[sys.argv[1]](os.path.dirname(sys.argv[2]), os.path.basename(sys.argv[2]), sys.argv[3])
