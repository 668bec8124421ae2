/* SPDX-License-Identifier: Apache-2.0 */
/* Steps by way of sysfs, over files that do what the kernel's do.
 *
 * wrap: open close fopen opendir readdir closedir readlink readlinkat
 * wrap: realpath stat lstat statx
 * wrap: vdpad_sysfs_write vdpad_holders_check_vf */
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
#include "netlink/step.h"
#include "netlink/sysfs.h"
#include "file-tree.h"

#define PF "0000:65:00.0"
#define VF "0000:65:00.2"
#define DEVICES "/sys/bus/pci/devices/"

static struct {
    char driver[32], override[32];
    bool autoprobe, in_use;
    unsigned int n_unbound;
} vf;
static int write_error;

static void
show(void)
{
    static char text[1024];
    int n = snprintf(text, sizeof text,
                     DEVICES PF
                     "/driver>../../drivers/mlx5_core\n" DEVICES PF
                     "/sriov_drivers_autoprobe=%d\n" DEVICES VF
                     "/physfn>../" PF "\n" DEVICES VF
                     "/physfn/driver>../../drivers/mlx5_core\n" DEVICES VF
                     "/physfn/sriov_drivers_autoprobe=%d\n" DEVICES VF
                     "/driver_override=%s\\n\n"
                     "/sys/bus/pci/drivers/mlx5_core\n"
                     "/sys/bus/pci/drivers/vfio-pci\n",
                     vf.autoprobe, vf.autoprobe,
                     vf.override[0] ? vf.override : "(null)");

    if (vf.driver[0]) {
        n += snprintf(text + n, sizeof text - (size_t) n,
                      DEVICES VF "/driver>../../drivers/%s\n", vf.driver);
    }
    assert_in_range(n, 1, sizeof text - 1);
    tree_make(text);
}

int __wrap_vdpad_sysfs_write(const char *value, struct vdpad_error *why,
                             const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int
__wrap_vdpad_sysfs_write(const char *value, struct vdpad_error *why,
                         const char *format, ...)
{
    char path[256];
    va_list args;

    va_start(args, format);
    (void) vsnprintf(path, sizeof path, format, args);
    va_end(args);
    if (write_error) {
        return vdpad_error_set(why, write_error, "write %s to %s", value,
                               path);
    }
    if (!strcmp(path, DEVICES VF "/driver_override")) {
        (void) snprintf(vf.override, sizeof vf.override, "%s",
                        strcmp(value, "\n") != 0 ? value : "");
    } else if (strstr(path, "/unbind")) {
        assert_string_equal(value, VF);
        assert_non_null(strstr(path, vf.driver));
        assert_false(vf.in_use);
        vf.driver[0] = '\0';
        vf.n_unbound++;
    } else if (!strcmp(path, "/sys/bus/pci/drivers_probe")) {
        /* With autoprobe off an override is needed. */
        assert_string_equal(value, VF);
        if (!vf.driver[0] && (vf.autoprobe || vf.override[0])) {
            (void) snprintf(vf.driver, sizeof vf.driver, "%s",
                            vf.override[0] ? vf.override : "mlx5_core");
        }
    } else {
        return vdpad_error_set(why, -EACCES, "%s", path);
    }
    show();
    return 0;
}

int __wrap_vdpad_holders_check_vf(struct vdpad_observer *observer,
                                  const char *name, struct vdpad_error *why);
int
__wrap_vdpad_holders_check_vf(struct vdpad_observer *observer,
                              const char *name, struct vdpad_error *why)
{
    (void) observer;
    assert_string_equal(name, VF);
    return vf.in_use ? vdpad_error_set(why, -EBUSY, "in use") : 0;
}

static void
given(const char *driver, const char *override, bool autoprobe)
{
    memset(&vf, 0, sizeof vf);
    strcpy(vf.driver, driver);
    strcpy(vf.override, override);
    vf.autoprobe = autoprobe;
    show();
}

static int
probe(const char *driver, const char *from)
{
    struct vdpad_act act = { .kind = VDPAD_ACT_VF_PROBE, .object = VF };
    struct vdpad_error why;
    int error;

    strcpy(act.word, driver);
    strcpy(act.from, from);
    tree_on(true);
    error = vdpad_step(NULL, &act, &why);
    tree_on(false);
    return error;
}

/* Given to a VM, by an override or by the ids of the driver: it stays so until
 * the VM has ended, and each attempt says why. */
static void
back_from_vfio(void **state)
{
    static const char *const overrides[] = { "vfio-pci", "" };

    (void) state;
    for (size_t i = 0; i < 4; i++) {
        given("vfio-pci", overrides[i / 2], i % 2);
        vf.in_use = true;
        for (int attempt = 0; attempt < 3; attempt++) {
            assert_int_equal(probe("", "vfio-pci"), -EBUSY);
            assert_string_equal(vf.driver, "vfio-pci");
            assert_string_equal(vf.override, overrides[i / 2]);
        }
        vf.in_use = false;
        assert_int_equal(probe("", "vfio-pci"), 0);
        assert_string_equal(vf.driver, "mlx5_core");
        assert_string_equal(vf.override, "");
        assert_int_equal(vf.n_unbound, 1);
    }
}

/* What an attempt that was cut off has left. */
static void
half_done(void **state)
{
    (void) state;
    given("", "vfio-pci", true);
    assert_int_equal(probe("", "vfio-pci"), 0);
    assert_string_equal(vf.driver, "mlx5_core");
    assert_string_equal(vf.override, "");
    given("", "vfio-pci", false);
    assert_int_equal(probe("", ""), 0);
    assert_string_equal(vf.driver, "mlx5_core");
    assert_string_equal(vf.override, "");
}

/* Somebody gave it to a VM after the step was planned. */
static void
taken_meanwhile(void **state)
{
    (void) state;
    given("vfio-pci", "vfio-pci", true);
    assert_int_equal(probe("", ""), 0);
    assert_string_equal(vf.driver, "vfio-pci");
    assert_string_equal(vf.override, "vfio-pci");
    assert_int_equal(vf.n_unbound, 0);
}

/* Until nobody uses it, nothing says that it is to go to another driver. */
static void
to_vfio(void **state)
{
    (void) state;
    given("mlx5_core", "", true);
    vf.in_use = true;
    assert_int_equal(probe("vfio-pci", ""), -EBUSY);
    assert_string_equal(vf.driver, "mlx5_core");
    assert_string_equal(vf.override, "");
    vf.in_use = false;
    assert_int_equal(probe("vfio-pci", ""), 0);
    assert_string_equal(vf.driver, "vfio-pci");
    assert_string_equal(vf.override, "vfio-pci");
    assert_int_equal(vf.n_unbound, 1);

    /* Somebody else was faster: it is his. */
    given("vfio-pci", "", true);
    assert_int_equal(probe("vfio-pci", ""), -ESTALE);
    assert_string_equal(vf.override, "");
    assert_int_equal(vf.n_unbound, 0);
    assert_int_equal(probe("igb_uio", ""), -ENOENT);
}

/* Who asked for the step takes these for something else than the kernel's
 * answer. */
static void
errors_of_the_kernel(void **state)
{
    static const struct {
        int said, error;
    } cases[] = {
        { -EBUSY, -EBUSY },         { -ETIMEDOUT, -EREMOTEIO },
        { -EIO, -EREMOTEIO },       { -ECOMM, -EREMOTEIO },
        { -ECANCELED, -EREMOTEIO }, { 0, 0 },
    };

    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct vdpad_act act = { .kind = VDPAD_ACT_VF_UNBIND, .object = VF };
        struct vdpad_error why = { .code = 0 };

        given("mlx5_core", "", true);
        write_error = cases[i].said;
        tree_on(true);
        assert_int_equal(vdpad_step(NULL, &act, &why), cases[i].error);
        tree_on(false);
        assert_int_equal(why.code, cases[i].error);
        assert_true(!cases[i].error || strstr(why.text, "write " VF " to "));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(back_from_vfio),       cmocka_unit_test(half_done),
        cmocka_unit_test(taken_meanwhile),      cmocka_unit_test(to_vfio),
        cmocka_unit_test(errors_of_the_kernel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
