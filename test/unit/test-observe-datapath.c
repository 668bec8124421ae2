/* SPDX-License-Identifier: Apache-2.0 */
/* Which netdevs the ports of a kernel datapath are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/openvswitch.h>
#include <net/if.h>
#include <string.h>

#include <netlink/msg.h>

#include "netlink/observe-datapath.h"
#include "netlink/uapi.h"

#define FAMILY 30
#define DATAPATH 4

/* The kernel. */
static int fake_call(struct vdpad_nl *nl, struct nl_msg *msg, int error,
                     vdpad_nl_message_cb *cb, void *aux,
                     struct vdpad_error *why, const char *format, ...);
static unsigned int fake_index(const char *name);

#define vdpad_nl_call fake_call
#define if_nametoindex fake_index
#include "netlink/observe-datapath.c"

/* A port as the kernel tells of it; 0 and -1: that it does not tell. */
static const struct {
    uint32_t number;
    const char *name;
    uint32_t ifindex;
    int32_t netns;
} told[] = {
    { 0, "br-int", DATAPATH, -1 },
    { 1, "eth0", 3, 0 }, /* A container's, which is not our eth0. */
    { 2, "pf0vf0", 5, -1 },
    { 3, "old", 0, -1 }, /* By a kernel before 4.15. */
};

static unsigned int
fake_index(const char *name)
{
    return !strcmp(name, "eth0") ? 2 : !strcmp(name, "old") ? 9 : 0;
}

static int
fake_call(struct vdpad_nl *nl, struct nl_msg *msg, int error,
          vdpad_nl_message_cb *cb, void *aux, struct vdpad_error *why,
          const char *format, ...)
{
    const struct genlmsghdr genl = { .cmd = OVS_VPORT_CMD_NEW };
    const struct ovs_header ovs = { .dp_ifindex = DATAPATH };

    (void) nl;
    (void) why;
    (void) format;
    assert_int_equal(nlmsg_hdr(msg)->nlmsg_type, FAMILY);
    nlmsg_free(msg);
    for (size_t i = 0; !error && i < sizeof told / sizeof told[0]; i++) {
        msg = nlmsg_alloc();
        assert_int_equal(nlmsg_append(msg, (void *) (uintptr_t) &genl,
                                      sizeof genl, NLMSG_ALIGNTO),
                         0);
        assert_int_equal(nlmsg_append(msg, (void *) (uintptr_t) &ovs,
                                      sizeof ovs, NLMSG_ALIGNTO),
                         0);
        nla_put_u32(msg, OVS_VPORT_ATTR_PORT_NO, told[i].number);
        nla_put_string(msg, OVS_VPORT_ATTR_NAME, told[i].name);
        if (told[i].ifindex) {
            nla_put_u32(msg, OVS_VPORT_ATTR_IFINDEX, told[i].ifindex);
        }
        if (told[i].netns >= 0) {
            nla_put_u32(msg, OVS_VPORT_ATTR_NETNSID, (uint32_t) told[i].netns);
        }
        error = cb(aux, FAMILY, nlmsg_data(nlmsg_hdr(msg)),
                   (size_t) nlmsg_datalen(nlmsg_hdr(msg)));
        nlmsg_free(msg);
    }
    return error;
}

static void
netdevs_of_ports(void **state)
{
    static const int32_t expected[] = { DATAPATH, 0, 5, 9 };
    const struct vdpad_datapath datapath = { .ifindex = DATAPATH };
    struct vdpad_datapaths d = { .vport = { .id = FAMILY } };
    struct vdpad_vports ports = { .n = 0 };
    struct vdpad_error why;

    (void) state;
    assert_int_equal(vdpad_datapath_ports(&d, &datapath, &ports, &why), 0);
    assert_int_equal(ports.n, sizeof expected / sizeof expected[0]);
    for (uint32_t i = 0; i < ports.n; i++) {
        assert_int_equal(ports.ports[i].port, i);
        assert_int_equal(ports.ports[i].ifindex, expected[i]);
    }
    free((void *) (uintptr_t) ports.ports);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(netdevs_of_ports),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
