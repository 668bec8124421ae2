/* SPDX-License-Identifier: Apache-2.0 */

/* Random hosts, whatever state they are in, come to what is wanted and stay
 * there; tear-down gives back what was there before; what belongs to others is
 * as it was, all the time.
 *
 * VDPAD_SEED=N repeats one case, VDPAD_CASES=N tries more of them. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world-builder.h"

#define CASES 400
#define ROUNDS 120

static uint64_t seed;
static uint64_t case_; /* Under way; 0: none. */

/* SplitMix64. */
static uint32_t
any(uint32_t n)
{
    uint64_t z = seed += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t) ((z ^ z >> 31) >> 33) % n;
}

static bool
chance(uint32_t percent)
{
    return any(100) < percent;
}

static void __attribute__((format(printf, 2, 3)))
say(struct wb *b, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    (void) vsnprintf(text, sizeof text, format, args);
    va_end(args);
    given(b, text);
}

/* What others have on the host: VFs, devices, ports. */
static void
add_host(struct wb *b)
{
    unsigned int n_pfs = 1 + any(2);

    b->order = (enum wb_order) any(4);
    b->binds_others = chance(30);
    b->ignores_mtu = chance(10);
    for (unsigned int pf = 0; pf < n_pfs; pf++) {
        unsigned int bus = 0x65 + pf;
        unsigned int n_vfs = chance(60) ? 0 : 1 + any(4);
        bool switchdev = chance(40) && (n_vfs || b->order != WB_VFS_FIRST);
        bool has_eswitch = n_vfs || b->order != WB_ONLY_WITH_VFS;

        say(b,
            "pf 0000:%02x:00.0 totalvfs=8 mode=%s autoprobe=%d tc=%s "
            "mtu=%d",
            bus,
            !has_eswitch ? "none"
            : switchdev  ? "switchdev"
                         : "legacy",
            !chance(20),
            chance(30)   ? "on"
            : chance(10) ? "-"
                         : "off",
            chance(30) ? 9000 : 1500);
        for (unsigned int vf = 0; vf < n_vfs; vf++) {
            char bdf[32];

            snprintf(bdf, sizeof bdf, "0000:%02x:00.%u", bus, vf + 2);
            say(b, "vf %s driver=%s tc=%s %s", bdf,
                chance(20)   ? "-"
                : chance(10) ? "vfio-pci"
                             : "mlx5_core",
                chance(80) ? "on" : "off", chance(30) ? "up" : "mgmtdev=");
            if (chance(40) && wb_find_mgmtdev(b, bdf)) {
                say(b, "vdpa %s name=foreign%u-%u driver=%s mtu=%d", bdf, pf,
                    vf, chance(50) ? "vhost_vdpa" : "virtio_vdpa",
                    chance(70) ? 1500 : 9000);
            }
            if (chance(20) && switchdev) {
                say(b, "port r%02xv%u br-int iface-id=theirs", bus, vf);
            }
        }
    }
    for (size_t i = 0; vdpad_module_names[i]; i++) {
        if (chance(30)) {
            say(b, "module %s loadable", vdpad_module_names[i]);
        }
    }
    if (chance(20)) {
        given(b, "no-bridge br-ex");
    }
    if (chance(20)) {
        given(b, "other-config hw-offload");
    }
    given(b, "bridge br-other\n"
             "port foreign br-other iface-id=x");
}

static void
set_policies(struct wb *b)
{
    static const char *const types[] = {
        "vdpa-type=vhost",        "vdpa-type=virtio",
        "eswitch-mode=switchdev", "",
        "device-type=vfio-pci",
    };
    static const char *const ranges[] = { "", "#0", "#0-1", "#1-2", "#3" };

    for (unsigned int i = 0; i < 3; i++) {
        char value[256] = "";

        if (chance(70)) {
            bool external = chance(15);
            unsigned int type = any(external ? 2 : 5);

            snprintf(value, sizeof value,
                     "pf=0000:%02x:00.0%s %s %s %s %s %s priority=%u",
                     0x65 + any(2), ranges[any(5)], types[type],
                     external ? "externally-managed=true" : "",
                     chance(30) ? "mtu=9000" : "",
                     type < 2 && chance(20) ? "mac=stable" : "",
                     type < 2 && chance(20) ? "max-vqp=2" : "", any(100));
            if (!external && chance(80)) {
                snprintf(value + strlen(value), sizeof value - strlen(value),
                         " num-vfs=%u", 4 + any(2));
            }
        }
        say(b, "policy p%u %s", i, value);
    }
    for (unsigned int i = 0; i < 2; i++) {
        say(b, "want lsp%u %s%s", i,
            chance(60)   ? ""
            : chance(50) ? "policy=p0"
                         : "vf=0000:65:00.3",
            "");
    }
    say(b, "key vdpa-attach %s",
        chance(70)   ? "auto"
        : chance(50) ? "declared"
                     : "none");
}

/* What is not ours, as text: it must not change. */
static char *
foreign_part(const struct wb *b)
{
    const struct vdpad_picture *p = &b->observed.class_[VDPAD_VBUS].picture;
    const struct vdpad_vbus *vbus = p->rows;
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);

    for (size_t i = 0; i < p->n; i++) {
        if (!strncmp(vbus[i].name, "foreign", strlen("foreign"))) {
            const struct vdpad_vdpa *v = wb_find_text(b, VDPAD_VDPA,
                                                      vbus[i].name);

            fprintf(f, "%s %s mtu %u\n", vbus[i].name, vbus[i].parent, v->mtu);
        }
    }
    for (size_t i = 0; i < b->n_ports; i++) {
        if (!wb_get(&b->ports[i].ids, VDPAD_OWNER_KEY)) {
            fprintf(f, "%s %s\n", b->ports[i].name, b->ports[i].bridge);
        }
    }
    fclose(f);
    return text;
}

/* Some steps fail, some of them because of a disorder that passes. */
static int
fault(const struct vdpad_step *step)
{
    static const int errors[] = { -EBUSY, -EINVAL, -ENOMEM, -EAGAIN, -ESTALE };

    (void) step;
    return chance(7) ? errors[any(sizeof errors / sizeof *errors)] : 0;
}

/* Programs come and go, netdevs are renamed, events come in. */
static void
disturb(struct wb *b)
{
    const struct vdpad_picture *p = &b->observed.class_[VDPAD_VBUS].picture;
    const struct vdpad_vbus *vbus = p->rows;

    for (int i = 0; i < VDPAD_N_CLASSES; i++) {
        b->observed.class_[i].fresh = !chance(5);
    }
    if (p->n && chance(10)) {
        const struct vdpad_vbus *one = &vbus[any((uint32_t) p->n)];

        if (one->chardev[0] && !wb_find_text(b, VDPAD_HOLDER, one->chardev)) {
            say(b, "holder %s 7 qemu", one->name);
        }
    }
    if (chance(10)) {
        b->observed.class_[VDPAD_HOLDER].picture.n = 0;
    }
    if (chance(3)) {
        if (wb_find_link(b, "r65v1") && !wb_find_link(b, "renamed")) {
            wb_rename(b, "r65v1", "renamed");
        }
    }
}

static void
calm_down(struct wb *b)
{
    for (int i = 0; i < VDPAD_N_CLASSES; i++) {
        b->observed.class_[i].fresh = true;
    }
    b->observed.class_[VDPAD_HOLDER].picture.n = 0;
    b->fault = NULL;
}

/* Plans and acts until nothing is left to do, a step that fails for good
 * aside; sometimes VFs are late, sometimes the daemon dies. */
static void
converge(struct wb *b, const char *foreign)
{
    int64_t end_ns = b->now_ns + 600 * WB_SEC;

    for (unsigned int i = 0; i < ROUNDS; i++) {
        unsigned int due;

        if (i < ROUNDS / 3) {
            b->fault = fault;
            disturb(b);
        } else {
            calm_down(b);
        }
        wb_plan(b);
        due = (unsigned int) b->plan->n_due;
        if (!b->plan->n && !b->fault) {
            return;
        }
        if (b->fault && chance(5)) {
            /* Killed: what was only in memory is gone. */
            vdpad_memory_free(b->memory);
            b->memory = vdpad_memory_new();
            b->is_late = false;
            wb_appear(b, 8);
            continue;
        }
        b->is_late = chance(30);
        if (!wb_apply_plan(b) && !due) {
            if (b->plan->next_ns == INT64_MAX) {
                b->is_late = false;
                wb_appear(b, 8);
            } else if (b->now_ns > end_ns) {
                return;
            } else {
                b->now_ns = b->plan->next_ns;
            }
        }
        if (b->is_late) {
            wb_appear(b, (int32_t) any(4));
        } else {
            wb_appear(b, 8);
        }

        char *now = foreign_part(b);

        bool same = !strcmp(now, foreign);

        if (!same) {
            print_error("--- before\n%s--- now\n%s", foreign, now);
        }
        free(now);
        assert_true(same);
    }

    char *text = wb_plan_text(b);
    char *dump = wb_dump(b);

    print_error("--- still planned\n%s--- host\n%s", text, dump);
    free(text);
    free(dump);
    fail_msg("not done after %d rounds", ROUNDS);
}

static void
forget_policies(struct wb *b)
{
    given(b, "policy p0\n"
             "policy p1\n"
             "policy p2\n"
             "want lsp0\n"
             "want lsp1\n"
             "key vdpa-attach");
}

/* Everything that tear-down is to give back. */
static char *
essence(const struct wb *b)
{
    const struct vdpad_picture *p = &b->observed.class_[VDPAD_PCI].picture;
    const struct vdpad_pci *pci = p->rows;
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);

    for (size_t i = 0; i < p->n; i++) {
        const struct vdpad_eswitch *e = wb_find_eswitch(b, pci[i].bdf);
        char name[16];

        fprintf(f, "%s numvfs %d autoprobe %d mode %d", pci[i].bdf,
                pci[i].numvfs, pci[i].autoprobe, e ? e->mode : -1);
        if (pci[i].vf_index < 0) {
            snprintf(name, sizeof name, "up%.2s", pci[i].bdf + 5);
            fprintf(f, " mtu %u tc %d", wb_find_link(b, name)->mtu,
                    wb_find_feature(b, name) ? wb_find_feature(b, name)->active
                                             : -1);
        }
        fputc('\n', f);
    }
    for (size_t i = 0; i < b->observed.class_[VDPAD_VBUS].picture.n; i++) {
        const struct vdpad_vbus *vbus =
            b->observed.class_[VDPAD_VBUS].picture.rows;

        fprintf(f, "%s %s\n", vbus[i].name, vbus[i].parent);
    }
    for (size_t i = 0; i < b->n_ports; i++) {
        fprintf(f, "port %s %s\n", b->ports[i].name, b->ports[i].bridge);
    }
    fclose(f);
    return text;
}

static void
one_case(uint64_t n)
{
    void *state;
    struct wb *b;

    seed = case_ = n;
    wb_set_up(&state);
    b = state;
    add_host(b);
    wb_plan(b);

    char *foreign = foreign_part(b);
    char *before = essence(b);

    for (unsigned int i = 1 + any(3); i > 0; i--) {
        set_policies(b);
        converge(b, foreign);

        /* A second run does nothing. */
        wb_plan(b);
        if (b->plan->n_due) {
            char *text = wb_plan_text(b);

            print_error("%s", text);
            free(text);
            fail_msg("a second run does something");
        }
    }
    forget_policies(b);
    converge(b, foreign);

    char *after = essence(b);

    if (strcmp(before, after) != 0) {
        print_error("--- before\n%s--- after\n%s", before, after);
        fail_msg("tear-down left something");
    }
    free(before);
    free(after);
    free(foreign);
    wb_tear_down(&state);
    case_ = 0;
}

static int
tell_seed(void **state)
{
    (void) state;
    if (case_) {
        print_error("VDPAD_SEED=%llu repeats this case\n",
                    (unsigned long long) case_);
    }
    return 0;
}

static void
random_hosts(void **state)
{
    const char *only = getenv("VDPAD_SEED");
    const char *more = getenv("VDPAD_CASES");
    uint64_t n = more ? strtoull(more, NULL, 10) : CASES;

    (void) state;
    if (only) {
        one_case(strtoull(only, NULL, 10));
        return;
    }
    for (uint64_t i = 1; i <= n; i++) {
        one_case(i);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(random_hosts, tell_seed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
