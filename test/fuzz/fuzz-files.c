/* SPDX-License-Identifier: Apache-2.0 */
/* The files of /proc and /sys.  The input is a tree of them, line by line, as
 * file-tree.h has it.  Whatever they say, pictures are whole, and who asks for
 * the users of a device gets an answer or an error with a reason.
 *
 * wrap: open close fopen opendir readdir closedir readlink readlinkat
 * wrap: realpath stat lstat statx gzopen getifaddrs
 * wrap: vdpad_observe_negotiated */
#include <errno.h>
#include <ifaddrs.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "netlink/holders.h"
#include "netlink/observe.h"
#include "file-tree.h"
#include "fuzz.h"

static void
let_go(void)
{
    tree_on(false);
}

/* Called by AddressSanitizer. */
void __asan_on_error(void);
void
__asan_on_error(void)
{
    tree_on(false);
}

gzFile __wrap_gzopen(const char *path, const char *mode);
gzFile
__wrap_gzopen(const char *path, const char *mode)
{
    int fd = tree_open(path);

    return fd < 0 ? NULL : gzdopen(fd, mode);
}

int __wrap_getifaddrs(struct ifaddrs **list);
int
__wrap_getifaddrs(struct ifaddrs **list)
{
    *list = NULL;
    return 0;
}

/* Is not in these files: by the name's length, so that all happens. */
int __wrap_vdpad_observe_negotiated(struct vdpad_observer *observer,
                                    const char *name, uint64_t *ret_features,
                                    struct vdpad_error *why);
int
__wrap_vdpad_observe_negotiated(struct vdpad_observer *observer,
                                const char *name, uint64_t *ret_features,
                                struct vdpad_error *why)
{
    (void) observer;
    *ret_features = strlen(name) & 1;
    return *ret_features || strlen(name) % 4
               ? 0
               : vdpad_error_set(why, -ENOBUFS, "lost");
}

/* Asks for the users of what 'name' names, in the way 'ask'. */
static void
check_users(int (*ask)(struct vdpad_observer *, const char *,
                       struct vdpad_error *),
            const char *name)
{
    struct vdpad_error why = { .code = 0 };
    int error = ask(NULL, name, &why);

    CHECK(error <= 0);
    CHECK(!error || (why.code == error && why.text[0]));
}

static void
observe(struct vdpad_observer *observer, enum vdpad_class class_)
{
    struct vdpad_rows rows;
    struct vdpad_error why = { .code = 0 };
    int error = vdpad_observe(observer, class_, &rows, &why);

    CHECK(error <= 0);
    if (error) {
        CHECK(why.text[0]);
        return;
    }
    for (size_t i = 0; i < rows.picture.n; i++) {
        if (class_ == VDPAD_HOLDER) {
            const struct vdpad_holder *row = &VDPAD_ROWS(&rows.picture,
                                                         vdpad_holder)[i];

            CHECK(strnlen(row->chardev, sizeof row->chardev)
                  < sizeof row->chardev);
            for (const char *p = row->command; *p; p++) {
                CHECK(*p >= ' ' && *p < 0x7f);
            }
        } else if (class_ == VDPAD_VBUS) {
            const struct vdpad_vbus *row = &VDPAD_ROWS(&rows.picture,
                                                       vdpad_vbus)[i];

            CHECK(strnlen(row->name, sizeof row->name) < sizeof row->name);
            CHECK(!strchr(row->name, '/'));
            check_users(vdpad_holders_check_vdpa, row->name);
        } else if (class_ == VDPAD_PCI) {
            const struct vdpad_pci *row = &VDPAD_ROWS(&rows.picture,
                                                      vdpad_pci)[i];

            CHECK(strnlen(row->bdf, sizeof row->bdf) < sizeof row->bdf);
            check_users(row->pf[0] ? vdpad_holders_check_vf
                                   : vdpad_holders_check_pf,
                        row->bdf);
        }
    }
    vdpad_rows_clear(&rows);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum vdpad_class classes[] = { VDPAD_PCI, VDPAD_VBUS,
                                                VDPAD_HOLDER, VDPAD_HOST };
    struct vdpad_observer observer = { .interrupted = 0 };
    char *text = malloc(size + 1);
    char suspect[200];

    fuzz_let_go = let_go;
    CHECK(text);
    if (size) {
        memcpy(text, data, size);
    }
    text[size] = '\0';
    tree_make(text);
    tree_on(true);
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        observe(&observer, classes[i]);
    }
    vdpad_holders_suspect(suspect, sizeof suspect);
    CHECK(strlen(suspect) < sizeof suspect);
    CHECK(!tree_n_open());
    tree_on(false);
    free(text);
    return 0;
}
