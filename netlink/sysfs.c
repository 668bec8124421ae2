/* SPDX-License-Identifier: Apache-2.0 */
#include "sysfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attrs.h"

bool
vdpad_sysfs_name_is_valid(const char *name)
{
    size_t len = strnlen(name, 128);

    if (!len || len == 128 || !strcmp(name, ".") || !strcmp(name, "..")) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char) name[i];

        if (c < 0x20 || c == 0x7f || c == '/') {
            return false;
        }
    }
    return true;
}

/* The value of a hexadecimal digit, or 16. */
static unsigned int
digit_value(char c)
{
    return c >= '0' && c <= '9'   ? (unsigned int) (c - '0')
           : c >= 'a' && c <= 'f' ? (unsigned int) (c - 'a') + 10
           : c >= 'A' && c <= 'F' ? (unsigned int) (c - 'A') + 10
                                  : 16;
}

int
vdpad_number_take(const char **text, uint64_t max, uint64_t *number)
{
    const char *p = *text;
    unsigned int base = 10;
    uint64_t value = 0;

    if (p[0] == '0' && p[1] == 'x') {
        base = 16;
        p += 2;
    }
    if (digit_value(*p) >= base) {
        return -EINVAL;
    }
    for (; digit_value(*p) < base; p++) {
        unsigned int digit = digit_value(*p);

        if (value > (max - digit) / base || digit > max) {
            return -EINVAL;
        }
        value = value * base + digit;
    }
    *text = p;
    *number = value;
    return 0;
}

int
vdpad_number_after(const char *text, const char *prefix, uint64_t max,
                   uint64_t *number)
{
    size_t len = strlen(prefix);
    const char *p = text + len;
    uint64_t value;
    int error;

    if (strncmp(text, prefix, len) || (p[0] == '0' && p[1] == 'x')) {
        return -EINVAL;
    }
    error = vdpad_number_take(&p, max, &value);
    if (!error && *p) {
        error = -EINVAL;
    }
    if (!error) {
        *number = value;
    }
    return error;
}

static int __attribute__((format(printf, 2, 0)))
make_path(char path[VDPAD_PATH_SIZE], const char *format, va_list args)
{
    int n = vsnprintf(path, VDPAD_PATH_SIZE, format, args);

    return n < 0 || n >= VDPAD_PATH_SIZE ? -ENAMETOOLONG : 0;
}

static int
read_path(char *dst, size_t size, const char *path)
{
    ssize_t n;
    int fd, error = 0;

    memset(dst, 0, size);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    n = read(fd, dst, size - 1);
    if (n < 0) {
        error = -errno;
    }
    (void) close(fd);
    if (!error) {
        dst[strcspn(dst, "\n")] = '\0';
        if (!strcmp(dst, "(null)")) {
            dst[0] = '\0';
        }
        /* Nothing may follow the text: rows are compared as bytes. */
        memset(dst + strlen(dst), 0, size - strlen(dst));
    }
    return error;
}

int
vdpad_sysfs_read(char *dst, size_t size, const char *format, ...)
{
    char path[VDPAD_PATH_SIZE];
    va_list args;
    int error;

    dst[0] = '\0';
    va_start(args, format);
    error = make_path(path, format, args);
    va_end(args);
    return error ? error : read_path(dst, size, path);
}

int
vdpad_sysfs_read_number(uint64_t *number, const char *format, ...)
{
    char path[VDPAD_PATH_SIZE], text[32];
    const char *end = text;
    uint64_t value;
    va_list args;
    int error;

    va_start(args, format);
    error = make_path(path, format, args);
    va_end(args);
    if (!error) {
        error = read_path(text, sizeof text, path);
    }
    if (error) {
        return error;
    }
    error = vdpad_number_take(&end, UINT64_MAX, &value);
    if (!error && *end) {
        error = -EINVAL;
    }
    if (!error) {
        *number = value;
    }
    return error;
}

int
vdpad_sysfs_link(char *dst, size_t size, const char *format, ...)
{
    char path[VDPAD_PATH_SIZE], target[VDPAD_PATH_SIZE];
    const char *base;
    va_list args;
    ssize_t n;
    int error;

    memset(dst, 0, size);
    va_start(args, format);
    error = make_path(path, format, args);
    va_end(args);
    if (error) {
        return error;
    }
    n = readlink(path, target, sizeof target - 1);
    if (n < 0) {
        return -errno;
    }
    target[n] = '\0';
    base = strrchr(target, '/');
    vdpad_text_copy(dst, size, base ? base + 1 : target);
    return 0;
}

bool
vdpad_sysfs_exists(const char *format, ...)
{
    char path[VDPAD_PATH_SIZE];
    struct stat status;
    va_list args;
    int error;

    va_start(args, format);
    error = make_path(path, format, args);
    va_end(args);
    return !error && !lstat(path, &status);
}

int
vdpad_sysfs_write(const char *value, struct vdpad_error *why,
                  const char *format, ...)
{
    char path[VDPAD_PATH_SIZE];
    size_t len = strlen(value);
    va_list args;
    int fd, error;

    va_start(args, format);
    error = make_path(path, format, args);
    va_end(args);
    if (error) {
        return vdpad_error_set(why, error, "write to /sys: name too long");
    }
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        error = -errno;
    } else {
        ssize_t n = write(fd, value, len);

        error = n < 0 ? -errno : (size_t) n != len ? -EIO : 0;
        (void) close(fd);
    }
    return !error ? 0
                  : vdpad_error_set(why, error, "write %s to %s: %s",
                                    strcmp(value, "\n") ? value : "nothing",
                                    path, strerror(-error));
}

int
vdpad_sysfs_list(const char *path, const char *prefix,
                 vdpad_sysfs_entry_cb *cb, void *aux)
{
    size_t prefix_len = strlen(prefix);
    const struct dirent *entry;
    int error = 0;
    DIR *dir = opendir(path);

    if (!dir) {
        return -errno;
    }
    for (;;) {
        errno = 0;
        entry = readdir(dir);
        if (!entry) {
            error = -errno;
            break;
        }
        if (entry->d_name[0] != '.'
            && !strncmp(entry->d_name, prefix, prefix_len)) {
            error = cb(aux, entry->d_name);
            if (error) {
                break;
            }
        }
    }
    (void) closedir(dir);
    return error;
}
