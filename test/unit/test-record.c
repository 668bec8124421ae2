/* SPDX-License-Identifier: Apache-2.0 */

/* The record of what was changed, in its file. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "controller/record.h"

struct folder {
    char path[64], file[96], bad[112];
};

static int
set_up(void **state)
{
    struct folder *f = calloc(1, sizeof *f);

    strcpy(f->path, "/tmp/test-record.XXXXXX");
    assert_non_null(mkdtemp(f->path));
    snprintf(f->file, sizeof f->file, "%s/record", f->path);
    snprintf(f->bad, sizeof f->bad, "%s/record.bad", f->path);
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    struct folder *f = *state;
    char other[128];

    unlink(f->file);
    unlink(f->bad);
    snprintf(other, sizeof other, "%s.new", f->file);
    unlink(other);
    rmdir(f->file);
    rmdir(f->path);
    free(f);
    return 0;
}

static void
write_file(const struct folder *f, const char *text)
{
    FILE *file = fopen(f->file, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    chmod(f->file, 0600);
}

static char *
read_file(const char *path)
{
    FILE *file = fopen(path, "r");
    char *text = calloc(1, 65536);

    assert_non_null(file);
    assert_true(fread(text, 1, 65535, file) > 0);
    fclose(file);
    return text;
}

static bool
exists(const char *path)
{
    struct stat s;

    return !stat(path, &s);
}

static struct vdpad_record *
filled(void)
{
    struct vdpad_record *r = calloc(1, sizeof *r);
    struct vdpad_record_pf *pf;
    struct vdpad_record_dev *dev;

    pf = vdpad_record_add_pf(r, "0000:66:00.0");
    pf->numvfs = 0;
    pf->vfs_asked = 4;
    pf->vfs_made = 2;
    pf = vdpad_record_add_pf(r, "0000:65:00.0");
    pf->mode = 0;
    pf->mtu = 1500;
    dev = vdpad_record_add_dev(r, "0000:65:00.3");
    strcpy(dev->policy, "gold \"quoted\" \xc3\xa4");
    dev = vdpad_record_add_dev(r, "0000:65:00.2");
    strcpy(dev->name, "vdpa:0000:65:00.2");
    strcpy(dev->policy, "a");
    strcpy(dev->port, "lsp");
    vdpad_record_add_vf(r, "0000:65:00.5");
    vdpad_record_add_vf(r, "0000:65:00.4");
    strcpy(vdpad_record_add_policy(r, "a")->db,
           "11111111-0000-0000-0000-000000000000");
    return r;
}

static void
expect_empty(const struct vdpad_record *r)
{
    assert_non_null(r);
    assert_int_equal(r->n_pfs + r->n_devs + r->n_vfs + r->n_policies, 0);
}

static void
tables(void **state)
{
    struct vdpad_record *r = filled();

    (void) state;
    assert_int_equal(r->n_pfs, 2);
    assert_string_equal(r->pfs[0].bdf, "0000:65:00.0");
    assert_int_equal(r->pfs[0].numvfs, -1);
    assert_int_equal(r->pfs[0].autoprobe, -1);
    assert_int_equal(r->pfs[0].tc_offload, -1);
    assert_string_equal(r->devs[0].vf, "0000:65:00.2");
    assert_ptr_equal(vdpad_record_add_pf(r, "0000:66:00.0"), &r->pfs[1]);
    assert_int_equal(r->pfs[1].numvfs, 0);
    assert_ptr_equal(vdpad_record_find_dev(r, "0000:65:00.3"), &r->devs[1]);
    assert_null(vdpad_record_find_dev(r, "0000:65:00.4"));
    vdpad_record_del_dev(r, "0000:65:00.2");
    vdpad_record_del_dev(r, "0000:65:00.2");
    vdpad_record_del_pf(r, "0000:65:00.0");
    vdpad_record_del_policy(r, "a");
    assert_ptr_equal(vdpad_record_find_vf(r, "0000:65:00.5"), &r->vfs[1]);
    vdpad_record_del_vf(r, "0000:65:00.4");
    assert_string_equal(r->vfs[0].vf, "0000:65:00.5");
    assert_null(vdpad_record_find_vf(r, "0000:65:00.4"));
    assert_string_equal(r->devs[0].vf, "0000:65:00.3");
    assert_string_equal(r->pfs[0].bdf, "0000:66:00.0");
    assert_int_equal(r->n_policies, 0);
    vdpad_record_free(r);
    vdpad_record_free(NULL);
}

static void
round_trip(void **state)
{
    const struct folder *f = *state;
    struct vdpad_record *r = filled();
    struct vdpad_record *read = NULL;
    struct vdpad_error why;
    struct stat s;

    assert_int_equal(vdpad_record_save(r, f->file, &why), 0);
    assert_int_equal(stat(f->file, &s), 0);
    assert_int_equal(s.st_mode & 0777, 0600);
    assert_int_equal(vdpad_record_load(f->file, false, &read, &why), 0);
    assert_int_equal(read->n_pfs, 2);
    assert_int_equal(read->n_devs, 2);
    assert_int_equal(read->n_vfs, 2);
    assert_int_equal(read->n_policies, 1);
    for (int i = 0; i < 2; i++) {
        /* A helper process of the daemon that wrote it may still be at it. */
        assert_true(read->pfs[i].in_doubt);
        assert_int_equal(read->pfs[i].vfs_in_doubt, !r->pfs[i].numvfs);
        assert_true(read->devs[i].in_doubt);
        assert_true(read->vfs[i].in_doubt);
    }
    vdpad_record_settle(read);
    assert_memory_equal(read->pfs, r->pfs, 2 * sizeof *r->pfs);
    for (int i = 0; i < 2; i++) {
        assert_false(read->devs[i].in_doubt);
        assert_string_equal(read->devs[i].vf, r->devs[i].vf);
        assert_string_equal(read->devs[i].name, r->devs[i].name);
        assert_string_equal(read->devs[i].policy, r->devs[i].policy);
        assert_string_equal(read->devs[i].port, r->devs[i].port);
    }
    assert_memory_equal(read->vfs, r->vfs, 2 * sizeof *r->vfs);
    assert_memory_equal(read->policies, r->policies, sizeof *r->policies);
    vdpad_record_free(read);

    /* Again, over the old one. */
    vdpad_record_del_pf(r, "0000:65:00.0");
    assert_int_equal(vdpad_record_save(r, f->file, &why), 0);
    assert_int_equal(vdpad_record_load(f->file, false, &read, &why), 0);
    assert_int_equal(read->n_pfs, 1);
    vdpad_record_free(read);
    vdpad_record_free(r);
}

static void
copies_are_independent(void **state)
{
    struct vdpad_record *r = filled();
    struct vdpad_record *copy = vdpad_record_copy(r);

    (void) state;
    vdpad_record_del_dev(r, "0000:65:00.2");
    vdpad_record_add_pf(r, "0000:01:00.0");
    assert_int_equal(copy->n_devs, 2);
    assert_string_equal(copy->devs[0].name, "vdpa:0000:65:00.2");
    assert_string_equal(copy->pfs[0].bdf, "0000:65:00.0");
    vdpad_record_free(r);
    vdpad_record_free(copy);
    r = calloc(1, sizeof *r);
    copy = vdpad_record_copy(r);
    expect_empty(copy);
    vdpad_record_free(r);
    vdpad_record_free(copy);
}

static void
no_file(void **state)
{
    const struct folder *f = *state;
    struct vdpad_record *r = NULL;

    assert_int_equal(vdpad_record_load(f->file, false, &r, NULL), 0);
    expect_empty(r);
    vdpad_record_free(r);
}

static void
file_of_another_boot(void **state)
{
    const struct folder *f = *state;
    struct vdpad_record *r = filled();
    struct vdpad_error why;
    char *text, *boot;

    assert_int_equal(vdpad_record_save(r, f->file, &why), 0);
    vdpad_record_free(r);
    text = read_file(f->file);
    boot = strstr(text, "\"boot\": \"");
    assert_non_null(boot);
    boot[9] = boot[9] == '0' ? '1' : '0';
    write_file(f, text);
    free(text);
    assert_int_equal(vdpad_record_load(f->file, false, &r, &why), 0);
    expect_empty(r);
    assert_false(exists(f->bad));
    vdpad_record_free(r);
}

/* VFs of a daemon that was replaced, and had recorded no number, are ours. */
static void
file_of_an_older_daemon(void **state)
{
    const struct folder *f = *state;
    struct vdpad_record *r = filled();
    struct vdpad_error why;
    char *text, *at;

    assert_int_equal(vdpad_record_save(r, f->file, &why), 0);
    vdpad_record_free(r);
    text = read_file(f->file);
    while ((at = strstr(text, "\"vfs_")) != NULL) {
        at[1] = 'x';
    }
    write_file(f, text);
    free(text);
    assert_int_equal(vdpad_record_load(f->file, false, &r, &why), 0);
    assert_true(vdpad_record_has_vfs(&r->pfs[1]));
    assert_int_equal(r->pfs[1].vfs_asked, -1);
    assert_int_equal(r->pfs[1].vfs_made, -1);
    assert_false(vdpad_record_has_vfs(&r->pfs[0]));
    vdpad_record_free(r);
}

/* Every way to spoil a file: it is kept under another name, and nothing is
 * proven by it. */
static void
files_that_cannot_be_understood(void **state)
{
    const struct folder *f = *state;
    struct vdpad_error why;
    struct vdpad_record *r = filled();
    char *good;
    static const struct {
        const char *old, *new_;
    } cases[] = {
        { "{", "" },
        { "\"version\": 1", "\"version\": 2" },
        { "\"version\": 1", "\"version\": \"1\"" },
        { "\"boot\"", "\"boat\"" },
        { "\"pfs\": [", "\"pfs\": 3, \"x\": [" },
        { "\"devices\": [", "\"others\": [" },
        { "\"policies\": [", "\"others\": [" },
        { "\"numvfs\": 0", "\"numvfs\": -2" },
        { "\"numvfs\": 0", "\"numvfs\": 4294967296" },
        { "\"numvfs\": 0", "\"numvfs\": null" },
        { "\"vfs_asked\": 4", "\"vfs_asked\": null" },
        { "\"vfs_made\": 2", "\"vfs_made\": -2" },
        { "\"mtu\": 1500", "\"mtu\": 1500, \"mtu\": 1" },
        { "\"vf\": \"0000:65:00.2\"",
          "\"vf\": \"0000:65:00.2 and much longer than an address\"" },
        { "\"vf\": \"0000:65:00.2\"", "\"vf\": 5" },
        { "\"database\": \"1", "\"database\": \"11" },
        { "\"name\": \"a\"", "\"name\": [\"a\"]" },
        { "\"pf\": \"0000:66:00.0\"", "\"pf\": \"0000:65:00.0\"" },
    };

    assert_int_equal(vdpad_record_save(r, f->file, &why), 0);
    vdpad_record_free(r);
    good = read_file(f->file);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *at = strstr(good, cases[i].old);
        char text[8192];
        char *kept;

        assert_non_null(at);
        snprintf(text, sizeof text, "%.*s%s%s", (int) (at - good), good,
                 cases[i].new_, at + strlen(cases[i].old));
        write_file(f, text);
        unlink(f->bad);
        r = NULL;
        if (vdpad_record_load(f->file, false, &r, &why) != -EINVAL) {
            fail_msg("read: %s -> %s", cases[i].old, cases[i].new_);
        }
        expect_empty(r);
        vdpad_record_free(r);
        assert_int_equal(why.code, -EINVAL);
        assert_null(strstr(why.text, ": ;"));
        assert_non_null(strstr(why.text, f->bad));
        assert_false(exists(f->file));
        kept = read_file(f->bad);
        assert_string_equal(kept, text);
        free(kept);
    }
    free(good);
}

static void
file_that_is_too_long(void **state)
{
    const struct folder *f = *state;
    struct vdpad_record *r = NULL;
    struct vdpad_error why;

    write_file(f, "{");
    assert_int_equal(truncate(f->file, 5 * 1024 * 1024), 0);

    /* A dry run leaves it where it is. */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(vdpad_record_load(f->file, i == 0, &r, &why),
                         -EINVAL);
        expect_empty(r);
        vdpad_record_free(r);
        assert_int_equal(exists(f->bad), i);
        assert_int_equal(exists(f->file), !i);
    }
}

/* A folder in its place can be neither read nor replaced. */
static void
file_that_cannot_be_read(void **state)
{
    const struct folder *f = *state;
    struct vdpad_record *r = NULL;
    struct vdpad_error why;

    assert_int_equal(mkdir(f->file, 0700), 0);
    assert_int_equal(vdpad_record_load(f->file, false, &r, &why), -EISDIR);
    assert_int_equal(why.code, -EISDIR);
    assert_true(exists(f->file));
    expect_empty(r);
    vdpad_record_free(r);
}

static void
file_that_cannot_be_written(void **state)
{
    const struct folder *f = *state;
    struct vdpad_record *r = filled();
    struct vdpad_error why;
    char path[256];

    snprintf(path, sizeof path, "%s/none/record", f->path);
    assert_int_equal(vdpad_record_save(r, path, &why), -ENOENT);
    assert_int_equal(why.code, -ENOENT);
    assert_non_null(strstr(why.text, path));

    assert_int_equal(mkdir(f->file, 0700), 0);
    assert_true(vdpad_record_save(r, f->file, &why) < 0);

    /* Neither is anything written through a link that somebody left. */
    rmdir(f->file);
    snprintf(path, sizeof path, "%s.new", f->file);
    assert_int_equal(unlink(path) && errno != ENOENT, 0);
    assert_int_equal(symlink(f->bad, path), 0);
    assert_int_equal(vdpad_record_save(r, f->file, &why), 0);
    assert_false(exists(f->bad));
    vdpad_record_free(r);
}

/* A record that somebody else could have written proves nothing. */
static void
written_by_others(void **state)
{
    const struct folder *f = *state;
    struct vdpad_record *r, *full = filled();
    struct vdpad_error why;
    char other[128];

    assert_int_equal(vdpad_record_save(full, f->file, &why), 0);
    chmod(f->file, 0620);
    assert_int_equal(vdpad_record_load(f->file, false, &r, &why), -EPERM);
    assert_non_null(strstr(why.text, "0620"));
    expect_empty(r);
    vdpad_record_free(r);

    chmod(f->file, 0600);
    if (!geteuid()) {
        assert_int_equal(chown(f->file, 65534, (gid_t) -1), 0);
        assert_int_equal(vdpad_record_load(f->file, false, &r, &why), -EPERM);
        assert_non_null(strstr(why.text, "owner is 65534"));
        expect_empty(r);
        vdpad_record_free(r);
        assert_int_equal(chown(f->file, 0, (gid_t) -1), 0);
    }

    snprintf(other, sizeof other, "%s.new", f->file);
    assert_int_equal(rename(f->file, other), 0);
    assert_int_equal(symlink(other, f->file), 0);
    assert_int_equal(vdpad_record_load(f->file, false, &r, &why), -ELOOP);
    expect_empty(r);
    vdpad_record_free(r);

    /* It is replaced by ours, not written through; and so is what lies where
     * the new one is made. */
    assert_int_equal(chmod(other, 0666), 0);
    assert_int_equal(vdpad_record_save(full, f->file, &why), 0);
    assert_int_equal(vdpad_record_load(f->file, false, &r, &why), 0);
    assert_int_equal(r->n_devs, 2);
    vdpad_record_free(r);
    vdpad_record_free(full);
}

int
main(void)
{
#define TEST(FUNCTION) \
    cmocka_unit_test_setup_teardown(FUNCTION, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(tables),
        TEST(round_trip),
        TEST(copies_are_independent),
        TEST(no_file),
        TEST(file_of_another_boot),
        TEST(file_of_an_older_daemon),
        TEST(files_that_cannot_be_understood),
        TEST(file_that_is_too_long),
        TEST(file_that_cannot_be_read),
        TEST(file_that_cannot_be_written),
        TEST(written_by_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
