/* SPDX-License-Identifier: Apache-2.0 */
#include "file-tree.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "netlink/holders-scan.h"

#define MAX_NODES 128

/* Descriptors of directories, which are none of the kernel's. */
#define DIR_FD 100000

enum type { DIRECTORY, REGULAR, LINK, BROKEN };

struct node {
    const char *path;
    enum type type;
    const char *content;
    size_t len;
};

struct directory {
    const char *path;
    size_t next;
    struct dirent entry;
};

static struct node nodes[MAX_NODES];
static size_t n_nodes;
static char dir_paths[64][512];
static size_t n_dir_paths;
static bool is_on;

/* The part of 'path' below the directory 'dir', or NULL. */
static const char *
below(const char *path, const char *dir)
{
    size_t len = strlen(dir);

    return !strncmp(path, dir, len) && path[len] == '/' && path[len + 1]
               ? path + len + 1
               : NULL;
}

static const struct node *
find(const char *path)
{
    for (size_t i = 0; i < n_nodes; i++) {
        if (!strcmp(nodes[i].path, path)) {
            return &nodes[i];
        }
    }
    return NULL;
}

static bool
is_dir(const char *path)
{
    const struct node *node = find(path);

    if (node && node->type == BROKEN) {
        return false;
    }
    for (size_t i = 0; i < n_nodes; i++) {
        if (below(nodes[i].path, path)) {
            return true;
        }
    }
    return node && node->type == DIRECTORY;
}

/* What is wrong with 'node', which may be NULL: its own error, or 'error'. */
static int
errno_of(const struct node *node, int error)
{
    int broken = node && node->type == BROKEN ? atoi(node->content) : error;

    return broken > 0 && broken < 4096 ? broken : EIO;
}

int
tree_open(const char *path)
{
    const struct node *node = find(path);
    int fd;

    if (!node || node->type != REGULAR) {
        errno = errno_of(node, node ? EISDIR : ENOENT);
        return -1;
    }
    fd = memfd_create("file", MFD_CLOEXEC);
    if (fd < 0 || write(fd, node->content, node->len) != (ssize_t) node->len
        || lseek(fd, 0, SEEK_SET)) {
        abort();
    }
    return fd;
}

int __real_open(const char *, int, ...);
int __wrap_open(const char *path, int flags, ...);
int
__wrap_open(const char *path, int flags, ...)
{
    va_list args;
    mode_t mode;

    if (is_on && flags & O_DIRECTORY) {
        if (!is_dir(path) || n_dir_paths == 64) {
            errno = errno_of(find(path), ENOENT);
            return -1;
        }
        (void) snprintf(dir_paths[n_dir_paths], sizeof dir_paths[0], "%s",
                        path);
        return DIR_FD + (int) n_dir_paths++;
    }
    if (is_on) {
        return tree_open(path);
    }
    va_start(args, flags);
    mode = va_arg(args, mode_t);
    va_end(args);
    return __real_open(path, flags, mode);
}

int __real_close(int);
int __wrap_close(int fd);
int
__wrap_close(int fd)
{
    if (fd >= DIR_FD) {
        assert(n_dir_paths);
        n_dir_paths--;
        return 0;
    }
    return __real_close(fd);
}

FILE *__real_fopen(const char *, const char *);
FILE *__wrap_fopen(const char *path, const char *mode);
FILE *
__wrap_fopen(const char *path, const char *mode)
{
    int fd;

    if (!is_on) {
        return __real_fopen(path, mode);
    }
    fd = tree_open(path);
    return fd < 0 ? NULL : fdopen(fd, mode);
}

DIR *__real_opendir(const char *);
DIR *__wrap_opendir(const char *path);
DIR *
__wrap_opendir(const char *path)
{
    struct directory *dir;

    if (!is_on) {
        return __real_opendir(path);
    }
    if (!is_dir(path)) {
        errno = errno_of(find(path), find(path) ? ENOTDIR : ENOENT);
        return NULL;
    }
    dir = calloc(1, sizeof *dir);
    assert(dir);
    dir->path = strdup(path);
    return (DIR *) dir;
}

struct dirent *__real_readdir(DIR *);
struct dirent *__wrap_readdir(DIR *dir_);
struct dirent *
__wrap_readdir(DIR *dir_)
{
    struct directory *dir = (struct directory *) dir_;

    if (!is_on) {
        return __real_readdir(dir_);
    }
    for (; dir->next < n_nodes; dir->next++) {
        const char *name = below(nodes[dir->next].path, dir->path);
        size_t len = name ? strcspn(name, "/") : 0;
        bool is_seen = !len || len >= sizeof dir->entry.d_name;

        /* Listed with the first that is in it. */
        for (size_t i = 0; i < dir->next && !is_seen; i++) {
            const char *other = below(nodes[i].path, dir->path);

            is_seen = other && strcspn(other, "/") == len
                      && !strncmp(name, other, len);
        }
        if (!is_seen) {
            memcpy(dir->entry.d_name, name, len);
            dir->entry.d_name[len] = '\0';
            dir->next++;
            return &dir->entry;
        }
    }
    return NULL;
}

int __real_closedir(DIR *);
int __wrap_closedir(DIR *dir_);
int
__wrap_closedir(DIR *dir_)
{
    struct directory *dir = (struct directory *) dir_;

    if (!is_on) {
        return __real_closedir(dir_);
    }
    free((void *) (uintptr_t) dir->path);
    free(dir);
    return 0;
}

ssize_t __real_readlink(const char *, char *, size_t);
ssize_t __wrap_readlink(const char *path, char *to, size_t size);
ssize_t
__wrap_readlink(const char *path, char *to, size_t size)
{
    const struct node *node;
    size_t len;

    if (!is_on) {
        return __real_readlink(path, to, size);
    }
    node = find(path);
    if (!node || node->type != LINK) {
        errno = errno_of(node, node ? EINVAL : ENOENT);
        return -1;
    }
    len = strcspn(node->content, " ");
    len = len < size ? len : size;
    memcpy(to, node->content, len);
    return (ssize_t) len;
}

char *__real_realpath(const char *, char *);
char *__wrap_realpath(const char *path, char *to);
char *
__wrap_realpath(const char *path, char *to)
{
    const struct node *node;

    if (!is_on) {
        return __real_realpath(path, to);
    }
    assert(!to);
    node = find(path);
    errno = errno_of(node, ENOENT);
    return (!node && !is_dir(path)) || (node && node->type == BROKEN) ? NULL
           : node && node->type == LINK ? strdup(node->content)
                                        : strdup(path);
}

static void
path_at(char path[1024], int dir_fd, const char *name)
{
    assert(dir_fd >= DIR_FD && dir_fd < DIR_FD + 64);
    (void) snprintf(path, 1024, "%s/%s", dir_paths[dir_fd - DIR_FD], name);
}

ssize_t __wrap_readlinkat(int dir_fd, const char *name, char *to, size_t size);
ssize_t
__wrap_readlinkat(int dir_fd, const char *name, char *to, size_t size)
{
    char path[1024];

    path_at(path, dir_fd, name);
    return __wrap_readlink(path, to, size);
}

int __wrap_statx(int dir_fd, const char *name, int flags, unsigned int mask,
                 struct statx *status);
int
__wrap_statx(int dir_fd, const char *name, int flags, unsigned int mask,
             struct statx *status)
{
    char path[1024];
    const struct node *node;
    const char *device;

    (void) flags;
    (void) mask;
    path_at(path, dir_fd, name);
    node = find(path);
    memset(status, 0, sizeof *status);
    if (!node || node->type != LINK) {
        errno = errno_of(node, ENOENT);
        return -1;
    }
    device = strchr(node->content, ' ');
    status->stx_mode = device ? S_IFCHR : S_IFREG;
    if (device) {
        (void) sscanf(device, "%u:%u", &status->stx_rdev_major,
                      &status->stx_rdev_minor);
    }
    return 0;
}

int __real_stat(const char *, struct stat *);
int __wrap_stat(const char *path, struct stat *status);
int
__wrap_stat(const char *path, struct stat *status)
{
    const struct node *node;

    if (!is_on) {
        return __real_stat(path, status);
    }
    memset(status, 0, sizeof *status);
    if (!strcmp(path, "/proc/self/ns/pid")) {
        status->st_ino = VDPAD_INITIAL_PID_NS;
        return 0;
    }
    node = find(path);
    if (node ? node->type == BROKEN : !is_dir(path)) {
        errno = errno_of(node, ENOENT);
        return -1;
    }
    status->st_mode = !node || node->type == DIRECTORY ? S_IFDIR
                      : node->type == LINK             ? S_IFLNK
                                                       : S_IFREG;
    return 0;
}

int __real_lstat(const char *, struct stat *);
int __wrap_lstat(const char *path, struct stat *status);
int
__wrap_lstat(const char *path, struct stat *status)
{
    return is_on ? __wrap_stat(path, status) : __real_lstat(path, status);
}

/* Turns "\n" and "\0" in the 'len' bytes at 'text' into what they stand for;
 * returns how many are left. */
static size_t
unescape(char *text, size_t len)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\\' && i + 1 < len
            && (text[i + 1] == 'n' || text[i + 1] == '0')) {
            text[n++] = text[++i] == 'n' ? '\n' : '\0';
        } else {
            text[n++] = text[i];
        }
    }
    text[n] = '\0';
    return n;
}

void
tree_make(char *text)
{
    n_nodes = 0;
    n_dir_paths = 0;
    for (char *line; n_nodes < MAX_NODES && (line = strsep(&text, "\n"));) {
        struct node *node = &nodes[n_nodes];
        size_t len = strcspn(line, "=>!");
        char kind = line[len];

        if (line[0] != '/' || !len) {
            continue;
        }
        line[len] = '\0';
        node->path = line;
        node->type = kind == '='   ? REGULAR
                     : kind == '>' ? LINK
                     : kind == '!' ? BROKEN
                                   : DIRECTORY;
        node->content = kind ? line + len + 1 : "";
        node->len = kind ? strlen(node->content) : 0;
        if (kind == '=') {
            node->len = unescape(line + len + 1, node->len);
        }
        if (!find(node->path)) {
            n_nodes++;
        }
    }
}

void
tree_on(bool on)
{
    is_on = on;
}

size_t
tree_n_open(void)
{
    return n_dir_paths;
}
