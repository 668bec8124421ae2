/* SPDX-License-Identifier: Apache-2.0 */
/* An observer whose requests are answered by netlink-answers.h.  For one test
 * program each; after cmocka.h. */
#ifndef VDPAD_TEST_TRANSPORT_FIXTURE_H
#define VDPAD_TEST_TRANSPORT_FIXTURE_H 1

#include <linux/rtnetlink.h>
#include <string.h>

#include "netlink/observe.h"
#include "descriptors.h"
#include "netlink-answers.h"

static struct vdpad_observer observer;
static struct vdpad_rows rows;
static struct vdpad_error why;

static inline struct nlmsghdr *
add_link(int ifindex, uint16_t flags)
{
    struct {
        struct ifinfomsg header;
        struct rtattr attr;
        char name[8];
    } link = {
        .header = { .ifi_index = ifindex },
        .attr = { .rta_len = RTA_LENGTH(8), .rta_type = IFLA_IFNAME },
        .name = "eth0",
    };

    link.name[3] = (char) ('0' + ifindex % 10);
    return add(RTM_NEWLINK, NLM_F_MULTI | flags, &link, sizeof link);
}

static size_t n_descriptors;

static int
set_up(void **state)
{
    (void) state;
    forget_datagrams();
    n_descriptors = count_descriptors();
    memset(&observer, 0, sizeof observer);
    return 0;
}

static int
tear_down(void **state)
{
    (void) state;
    vdpad_observer_done(&observer);
    forget_datagrams();
    assert_int_equal(count_descriptors(), n_descriptors);
    return 0;
}

static inline int
observe(enum vdpad_class class_)
{
    observer.interrupted = observer.malformed = 0;
    memset(&why, 0, sizeof why);
    return vdpad_observe(&observer, class_, &rows, &why);
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)

#endif
