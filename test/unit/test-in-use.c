/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a device is in use, as files of /proc and /sys tell: what they do
 * not tell keeps it.
 *
 * wrap: open close fopen opendir readdir closedir readlink readlinkat
 * wrap: realpath stat lstat statx
 * wrap: vdpad_observe_negotiated */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "netlink/holders.h"
#include "netlink/observe.h"
#include "file-tree.h"

#define PF "0000:65:00.0"
#define VF "0000:65:00.2"
#define PCI "/sys/bus/pci/devices/"
#define VDPA "/sys/bus/vdpa/devices/"

/* One vDPA device on the VF, one on a subfunction. */
#define HOST                                                           \
    "/proc/devices=Character devices:\\n240 vfio\\n241 vfio-dev\\n"    \
    "511 vhost-vdpa\\n\\nBlock devices:\\n\n"                          \
    "/proc/100/comm=qemu\n" PCI PF "/virtfn0>../" VF "\n" PCI VF       \
    "/physfn>../" PF "\n" PCI VF "/net/eth1\n" VDPA                    \
    "vdpa0>/sys/devices/pci0000:64/" VF "/vdpa0\n" VDPA                \
    "vdpa0/driver>../../vhost_vdpa\n" VDPA "vdpa0/vhost-vdpa-3\n" VDPA \
    "vdpa1>/sys/devices/pci0000:64/" PF "/mlx5_core.sf.4/vdpa1\n" VDPA \
    "vdpa1/driver>../../vhost_vdpa\n" VDPA "vdpa1/vhost-vdpa-4\n"
#define HOLDS(NUMBER) "/proc/100/fd/5>/dev/x " NUMBER "\n"

static const char *meanwhile; /* Lines added while features are asked for. */
static struct vdpad_error why;
static char text[4096];

/* Lines before others win. */
static void
given(const char *first, const char *host)
{
    assert_in_range(snprintf(text, sizeof text, "%s%s", first, host), 1,
                    sizeof text - 1);
    tree_make(text);
    meanwhile = NULL;
}

int __wrap_vdpad_observe_negotiated(struct vdpad_observer *observer,
                                    const char *name, uint64_t *ret_features,
                                    struct vdpad_error *why_);
int
__wrap_vdpad_observe_negotiated(struct vdpad_observer *observer,
                                const char *name, uint64_t *ret_features,
                                struct vdpad_error *why_)
{
    (void) observer;
    (void) name;
    (void) why_;
    *ret_features = 0;
    if (meanwhile) {
        given(meanwhile, HOST);
    }
    return 0;
}

typedef int check_fn(struct vdpad_observer *, const char *,
                     struct vdpad_error *);

static void
expect(check_fn *check, const char *name, int error, const char *said)
{
    int got;

    memset(&why, 0, sizeof why);
    tree_on(true);
    got = check(NULL, name, &why);
    tree_on(false);
    if (got != error || why.code != error || !strstr(why.text, said)) {
        fail_msg("%s: %d '%s', not %d '%s'", name, got, why.text, error, said);
    }
    assert_int_equal(tree_n_open(), 0);
}

static void
expect_all(const int errors[4])
{
    static const struct {
        check_fn *check;
        const char *name;
    } cases[] = {
        { vdpad_holders_check_vdpa, "vdpa0" },
        { vdpad_holders_check_vf, VF },
        { vdpad_holders_check_vfs, PF },
        { vdpad_holders_check_pf, PF },
    };

    for (size_t i = 0; i < 4; i++) {
        expect(cases[i].check, cases[i].name, errors[i],
               errors[i] == -EBUSY ? "pid 100 (qemu)" : "");
    }
}

static void
who_is_asked_about(void **state)
{
    (void) state;
    given("", HOST);
    expect_all((const int[]){ 0, 0, 0, 0 });
    given(HOLDS("511:3"), HOST);
    expect_all((const int[]){ -EBUSY, -EBUSY, -EBUSY, -EBUSY });
    /* A mode of the e-switch takes subfunctions along, a number of VFs does
     * not. */
    given(HOLDS("511:4"), HOST);
    expect_all((const int[]){ 0, 0, 0, -EBUSY });
    expect(vdpad_holders_check_vdpa, "vdpa1", -EBUSY, "vdpa1 (vhost-vdpa-4)");
}

/* By its group, with an IOMMU and without, or by itself. */
static void
vfio(void **state)
{
    static const struct {
        const char *file, *number;
    } cases[] = {
        { "/sys/class/vfio/7/dev=240:1\\n\n", HOLDS("240:1") },
        { "/sys/class/vfio/noiommu-7/dev=240:2\\n\n", HOLDS("240:2") },
        { PCI VF "/vfio-dev/vfio0/dev=241:0\\n\n", HOLDS("241:0") },
    };

    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char first[512];

        (void) snprintf(first, sizeof first,
                        PCI VF "/iommu_group>../../7\n%s%s", cases[i].file,
                        cases[i].number);
        given(first, HOST);
        expect_all((const int[]){ 0, -EBUSY, -EBUSY, -EBUSY });
    }
}

/* While the kernel did not answer. */
static void
opened_meanwhile(void **state)
{
    (void) state;
    given("", HOST);
    meanwhile = HOLDS("511:3");
    expect(vdpad_holders_check_vdpa, "vdpa0", -EBUSY, "pid 100 (qemu)");
    given("", HOST);
    meanwhile = HOLDS("511:3");
    expect(vdpad_holders_check_vf, VF, -EBUSY, "pid 100 (qemu)");
}

/* Somebody's unbinding waits for the user of a device. */
static void
without_a_driver(void **state)
{
    static const char host[] = "/proc/devices=511 vhost-vdpa\\n\n"
                               "/proc/100/comm=qemu\n" VDPA
                               "vdpa0>/sys/devices/pci0000:64/" VF
                               "/vdpa0\n" VDPA "vdpa0/uevent=\n" VDPA
                               "vdpa1>/sys/devices/pci0000:64/" PF
                               "/vdpa1\n" VDPA
                               "vdpa1/driver>../../vhost_vdpa\n" VDPA
                               "vdpa1/vhost-vdpa-4\n";

    (void) state;
    given("", host);
    expect(vdpad_holders_check_vdpa, "vdpa0", 0, "");
    given(HOLDS("511:3"), host);
    expect(vdpad_holders_check_vdpa, "vdpa0", -EBUSY,
           "is being removed (vhost-vdpa-3) is in use by pid 100");
    expect(vdpad_holders_check_vdpa, "vdpa1", 0, "");
}

/* The host's own: the netdev is not there yet, is ours, or a container's. */
static void
virtio(void **state)
{
    static const char host[] = "/proc/devices=511 vhost-vdpa\\n\n" VDPA
                               "vdpa0>/sys/devices/pci0000:64/" VF
                               "/vdpa0\n" VDPA
                               "vdpa0/driver>../../virtio_vdpa\n" PCI VF
                               "/virtio1/driver>../../virtio_net\n";
    static const struct {
        const char *first, *netdev;
        bool is_away;
    } cases[] = {
        { "", "", false },
        { PCI VF "/virtio1/net/eth5\n", "eth5", false },
        { PCI VF "/virtio1/net\n", "", true },
    };

    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct vdpad_vbus *row;
        struct vdpad_rows rows;

        given(cases[i].first, host);
        vdpad_rows_init(&rows, VDPAD_VBUS);
        tree_on(true);
        assert_int_equal(vdpad_observe_vbus(&rows, &why), 0);
        tree_on(false);
        assert_int_equal(rows.picture.n, 1);
        row = rows.picture.rows;
        assert_string_equal(row->virtio, "virtio1");
        assert_string_equal(row->netdev, cases[i].netdev);
        assert_int_equal(row->netdev_away, cases[i].is_away);
        vdpad_rows_clear(&rows);
        expect(vdpad_holders_check_vdpa, "vdpa0",
               cases[i].is_away ? -EBUSY : 0,
               cases[i].is_away ? "network namespace" : "");
    }
}

/* EMFILE, ENFILE, ENOMEM and the like are no answer. */
static void
what_cannot_be_known(void **state)
{
    static const struct {
        const char *first;
        int errors[4];
    } cases[] = {
#define UNKNOWN(N)                                                      \
    { (N) &8 ? -EMFILE : 0, (N) &4 ? -EMFILE : 0, (N) &2 ? -EMFILE : 0, \
      (N) &1 ? -EMFILE : 0 }
        { "/proc/devices!24\n", UNKNOWN(15) },
        { "/proc/100/fd!24\n", UNKNOWN(15) },
        { "/proc!24\n", UNKNOWN(15) },
        { "/sys/bus/vdpa/devices!24\n", UNKNOWN(15) },
        { VDPA "vdpa0!24\n", UNKNOWN(15) },
        { VDPA "vdpa0/driver!24\n", UNKNOWN(15) },
        { PCI VF "/physfn!24\n", UNKNOWN(3) },
        { PCI PF "/virtfn0!24\n", UNKNOWN(3) },
        { PCI PF "!24\n", UNKNOWN(3) },
        { PCI VF "/net!24\n", UNKNOWN(7) },
        { PCI VF "/iommu_group!24\n", UNKNOWN(7) },
        { PCI VF "/vfio-dev!24\n", UNKNOWN(7) },
        { PCI VF "/vfio-dev/vfio0/dev!24\n", UNKNOWN(7) },
        { PCI VF "/iommu_group>../../7\n"
                 "/sys/class/vfio/7/dev!24\n",
          UNKNOWN(7) },
        { PCI VF "/iommu_group>../../7\n"
                 "/sys/class/vfio/7/dev=vfio\n",
          { 0, -EPROTO, -EPROTO, -EPROTO } },
    };

    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        given(cases[i].first, HOST);
        expect_all(cases[i].errors);
    }
}

/* The function that a device is on. */
static void
parents(void **state)
{
    static const struct {
        const char *first, *name, *parent;
        int error;
    } cases[] = {
        { "", "vdpa0", VF, 0 },
        { "", "vdpa1", PF, 0 },
        { VDPA "vdpasim>/sys/devices/vdpasim\n", "vdpasim", "", 0 },
        { "", "vdpa2", "", -ENOENT },
        { VDPA "vdpa0!24\n", "vdpa0", "", -EMFILE },
    };

    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char parent[VDPAD_BDF_SIZE];

        given(cases[i].first, HOST);
        tree_on(true);
        assert_int_equal(vdpad_vbus_parent(cases[i].name, parent),
                         cases[i].error);
        tree_on(false);
        assert_string_equal(parent, cases[i].parent);
    }
}

/* No driver of such devices is loaded. */
static void
without_drivers(void **state)
{
    (void) state;
    given("/proc/devices=Character devices:\\n  1 mem\\n\n", HOST);
    expect_all((const int[]){ 0, 0, 0, 0 });
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_asked_about),
        cmocka_unit_test(vfio),
        cmocka_unit_test(opened_meanwhile),
        cmocka_unit_test(without_a_driver),
        cmocka_unit_test(virtio),
        cmocka_unit_test(what_cannot_be_known),
        cmocka_unit_test(without_drivers),
        cmocka_unit_test(parents),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
