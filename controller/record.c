/* SPDX-License-Identifier: Apache-2.0 */
#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util.h"

/* Bytes; 254 devices need some 40 kB. */
#define FILE_MAX (4 * 1024 * 1024)
#define FORMAT_VERSION 1

/* The four tables are arrays of structures that begin with their key. */

static void *
find(void *table, size_t n, size_t size, const char *key)
{
    bool found;
    size_t i = vdpad_position(table, n, size, key, &found);

    return found ? (char *) table + i * size : NULL;
}

/* Inserts a zeroed entry at its place, or returns the one that is there. */
static void *
add(void **table, size_t *n, size_t size, const char *key, size_t key_size,
    bool *is_new)
{
    bool found;
    size_t i = vdpad_position(*table, *n, size, key, &found);

    *is_new = !found;
    if (!found) {
        *table = vdpad_xrealloc(*table, *n + 1, size);

        char *at = (char *) *table + i * size;

        memmove(at + size, at, (*n - i) * size);
        memset(at, 0, size);
        vdpad_copy(at, key_size, key);
        ++*n;
    }
    return (char *) *table + i * size;
}

static void
del(void *table, size_t *n, size_t size, const char *key)
{
    bool found;
    size_t i = vdpad_position(table, *n, size, key, &found);

    if (found) {
        char *at = (char *) table + i * size;

        memmove(at, at + size, (*n - i - 1) * size);
        --*n;
    }
}

struct vdpad_record_pf *
vdpad_record_find_pf(const struct vdpad_record *r, const char *bdf)
{
    return find(r->pfs, r->n_pfs, sizeof *r->pfs, bdf);
}

struct vdpad_record_dev *
vdpad_record_find_dev(const struct vdpad_record *r, const char *vf)
{
    return find(r->devs, r->n_devs, sizeof *r->devs, vf);
}

struct vdpad_record_vf *
vdpad_record_find_vf(const struct vdpad_record *r, const char *vf)
{
    return find(r->vfs, r->n_vfs, sizeof *r->vfs, vf);
}

struct vdpad_record_policy *
vdpad_record_find_policy(const struct vdpad_record *r, const char *name)
{
    return find(r->policies, r->n_policies, sizeof *r->policies, name);
}

struct vdpad_record_pf *
vdpad_record_add_pf(struct vdpad_record *r, const char *bdf)
{
    void *table = r->pfs;
    bool is_new;
    struct vdpad_record_pf *pf = add(&table, &r->n_pfs, sizeof *pf, bdf,
                                     sizeof pf->bdf, &is_new);

    r->pfs = table;
    if (is_new) {
        pf->mode = pf->autoprobe = pf->mtu = pf->tc_offload = -1;
        vdpad_record_forget_vfs(pf);
    }
    return pf;
}

void
vdpad_record_forget_vfs(struct vdpad_record_pf *pf)
{
    pf->numvfs = pf->vfs_asked = pf->vfs_made = -1;
}

bool
vdpad_record_has_vfs(const struct vdpad_record_pf *pf)
{
    return pf->numvfs == 0 && (pf->vfs_made > 0 || pf->vfs_asked < 0);
}

struct vdpad_record_dev *
vdpad_record_add_dev(struct vdpad_record *r, const char *vf)
{
    void *table = r->devs;
    bool is_new;
    struct vdpad_record_dev *dev = add(&table, &r->n_devs, sizeof *dev, vf,
                                       sizeof dev->vf, &is_new);

    r->devs = table;
    return dev;
}

struct vdpad_record_vf *
vdpad_record_add_vf(struct vdpad_record *r, const char *vf)
{
    void *table = r->vfs;
    bool is_new;
    struct vdpad_record_vf *entry = add(&table, &r->n_vfs, sizeof *entry, vf,
                                        sizeof entry->vf, &is_new);

    r->vfs = table;
    return entry;
}

struct vdpad_record_policy *
vdpad_record_add_policy(struct vdpad_record *r, const char *name)
{
    void *table = r->policies;
    bool is_new;
    struct vdpad_record_policy *policy = add(&table, &r->n_policies,
                                             sizeof *policy, name,
                                             sizeof policy->name, &is_new);

    r->policies = table;
    return policy;
}

void
vdpad_record_del_pf(struct vdpad_record *r, const char *bdf)
{
    del(r->pfs, &r->n_pfs, sizeof *r->pfs, bdf);
}

void
vdpad_record_del_dev(struct vdpad_record *r, const char *vf)
{
    del(r->devs, &r->n_devs, sizeof *r->devs, vf);
}

void
vdpad_record_del_vf(struct vdpad_record *r, const char *vf)
{
    del(r->vfs, &r->n_vfs, sizeof *r->vfs, vf);
}

void
vdpad_record_del_policy(struct vdpad_record *r, const char *name)
{
    del(r->policies, &r->n_policies, sizeof *r->policies, name);
}

void
vdpad_record_settle(struct vdpad_record *r)
{
    for (size_t i = 0; i < r->n_pfs; i++) {
        r->pfs[i].in_doubt = r->pfs[i].vfs_in_doubt = false;
    }
    for (size_t i = 0; i < r->n_devs; i++) {
        r->devs[i].in_doubt = false;
    }
    for (size_t i = 0; i < r->n_vfs; i++) {
        r->vfs[i].in_doubt = false;
    }
}

void
vdpad_record_free(struct vdpad_record *r)
{
    if (r) {
        free(r->pfs);
        free(r->devs);
        free(r->vfs);
        free(r->policies);
        free(r);
    }
}

static void *
copy_table(const void *table, size_t n, size_t size)
{
    void *copy = vdpad_xcalloc(n, size);

    return n ? memcpy(copy, table, n * size) : copy;
}

struct vdpad_record *
vdpad_record_copy(const struct vdpad_record *r)
{
    struct vdpad_record *copy = vdpad_xcalloc(1, sizeof *copy);

    *copy = *r;
    copy->pfs = copy_table(r->pfs, r->n_pfs, sizeof *r->pfs);
    copy->devs = copy_table(r->devs, r->n_devs, sizeof *r->devs);
    copy->vfs = copy_table(r->vfs, r->n_vfs, sizeof *r->vfs);
    copy->policies = copy_table(r->policies, r->n_policies,
                                sizeof *r->policies);
    return copy;
}

/* The kernel's state ends with the boot, and so does what we know of it;
 * rundir is not everywhere a tmpfs. */
static void
boot_id(char id[64])
{
    FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

    id[0] = '\0';
    if (f) {
        if (fgets(id, 64, f)) {
            id[strcspn(id, "\n")] = '\0';
        }
        fclose(f);
    }
}

static int
get_text(json_t *object, const char *name, char *dst, size_t size)
{
    const char *s = json_string_value(json_object_get(object, name));

    if (!s || strlen(s) >= size) {
        return -EINVAL;
    }
    vdpad_copy(dst, size, s);
    return 0;
}

static int
get_int(json_t *object, const char *name, int32_t *dst)
{
    json_t *value = json_object_get(object, name);

    if (!json_is_integer(value) || json_integer_value(value) < -1
        || json_integer_value(value) > INT32_MAX) {
        return -EINVAL;
    }
    *dst = (int32_t) json_integer_value(value);
    return 0;
}

static int
decode_pfs(struct vdpad_record *r, json_t *array)
{
    size_t i;
    json_t *o;

    json_array_foreach(array, i, o) {
        char bdf[VDPAD_BDF_SIZE];

        if (get_text(o, "pf", bdf, sizeof bdf)
            || vdpad_record_find_pf(r, bdf)) {
            return -EINVAL;
        }

        struct vdpad_record_pf *pf = vdpad_record_add_pf(r, bdf);

        if (get_int(o, "numvfs", &pf->numvfs) || get_int(o, "mode", &pf->mode)
            || get_int(o, "autoprobe", &pf->autoprobe)
            || get_int(o, "mtu", &pf->mtu)
            || get_int(o, "tc_offload", &pf->tc_offload)
            || (json_object_get(o, "vfs_asked")
                && get_int(o, "vfs_asked", &pf->vfs_asked))
            || (json_object_get(o, "vfs_made")
                && get_int(o, "vfs_made", &pf->vfs_made))) {
            return -EINVAL;
        }
        pf->in_doubt = true;
        pf->vfs_in_doubt = pf->numvfs == 0;
    }
    return 0;
}

static int
decode_devs(struct vdpad_record *r, json_t *array)
{
    size_t i;
    json_t *o;

    json_array_foreach(array, i, o) {
        char vf[VDPAD_BDF_SIZE];

        if (get_text(o, "vf", vf, sizeof vf) || vdpad_record_find_dev(r, vf)) {
            return -EINVAL;
        }

        struct vdpad_record_dev *dev = vdpad_record_add_dev(r, vf);

        if (get_text(o, "name", dev->name, sizeof dev->name)
            || get_text(o, "policy", dev->policy, sizeof dev->policy)
            || (json_object_get(o, "port")
                && get_text(o, "port", dev->port, sizeof dev->port))) {
            return -EINVAL;
        }
        dev->in_doubt = true;
    }
    return 0;
}

static int
decode_vfs(struct vdpad_record *r, json_t *array)
{
    size_t i;
    json_t *o;

    json_array_foreach(array, i, o) {
        char vf[VDPAD_BDF_SIZE];

        if (get_text(o, "vf", vf, sizeof vf) || vdpad_record_find_vf(r, vf)) {
            return -EINVAL;
        }
        vdpad_record_add_vf(r, vf)->in_doubt = true;
    }
    return 0;
}

static int
decode_policies(struct vdpad_record *r, json_t *array)
{
    size_t i;
    json_t *o;

    json_array_foreach(array, i, o) {
        char name[VDPAD_NAME_SIZE];

        if (get_text(o, "name", name, sizeof name)
            || vdpad_record_find_policy(r, name)) {
            return -EINVAL;
        }
        if (get_text(o, "database", vdpad_record_add_policy(r, name)->db,
                     VDPAD_UUID_SIZE)) {
            return -EINVAL;
        }
    }
    return 0;
}

/* Returns 0, 1 when 'root' is of another boot, or -EINVAL. */
static int
decode(struct vdpad_record *r, json_t *root)
{
    char now[64], then[64];
    int32_t version;

    if (get_int(root, "version", &version) || version != FORMAT_VERSION
        || get_text(root, "boot", then, sizeof then)) {
        return -EINVAL;
    }
    boot_id(now);
    if (strcmp(now, then)) {
        return 1;
    }

    json_t *pfs = json_object_get(root, "pfs");
    json_t *devs = json_object_get(root, "devices");
    json_t *vfs = json_object_get(root, "vfio");
    json_t *policies = json_object_get(root, "policies");

    /* A daemon that was replaced may have written no "vfio", no "port" of a
     * device, and no numbers of VFs but the first. */
    if (!json_is_array(pfs) || !json_is_array(devs) || !json_is_array(policies)
        || (vfs && !json_is_array(vfs)) || decode_pfs(r, pfs)
        || decode_devs(r, devs) || decode_vfs(r, vfs)
        || decode_policies(r, policies)) {
        return -EINVAL;
    }
    return 0;
}

/* Opens the record for reading if it can be ours: where the run directory is
 * another user's, anybody who has become that user can put a file there, and
 * what it claims would be torn down. */
static FILE *
open_record(const char *path, struct vdpad_error *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    int error = fd < 0 ? -errno : 0;
    struct stat status;
    FILE *f = NULL;

    if (!error && fstat(fd, &status)) {
        error = -errno;
    }
    if (!error && S_ISDIR(status.st_mode)) {
        error = -EISDIR;
    }
    if (error) {
        if (error != -ENOENT) {
            vdpad_error_set(why, error, "%s: %s", path, strerror(-error));
        }
    } else if (!S_ISREG(status.st_mode) || status.st_uid != geteuid()
               || status.st_mode & (S_IWGRP | S_IWOTH)) {
        error = vdpad_error_set(why, -EPERM,
                                "%s: not believed, since somebody else "
                                "could have written it (its owner is %u, its "
                                "mode %04o); nothing on this host counts as "
                                "made by ovs-vdpad now",
                                path, (unsigned int) status.st_uid,
                                (unsigned int) (status.st_mode & 07777));
    } else {
        f = fdopen(fd, "re");
    }
    if (!f) {
        if (!error) {
            error = vdpad_error_set(why, -errno, "%s: %s", path,
                                    strerror(errno));
        }
        if (fd >= 0) {
            close(fd);
        }
        errno = -error;
    }
    return f;
}

int
vdpad_record_load(const char *path, bool is_dry_run,
                  struct vdpad_record **ret_record, struct vdpad_error *why)
{
    struct vdpad_record *r = vdpad_xcalloc(1, sizeof *r);
    FILE *f = open_record(path, why);
    json_error_t e = { .text = "" };
    int error;

    *ret_record = r;
    if (!f) {
        return errno == ENOENT ? 0 : -errno;
    }

    char *text = vdpad_xcalloc(1, FILE_MAX);
    size_t n = fread(text, 1, FILE_MAX, f);
    json_t *root = NULL;

    error = ferror(f) ? -errno : 0;
    fclose(f);
    if (error) {
        free(text);
        return vdpad_error_set(why, error, "%s: %s", path, strerror(-error));
    }
    if (n < FILE_MAX) {
        root = json_loadb(text, n, JSON_REJECT_DUPLICATES, &e);
    }
    free(text);
    error = root ? decode(r, root) : -EINVAL;
    json_decref(root);
    if (!error) {
        return 0;
    }

    vdpad_record_free(r);
    *ret_record = vdpad_xcalloc(1, sizeof *r);
    if (error > 0) {
        return 0;
    }

    char bad[4096];

    vdpad_text(bad, sizeof bad, "%s%s", path, is_dry_run ? "" : ".bad");
    if (!is_dry_run) {
        (void) rename(path, bad);
    }
    return vdpad_error_set(why, -EINVAL,
                           "%s: %s; kept as %s, nothing on this "
                           "host counts as made by ovs-vdpad now",
                           path,
                           e.text[0] ? e.text
                                     : "it does not have the form of a "
                                       "record",
                           bad);
}

static json_t *
encode(const struct vdpad_record *r)
{
    json_t *pfs = json_array();
    json_t *devs = json_array();
    json_t *vfs = json_array();
    json_t *policies = json_array();
    char boot[64];

    for (size_t i = 0; i < r->n_pfs; i++) {
        const struct vdpad_record_pf *p = &r->pfs[i];

        json_array_append_new(
            pfs,
            json_pack("{ss si si si si si si si}", "pf", p->bdf, "numvfs",
                      p->numvfs, "vfs_asked", p->vfs_asked, "vfs_made",
                      p->vfs_made, "mode", p->mode, "autoprobe", p->autoprobe,
                      "mtu", p->mtu, "tc_offload", p->tc_offload));
    }
    for (size_t i = 0; i < r->n_devs; i++) {
        const struct vdpad_record_dev *d = &r->devs[i];

        json_array_append_new(devs, json_pack("{ss ss ss ss}", "vf", d->vf,
                                              "name", d->name, "policy",
                                              d->policy, "port", d->port));
    }
    for (size_t i = 0; i < r->n_vfs; i++) {
        json_array_append_new(vfs, json_pack("{ss}", "vf", r->vfs[i].vf));
    }
    for (size_t i = 0; i < r->n_policies; i++) {
        json_array_append_new(policies,
                              json_pack("{ss ss}", "name", r->policies[i].name,
                                        "database", r->policies[i].db));
    }
    boot_id(boot);
    return json_pack("{si ss so so so so}", "version", FORMAT_VERSION, "boot",
                     boot, "pfs", pfs, "devices", devs, "vfio", vfs,
                     "policies", policies);
}

/* Returns 0 or a negative errno. */
static int
write_all(int fd, const char *text)
{
    size_t left = strlen(text);

    while (left) {
        ssize_t n = write(fd, text, left);

        if (n < 0 && errno != EINTR) {
            return -errno;
        }
        if (n > 0) {
            text += n;
            left -= (size_t) n;
        }
    }
    return 0;
}

int
vdpad_record_save(const struct vdpad_record *record, const char *path,
                  struct vdpad_error *why)
{
    json_t *root = encode(record);
    /* As text first: json_dumpfd() makes a system call of every comma. */
    char *text = root ? json_dumps(root, JSON_INDENT(1)) : NULL;
    char tmp[4096];
    int error = 0;

    vdpad_text(tmp, sizeof tmp, "%s.new", path);

    /* What is there may be anybody's, or left by a crash. */
    (void) unlink(tmp);

    int fd = text ? open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)
                  : -1;

    if (fd < 0) {
        error = text ? -errno : -EINVAL;
    } else {
        /* No fsync(): a power failure makes the record void anyway. */
        error = write_all(fd, text);
        if (close(fd) && !error) {
            error = -errno;
        }
        if (!error && rename(tmp, path)) {
            error = -errno;
        }
    }
    json_decref(root);
    free(text);
    return error ? vdpad_error_set(why, error, "write %s: %s", path,
                                   strerror(-error))
                 : 0;
}
