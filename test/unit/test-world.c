/* SPDX-License-Identifier: Apache-2.0 */

/* The join of what is observed, configured and recorded. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/devlink.h>
#include <stdlib.h>
#include <string.h>

#include "controller/lookup.h"
#include "controller/ready.h"
#include "world-builder.h"

#define PF "0000:65:00.0"
#define VF0 "0000:65:00.2"
#define VF1 "0000:65:00.3"
#define VF2 "0000:65:00.4"
#define HOST "pf " PF " mode=switchdev tc=on\n"

static void
names_of_states(void **state)
{
    static const char *const names[] = {
        "ready",  "applying", "waiting", "blocked",
        "failed", "removing", "foreign",
    };

    (void) state;
    for (int i = 0; i < VDPAD_N_STATES; i++) {
        assert_string_equal(vdpad_state_name((enum vdpad_state) i), names[i]);
    }
    assert_string_equal(vdpad_state_name(VDPAD_N_STATES), "?");
}

static void
ready_world(void **state)
{
    struct wb *b = *state;

    /* What PFs there are is not known: neither is what is wanted of them. */
    given(b, "policy a pf=" PF " vdpa-type=vhost\n"
             "unseen pci nothing");
    wb_plan(b);
    assert_false(vdpad_world_is_ready(b->world));
    given(b, "policy a");
    wb_plan(b);
    assert_true(vdpad_world_is_ready(b->world));
}

/* A name without a policy is told, but holds up nobody. */
static void
ready_with_a_left_over_name(void **state)
{
    struct wb *b = *state;

    given(b, HOST "key vdpa-suspended pods");
    wb_plan(b);
    assert_int_equal(b->config->n_errors, 1);
    assert_true(vdpad_world_is_ready(b->world));
    given(b, "key vdpa-brigde br0");
    wb_plan(b);
    assert_false(vdpad_world_is_ready(b->world));
}

static void
chain_is_joined(void **state)
{
    struct wb *b = *state;
    const struct vdpad_dev *dev;

    given(b, HOST "vf " VF0 "\n"
                  "vf " VF1 " rep=eth7 up\n"
                  "vdpa " VF1 " name=x mac=02:00:00:00:00:01\n"
                  "holder x 7 seven\n"
                  "holder x 8 eight\n"
                  "qdisc eth7\n"
                  "port eth7 br-int iface-id=lsp1\n"
                  "record dev " VF1 " a x\n"
                  "policy a pf=" PF " vdpa-type=vhost");
    wb_plan(b);
    assert_int_equal(b->world->n_pfs, 1);
    assert_int_equal(b->world->n_devs, 2);
    assert_int_equal(wb_pf(b, PF)->n_vfs, 2);
    assert_string_equal(wb_pf(b, PF)->uplink->name, "up65");
    assert_true(wb_pf(b, PF)->uplink_feature->active);

    dev = wb_dev(b, "x");
    assert_int_equal(dev->vf_index, 1);
    assert_string_equal(dev->vf->bdf, VF1);
    assert_string_equal(dev->mgmtdev->dev, VF1);
    assert_string_equal(dev->vdpa->name, "x");
    assert_string_equal(dev->vbus->driver, "vhost_vdpa");
    assert_string_equal(dev->rep->name, "eth7");
    assert_int_equal(dev->dlport->vf, 1);
    assert_true(dev->rep_feature->active);
    assert_non_null(dev->qdisc);
    assert_string_equal(dev->iface->name, "eth7");
    assert_int_equal(dev->n_holders, 2);
    assert_int_equal(dev->holders[1].pid, 8);
    assert_int_equal(dev->intent, VDPAD_INTENT_APPLY);
    assert_int_equal(dev->owner, VDPAD_OWNER_US);
    assert_ptr_equal(dev->policy, &b->config->policies[0]);

    /* By each of its names. */
    assert_ptr_equal(vdpad_world_find(b->world, VF1), dev);
    assert_ptr_equal(vdpad_world_find(b->world, "eth7"), dev);
    assert_ptr_equal(vdpad_world_find(b->world, "vhost-vdpa-0"), dev);
    assert_ptr_equal(vdpad_world_find(b->world, "lsp1"), dev);
    assert_null(vdpad_world_find(b->world, ""));
    assert_null(vdpad_world_find(b->world, "vhost-vdpa-1"));
}

/* Somebody asks why a port is not there by the name that it is to have. */
static void
found_by_the_name_of_its_key(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev\n"
             "vf " VF0 "\n"
             "vf " VF1 "\n"
             "policy a pf=" PF " vdpa-type=vhost\n"
             "want lsp1 vf=" VF1);
    wb_plan(b);
    assert_ptr_equal(vdpad_world_find(b->world, "lsp1"), wb_dev(b, VF1));
    /* What there is comes first. */
    given(b, "port r65v0 br-int iface-id=lsp1");
    wb_plan(b);
    assert_ptr_equal(vdpad_world_find(b->world, "lsp1"), wb_dev(b, VF0));
    given(b, "no-port r65v0\n"
             "want lsp1");
    wb_plan(b);
    assert_null(vdpad_world_find(b->world, "lsp1"));
}

static void
found_by_netdev(void **state)
{
    struct wb *b = *state;

    given(b, HOST "vf " VF0 "\n"
                  "vdpa " VF0 " driver=virtio_vdpa netdev=veth9");
    wb_plan(b);
    assert_string_equal(wb_dev(b, "veth9")->vf->bdf, VF0);
}

/* Sorted by PF and index, then those without a PF by name. */
static void
order_of_devices(void **state)
{
    struct wb *b = *state;
    static const char *const names[] = {
        "vdpa:0000:65:00.2",
        "vdpa:0000:65:01.1",
        "vdpa:0000:66:00.2",
        "a",
        "z",
    };

    given(b, "pf 0000:66:00.0\n" HOST "vf 0000:66:00.2\n"
             "vf 0000:65:01.1\n"
             "vf " VF0 "\n"
             "vdpa 0000:66:00.2\n"
             "vdpa 0000:65:01.1\n"
             "vdpa " VF0 "\n"
             "vdpa - name=z\n"
             "vdpa - name=a\n");
    wb_plan(b);
    assert_int_equal(b->world->n_devs, 5);
    for (int i = 0; i < 5; i++) {
        assert_string_equal(b->world->devs[i].name, names[i]);
    }
    assert_int_equal(b->world->devs[1].vf_index, 7);
    assert_int_equal(b->world->devs[3].vf_index, -1);
    assert_null(b->world->devs[3].pf);
    assert_int_equal(b->world->devs[3].intent, VDPAD_INTENT_NONE);
}

/* The record changes while commands still look at the world. */
static void
record_may_change_under_a_world(void **state)
{
    struct wb *b = *state;

    given(b, HOST "vf " VF0 "\n"
                  "vdpa " VF0 "\n"
                  "record pf " PF " numvfs=0\n"
                  "record dev " VF0 " a vdpa:" VF0 "\n"
                  "policy a");
    wb_plan(b);
    vdpad_record_del_dev(b->record, VF0);
    vdpad_record_del_pf(b->record, PF);
    given(b, "record dev 0000:01:00.2 b\n"
             "record dev 0000:02:00.2 b\n"
             "record pf 0000:01:00.0 numvfs=3");
    assert_string_equal(wb_dev(b, VF0)->policy_name, "a");
    assert_string_equal(wb_dev(b, VF0)->record->vf, VF0);
    assert_int_equal(wb_pf(b, PF)->record->numvfs, 0);
}

static void
ownership(void **state)
{
    struct wb *b = *state;

    given(b, HOST "vf " VF0 "\n"
                  "vf " VF1 "\n"
                  "vf " VF2 "\n"
                  "vdpa " VF0 "\n"
                  "vdpa " VF1 "\n"
                  "record dev " VF0 " a vdpa:" VF0 "\n"
                  "record dev " VF1 " a\n"
                  "policy a pf=" PF " vdpa-type=vhost");
    wb_plan(b);
    assert_int_equal(wb_dev(b, VF0)->owner, VDPAD_OWNER_US);
    assert_int_equal(wb_dev(b, VF1)->owner, VDPAD_OWNER_FOREIGN);
    assert_int_equal(wb_dev(b, VF2)->owner, VDPAD_OWNER_NONE);
}

/* One that bears another name than ours did is not ours. */
static void
ownership_ends_with_the_name(void **state)
{
    struct wb *b = *state;

    given(b, HOST "vf " VF0 "\n"
                  "vdpa " VF0 " name=other\n"
                  "record dev " VF0 " a vdpa:" VF0 "\n"
                  "policy a pf=" PF " vdpa-type=vhost");
    wb_plan(b);
    assert_int_equal(wb_dev(b, VF0)->owner, VDPAD_OWNER_FOREIGN);
}

static void
intents(void **state)
{
    struct wb *b = *state;

    given(b, HOST "vf " VF0 "\n"
                  "vf " VF1 "\n"
                  "vf " VF2 "\n"
                  "vf 0000:65:00.5\n"
                  "vdpa " VF1 "\n"
                  "vdpa " VF2 "\n"
                  "vdpa 0000:65:00.5\n"
                  "record policy gone\n"
                  "record policy bad\n"
                  "record dev " VF1 " gone vdpa:" VF1 "\n"
                  "record dev " VF2 " bad vdpa:" VF2 "\n"
                  "policy bad pf=nonsense:0 num-vfs=x\n"
                  "policy a pf=" PF "#0 vdpa-type=vhost");
    wb_plan(b);
    assert_int_equal(wb_dev(b, VF0)->intent, VDPAD_INTENT_APPLY);
    assert_int_equal(wb_dev(b, VF1)->intent, VDPAD_INTENT_REMOVE);
    assert_int_equal(wb_dev(b, VF2)->intent, VDPAD_INTENT_FREEZE);
    assert_int_equal(wb_dev(b, "0000:65:00.5")->intent, VDPAD_INTENT_NONE);
    given(b, "db none");
    wb_plan(b);
    assert_int_equal(wb_dev(b, VF1)->intent, VDPAD_INTENT_FREEZE);
    assert_int_equal(wb_dev(b, VF2)->intent, VDPAD_INTENT_FREEZE);
}

static const uint8_t *
mac_of(struct wb *b, const char *name)
{
    const struct vdpad_dev *dev = wb_dev(b, name);

    assert_true(dev->want_mac);
    return dev->mac;
}

static void
macs(void **state)
{
    struct wb *b = *state;
    static const uint8_t first[6] = { 2, 0, 0, 0, 0xff, 0xff };
    static const uint8_t second[6] = { 2, 0, 0, 1, 0, 0 };
    static const uint8_t chosen[6] = { 2, 0, 0, 0, 0, 0x77 };

    given(b, HOST "vf " VF0 "\n"
                  "vf " VF1 "\n"
                  "policy a pf=" PF " vdpa-type=vhost");
    wb_plan(b);
    assert_false(wb_dev(b, VF0)->want_mac);

    given(b, "policy a pf=" PF " vdpa-type=vhost mac=02:00:00:00:ff:ff\n"
             "want lsp vf=" VF0 " mac=02:00:00:00:00:77");
    wb_plan(b);
    assert_memory_equal(mac_of(b, VF0), chosen, 6);
    assert_memory_equal(mac_of(b, VF1), second, 6);
    given(b, "want lsp");
    wb_plan(b);
    assert_memory_equal(mac_of(b, VF0), first, 6);
}

static void
stable_macs(void **state)
{
    struct wb *b = *state;
    struct vdpad_world *other;
    uint8_t mac[6];

    given(b, HOST "vf " VF0 "\n"
                  "vf " VF1 "\n"
                  "policy a pf=" PF " vdpa-type=vhost mac=stable");
    wb_plan(b);
    memcpy(mac, mac_of(b, VF0), 6);
    assert_int_equal(mac[0] & 3, 2);
    assert_memory_not_equal(mac_of(b, VF1), mac, 6);
    wb_plan(b);
    assert_memory_equal(mac_of(b, VF0), mac, 6);

    other = vdpad_world_new(&b->observed, b->snapshot, true, b->config,
                            b->record, "another host");
    assert_memory_not_equal(vdpad_world_find(other, VF0)->mac, mac, 6);
    vdpad_world_free(other);
}

static void
wishes_of_a_port_win(void **state)
{
    struct wb *b = *state;

    given(b, HOST "vf " VF0 "\n"
                  "vf " VF1 "\n"
                  "policy a pf=" PF " vdpa-type=vhost mtu=1500\n"
                  "want lsp vf=" VF0 " mtu=9000 bridge=br-x");
    wb_plan(b);
    assert_int_equal(wb_dev(b, VF0)->mtu, 9000);
    assert_string_equal(wb_dev(b, VF0)->bridge, "br-x");
    assert_int_equal(wb_dev(b, VF1)->mtu, 1500);
    assert_string_equal(wb_dev(b, VF1)->bridge, "br-int");
}

static void
attach_modes(void **state)
{
    struct wb *b = *state;

    given(b, HOST "vf " VF0 "\n"
                  "vf " VF1 "\n"
                  "policy a pf=" PF " vdpa-type=vhost\n"
                  "want lsp vf=" VF0);
    wb_plan(b);
    assert_true(wb_dev(b, VF0)->want_attach);
    assert_true(wb_dev(b, VF1)->want_attach);
    given(b, "key vdpa-attach declared");
    wb_plan(b);
    assert_true(wb_dev(b, VF0)->want_attach);
    assert_false(wb_dev(b, VF1)->want_attach);
    given(b, "key vdpa-attach none");
    wb_plan(b);
    assert_false(wb_dev(b, VF0)->want_attach);
    assert_null(wb_dev(b, VF0)->bridge);
}

/* Template fields, and a name that is cut rather than overflows. */
static void
names_from_templates(void **state)
{
    struct wb *b = *state;

    given(b, HOST "vf " VF1 "\n"
                  "policy a pf=" PF " vdpa-type=vhost name=%v.%a@%p-");
    wb_plan(b);
    assert_string_equal(wb_dev(b, VF1)->name, "1." VF1 "@" PF "-");
}

static void
text_of_users(void **state)
{
    struct wb *b = *state;
    char text[VDPAD_REASON_SIZE];

    given(b, HOST "vf " VF0 "\n"
                  "vf " VF1 "\n"
                  "vf " VF2 "\n"
                  "vdpa " VF0 "\n"
                  "vdpa " VF1 " driver=virtio_vdpa away\n"
                  "vdpa " VF2 "\n"
                  "holder vdpa:" VF0 " 4242 qemu");
    wb_plan(b);
    assert_true(vdpad_dev_in_use(wb_dev(b, VF0), text));
    assert_string_equal(text, "in use by pid 4242 (qemu)");
    assert_true(vdpad_dev_in_use(wb_dev(b, VF1), text));
    assert_non_null(strstr(text, "network namespace"));
    assert_false(vdpad_dev_in_use(wb_dev(b, VF2), text));
}

static struct vdpad_dlport *
port_of_vf(struct wb *b, int32_t vf)
{
    struct vdpad_picture *p = &b->observed.class_[VDPAD_DLPORT].picture;

    for (size_t i = 0; i < p->n; i++) {
        struct vdpad_dlport *port = &((struct vdpad_dlport *) p->rows)[i];

        if (port->vf == vf) {
            return port;
        }
    }
    fail_msg("no port of VF %d", vf);
    return NULL;
}

static void
representor_by_devlink(void **state)
{
    struct wb *b = *state;
    const struct vdpad_dlport *port;

    given(b, HOST "vf " VF0 "\n"
                  "vf " VF1);

    /* One of an external controller has the same numbers. */
    port_of_vf(b, 0)->external = true;
    port_of_vf(b, 1)->controller = 1;
    wb_find_link(b, "r65v0")->port_name[0] = '\0';
    wb_find_link(b, "r65v1")->port_name[0] = '\0';
    wb_plan(b);
    assert_null(vdpad_find_representor(&b->observed, PF, 0, &port));
    assert_null(port);
    assert_null(vdpad_find_representor(&b->observed, PF, 1, &port));

    /* Its netdev has not been told yet. */
    port_of_vf(b, 0)->external = false;
    port_of_vf(b, 0)->ifindex = 0;
    assert_null(vdpad_find_representor(&b->observed, PF, 0, &port));
    assert_non_null(port);
    assert_null(
        vdpad_find_representor(&b->observed, "0000:66:00.0", 0, &port));
}

/* Drivers without devlink ports. */
static void
representor_by_port_name(void **state)
{
    struct wb *b = *state;
    const struct vdpad_dlport *port;
    static const struct {
        const char *name;
        bool is_it;
    } cases[] = {
        { "pf0vf1", true },   { "pf12vf1", true },   { "1", true },
        { "pf0vf11", false }, { "pf0vf", false },    { "pfvf1", false },
        { "pf0sf1", false },  { "c1pf0vf1", false }, { "p1", false },
        { "", false },        { "pf0", false },      { "1x", false },
        { "111111", false },
    };
    struct vdpad_link *link;

    given(b, HOST "vf " VF1);
    b->observed.class_[VDPAD_DLPORT].picture.n = 0;
    wb_plan(b);
    link = wb_find_link(b, "r65v1");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        strcpy(link->port_name, cases[i].name);
        assert_ptr_equal(vdpad_find_representor(&b->observed, PF, 1, &port),
                         cases[i].is_it ? link : NULL);
        assert_null(port);
    }
    strcpy(link->port_name, "pf0vf1");
    link->switch_id_len = 0;
    assert_null(vdpad_find_representor(&b->observed, PF, 1, &port));
}

static void
uplink_among_representors(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev uplink=zz tc=on\n"
             "vf " VF0 " rep=aa\n"
             "pf 0000:66:00.0 uplink=-");
    wb_plan(b);
    assert_string_equal(wb_pf(b, PF)->uplink->name, "zz");
    assert_null(wb_pf(b, "0000:66:00.0")->uplink);

    /* As devlink says, whatever the names. */
    struct vdpad_dlport *port = wb_add_row(b, VDPAD_DLPORT);

    strcpy(port->bus, "pci");
    strcpy(port->dev, PF);
    port->index = 1;
    port->flavour = DEVLINK_PORT_FLAVOUR_PHYSICAL;
    port->vf = -1;
    port->ifindex = wb_find_link(b, "zz")->ifindex;
    strcpy(wb_find_link(b, "zz")->port_name, "odd");
    wb_plan(b);
    assert_string_equal(wb_pf(b, PF)->uplink->name, "zz");
}

int
main(void)
{
#define TEST(FUNCTION) \
    cmocka_unit_test_setup_teardown(FUNCTION, wb_set_up, wb_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(names_of_states),
        TEST(ready_world),
        TEST(ready_with_a_left_over_name),
        TEST(chain_is_joined),
        TEST(found_by_the_name_of_its_key),
        TEST(found_by_netdev),
        TEST(order_of_devices),
        TEST(record_may_change_under_a_world),
        TEST(ownership),
        TEST(ownership_ends_with_the_name),
        TEST(intents),
        TEST(macs),
        TEST(stable_macs),
        TEST(wishes_of_a_port_win),
        TEST(attach_modes),
        TEST(names_from_templates),
        TEST(text_of_users),
        TEST(representor_by_devlink),
        TEST(representor_by_port_name),
        TEST(uplink_among_representors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
