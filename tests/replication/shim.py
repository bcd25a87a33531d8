"""Small libraries that are loaded before the C library, to stand between SQLite and the disk."""

import subprocess
from pathlib import Path

import pytest

# Calls on the disk fail while the environment variable DISK_FAILS names them.
FAILING_DISK = r"""
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static int fails(const char *what) { const char *now = getenv("DISK_FAILS"); return now && strcmp(now, what) == 0; }

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
int fsync(int fd) { if (fails("sync")) { errno = EIO; return -1; } return REAL(fsync)(fd); }
int fdatasync(int fd) { if (fails("sync")) { errno = EIO; return -1; } return REAL(fdatasync)(fd); }
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
    if (fails("full")) { errno = ENOSPC; return -1; }
    if (fails("write")) { errno = EIO; return -1; }
    return REAL(pwrite)(fd, data, size, at);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) { return pwrite(fd, data, size, (off_t)at); }
"""

# Every write, cut and sync of a file below the directory DISK_WATCHED is told to the file DISK_LOG.
WATCHED_DISK = r"""
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int log_file = -1;

/* One record: kind, length of the name, offset, length of the data; then both. One writev, so records stay whole. */
static void tell(char kind, int fd, long long at, const void *data, size_t size) {
    const char *watched = getenv("DISK_WATCHED"), *log = getenv("DISK_LOG");
    char link[64], path[1024];
    if (!watched || !log) return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path);
    if (length <= 0 || strncmp(path, watched, strlen(watched)) != 0) return;
    if (log_file < 0) log_file = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    long long head[4] = {kind, length, at, (long long)size};
    struct iovec parts[3] = {{head, sizeof head}, {path, (size_t)length}, {(void *)data, size}};
    if (writev(log_file, parts, 3) < 0) abort();
}

int fsync(int fd) { int r = REAL(fsync)(fd); if (r == 0) tell('s', fd, 0, "", 0); return r; }
int fdatasync(int fd) { int r = REAL(fdatasync)(fd); if (r == 0) tell('s', fd, 0, "", 0); return r; }
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
    ssize_t r = REAL(pwrite)(fd, data, size, at);
    if (r > 0) tell('w', fd, at, data, (size_t)r);
    return r;
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) { return pwrite(fd, data, size, (off_t)at); }
int ftruncate(int fd, off_t size) {
    int r = REAL(ftruncate)(fd, size);
    if (r == 0) tell('t', fd, size, "", 0);
    return r;
}
int ftruncate64(int fd, off64_t size) { return ftruncate(fd, (off_t)size); }
"""


# The same, and every name that is made, changed or removed there.
WATCHED_NAMES = (
    WATCHED_DISK
    + r"""
#include <stdarg.h>
#include <sys/stat.h>

static void tell_name(char kind, const char *path, const char *new_path) {
    const char *watched = getenv("DISK_WATCHED"), *log = getenv("DISK_LOG");
    if (!watched || !log || strncmp(path, watched, strlen(watched)) != 0) return;
    if (log_file < 0) log_file = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    long long head[4] = {kind, (long long)strlen(path), 0, (long long)strlen(new_path)};
    struct iovec parts[3] = {{head, sizeof head}, {(void *)path, strlen(path)}, {(void *)new_path, strlen(new_path)}};
    if (writev(log_file, parts, 3) < 0) abort();
}

int open(const char *path, int flags, ...) {
    mode_t mode = 0;
    if (flags & O_CREAT) { va_list rest; va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest); }
    int is_new = (flags & O_CREAT) && access(path, F_OK) != 0;
    int file = REAL(open)(path, flags, mode);
    if (file >= 0 && is_new) tell_name('c', path, "");
    return file;
}
int open64(const char *path, int flags, ...) {
    mode_t mode = 0;
    if (flags & O_CREAT) { va_list rest; va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest); }
    return open(path, flags | O_LARGEFILE, mode);
}
int rename(const char *path, const char *new_path) {
    int r = REAL(rename)(path, new_path);
    if (r == 0) tell_name('r', path, new_path);
    return r;
}
int unlink(const char *path) { int r = REAL(unlink)(path); if (r == 0) tell_name('u', path, ""); return r; }
int mkdir(const char *path, mode_t mode) {
    int r = REAL(mkdir)(path, mode);
    if (r == 0) tell_name('m', path, "");
    return r;
}
"""
)


def build(directory: Path, source: str) -> Path:
    """The compiled library; skips the test where there is no C compiler."""
    (directory / "shim.c").write_text(source)
    library = directory / "shim.so"
    command = ["cc", "-shared", "-fPIC", "-D_GNU_SOURCE", "-o", str(library), str(directory / "shim.c"), "-ldl"]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no C compiler to build the shim with: {error}")
    return library
