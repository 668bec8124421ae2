/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes the record file: what is believed can be written and read again, and
 * is the same then. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "controller/record.h"
#include "fuzz.h"

/* Replaces "BOOT" by this boot's id, or nothing would ever be believed. */
static void
write_input(const char *path, const uint8_t *data, size_t size)
{
    char boot[64] = "";
    FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

    if (f) {
        CHECK(fgets(boot, sizeof boot, f));
        boot[strcspn(boot, "\n")] = '\0';
        fclose(f);
    }
    f = fopen(path, "we");
    CHECK(f);
    for (size_t i = 0; i < size; i++) {
        if (size - i >= 4 && !memcmp(data + i, "BOOT", 4)) {
            fputs(boot, f);
            i += 3;
        } else {
            fputc(data[i], f);
        }
    }
    fclose(f);
}

static void
check_same(const struct vdpad_record *a, const struct vdpad_record *b)
{
    CHECK(a->n_pfs == b->n_pfs && a->n_devs == b->n_devs
          && a->n_vfs == b->n_vfs && a->n_policies == b->n_policies);
    for (size_t i = 0; i < a->n_pfs; i++) {
        const struct vdpad_record_pf *x = &a->pfs[i], *y = &b->pfs[i];

        CHECK(!strcmp(x->bdf, y->bdf) && x->numvfs == y->numvfs
              && x->mode == y->mode && x->autoprobe == y->autoprobe
              && x->mtu == y->mtu && x->tc_offload == y->tc_offload);
    }
    for (size_t i = 0; i < a->n_vfs; i++) {
        CHECK(!strcmp(a->vfs[i].vf, b->vfs[i].vf));
    }
    for (size_t i = 0; i < a->n_devs; i++) {
        const struct vdpad_record_dev *x = &a->devs[i], *y = &b->devs[i];

        CHECK(!strcmp(x->vf, y->vf) && !strcmp(x->name, y->name)
              && !strcmp(x->policy, y->policy) && !strcmp(x->port, y->port));
    }
    for (size_t i = 0; i < a->n_policies; i++) {
        const struct vdpad_record_policy *x = &a->policies[i];
        const struct vdpad_record_policy *y = &b->policies[i];

        CHECK(!strcmp(x->name, y->name) && !strcmp(x->db, y->db));
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char folder[64] = "/dev/shm/fuzz-record.XXXXXX";
    static char path[80], bad[96];
    struct vdpad_record *record, *again;
    struct vdpad_error why;
    int error;

    if (!path[0]) {
        /* In memory, if that may be written. */
        if (!mkdtemp(folder)) {
            strcpy(folder, "/tmp/fuzz-record.XXXXXX");
            CHECK(mkdtemp(folder));
        }
        (void) umask(077);
        (void) snprintf(path, sizeof path, "%s/record", folder);
        (void) snprintf(bad, sizeof bad, "%s.bad", path);
    }
    write_input(path, data, size);
    error = vdpad_record_load(path, false, &record, &why);
    CHECK(record);
    if (error) {
        CHECK(why.text[0] && !record->n_pfs && !record->n_devs
              && !record->n_vfs && !record->n_policies);
        (void) unlink(bad);
    } else {
        CHECK(!vdpad_record_save(record, path, &why));
        CHECK(!vdpad_record_load(path, false, &again, &why));
        check_same(record, again);
        vdpad_record_free(again);
    }
    vdpad_record_free(record);
    (void) unlink(path);
    (void) rmdir(folder);
    if (access(folder, F_OK)) {
        path[0] = '\0';
        for (char *p = strrchr(folder, '.') + 1; *p; p++) {
            *p = 'X';
        }
    }
    return 0;
}
