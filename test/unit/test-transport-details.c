/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures that take several requests, when the answer to one of them is lost
 * or makes no sense.
 *
 * wrap: uname lstat */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/devlink.h>
#include <linux/vdpa.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "transport-fixture.h"

/* A picture that takes several requests is none when one of them got lost,
 * also if it could do without what a driver does not tell. */
static void
lost_details(void **state)
{
    enum { FAMILY = 0x21 };
    struct {
        struct genlmsghdr genl;
        struct nlattr bus_attr;
        char bus[4];
        struct nlattr dev_attr;
        char dev[16];
    } device = {
        .genl = { .cmd = DEVLINK_CMD_NEW },
        .bus_attr = { .nla_len = 8, .nla_type = DEVLINK_ATTR_BUS_NAME },
        .bus = "pci",
        .dev_attr = { .nla_len = 20, .nla_type = DEVLINK_ATTR_DEV_NAME },
        .dev = "0000:01:00.0",
    };

    (void) state;
    for (int i = 0; i < 3; i++) {
        add_family("devlink", FAMILY);
        (void) add_datagram();
        device.genl.cmd = DEVLINK_CMD_NEW;
        (void) add(FAMILY, NLM_F_MULTI, &device, sizeof device);
        (void) add_datagram();
        add_done();
        device.genl.cmd = DEVLINK_CMD_ESWITCH_GET;
        add_answer(FAMILY, &device, sizeof device);
        if (i == 0) {
            add_error(ENOBUFS);
        } else {
            /* The driver does not tell; it does. */
            (void) add_datagram();
            (void) add_number(NLMSG_ERROR, 0, i == 1 ? -EOPNOTSUPP : 0);
        }
        assert_int_equal(observe(VDPAD_ESWITCH), i ? 0 : -EAGAIN);
        assert_int_equal(rows.picture.n, i ? 1 : 0);
        assert_int_equal(n_taken, n_datagrams);
        if (!i) {
            assert_non_null(strstr(why.text, "devlink info of "
                                             "pci/0000:01:00.0"));
        }
        vdpad_rows_clear(&rows);
        forget_datagrams();
    }
}

#define VF "0000:01:00.2"

/* There is one VF. */
int __wrap_lstat(const char *path, struct stat *status);
int
__wrap_lstat(const char *path, struct stat *status)
{
    memset(status, 0, sizeof *status);
    errno = ENOENT;
    return strcmp(path, "/sys/bus/pci/devices/" VF "/physfn") ? -1 : 0;
}

/* Who is asked for his firmware: not those that have none of their own. */
static void
firmware_of_functions(void **state)
{
    enum { FAMILY = 0x21 };
    static const struct {
        const char *bus, *dev;
        bool is_asked;
    } cases[] = {
        { "pci", "0000:01:00.0", true },
        { "pci", VF, false },
        { "auxiliary", "mlx5_core.sf.2", false },
        { "netdevsim", "netdevsim7", true },
    };

    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct {
            struct genlmsghdr genl;
            struct nlattr bus_attr;
            char bus[12];
            struct nlattr dev_attr;
            char dev[16];
        } device = {
            .genl = { .cmd = DEVLINK_CMD_NEW },
            .bus_attr = { .nla_len = 16, .nla_type = DEVLINK_ATTR_BUS_NAME },
            .dev_attr = { .nla_len = 20, .nla_type = DEVLINK_ATTR_DEV_NAME },
        };

        (void) snprintf(device.bus, sizeof device.bus, "%s", cases[i].bus);
        (void) snprintf(device.dev, sizeof device.dev, "%s", cases[i].dev);
        add_family("devlink", FAMILY);
        (void) add_datagram();
        (void) add(FAMILY, NLM_F_MULTI, &device, sizeof device);
        (void) add_datagram();
        add_done();
        (void) add_datagram();
        (void) add_number(NLMSG_ERROR, 0, -EOPNOTSUPP);
        if (cases[i].is_asked) {
            (void) add_datagram();
            (void) add_number(NLMSG_ERROR, 0, -EOPNOTSUPP);
        }
        n_requests = 0;
        assert_int_equal(observe(VDPAD_ESWITCH), 0);
        assert_int_equal(n_requests, cases[i].is_asked ? 4 : 3);
        assert_int_equal(n_taken, n_datagrams);
        vdpad_rows_clear(&rows);
        forget_datagrams();
    }
}

/* A kernel that may be asked for the configuration of vDPA devices. */
int __wrap_uname(struct utsname *name);
int
__wrap_uname(struct utsname *name)
{
    *name = (struct utsname){ .release = "6.12.0" };
    return 0;
}

/* What is known of a vDPA device, and whether somebody drives it. */
static void
lost_configurations(void **state)
{
    enum { FAMILY = 0x21 };
    static const struct {
        struct genlmsghdr genl;
        struct nlattr name_attr;
        char name[8];
        struct nlattr id_attr;
        uint32_t id;
    } device = {
        .genl = { .cmd = VDPA_CMD_DEV_NEW },
        .name_attr = { .nla_len = 12, .nla_type = VDPA_ATTR_DEV_NAME },
        .name = "vdpa0",
        .id_attr = { .nla_len = 8, .nla_type = VDPA_ATTR_DEV_ID },
        .id = 1,
    };
    static const struct {
        struct genlmsghdr genl;
        struct nlattr attr;
        uint64_t features;
    } config = {
        .genl = { .cmd = VDPA_CMD_DEV_CONFIG_GET },
        .attr = { .nla_len = 12,
                  .nla_type = VDPA_ATTR_DEV_NEGOTIATED_FEATURES },
        .features = 0x4321,
    };
    static const struct {
        int error;      /* Of the answer, … */
        int picture;    /* … of the picture, … */
        int negotiated; /* … and of the question. */
    } cases[] = {
        { 0, 0, 0 },
        { -EOPNOTSUPP, 0, 0 }, /* The driver does not tell. */
        { -ENOBUFS, -EAGAIN, -ENOBUFS },
        { -EBADMSG, 0, -EBADMSG },
    };

    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int is_picture = 0; is_picture <= 1; is_picture++) {
            uint64_t features = 1;

            add_family("vdpa", FAMILY);
            if (is_picture) {
                (void) add_datagram();
                (void) add(FAMILY, NLM_F_MULTI, &device, sizeof device);
                add_done();
            }
            if (cases[i].error == -ENOBUFS) {
                add_error(ENOBUFS);
            } else if (cases[i].error == -EBADMSG) {
                (void) add_datagram();
                (void) add(FAMILY, 0, &config, sizeof config - 1);
                (void) add_number(NLMSG_ERROR, 0, 0);
            } else if (cases[i].error) {
                (void) add_datagram();
                (void) add_number(NLMSG_ERROR, 0, cases[i].error);
            } else {
                add_answer(FAMILY, &config, sizeof config);
            }
            if (is_picture) {
                assert_int_equal(observe(VDPAD_VDPA), cases[i].picture);
                assert_int_equal(rows.picture.n, !cases[i].picture);
                assert_true(
                    cases[i].picture
                    || VDPAD_ROWS(&rows.picture, vdpad_vdpa)->has_config
                           == !cases[i].error);
                assert_int_equal(observer.malformed,
                                 cases[i].error == -EBADMSG);
                vdpad_rows_clear(&rows);
            } else {
                assert_int_equal(vdpad_observe_negotiated(&observer, "vdpa0",
                                                          &features, &why),
                                 cases[i].negotiated);
                assert_int_equal(features, cases[i].error ? 0 : 0x4321);
            }
            assert_int_equal(n_taken, n_datagrams);
            forget_datagrams();
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lost_details),
        TEST(firmware_of_functions),
        TEST(lost_configurations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
