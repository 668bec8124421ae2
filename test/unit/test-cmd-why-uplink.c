/* SPDX-License-Identifier: Apache-2.0 */
/* why: what it says of the way out, the uplink and the bond that it is in. */
#include "why-fixture.h"

static struct vdpad_link links[4];
static struct vdpad_qdisc qdiscs[4]; /* Of links[0] to links[3]. */

/* Puts the uplink into a bond with another port, which is a port as well. */
static void
make_bond(void)
{
    static const struct vdpad_link bond = {
        .ifindex = 30,
        .name = "bond0",
        .kind = "bond",
        .bond_mode = 4,
        .mtu = 1500,
    };

    memcpy(links, fix.links, sizeof fix.links);
    links[0].master = 30;
    links[2] = links[0]; /* p1; the other representor makes room. */
    links[2].ifindex = 12;
    strcpy(links[2].name, "p1");
    strcpy(links[2].parent_bus, "pci");
    strcpy(links[2].parent_dev, "0000:65:00.1");
    links[3] = bond;
    fix.features[2].active = true;
    fix.devs[1].rep = NULL;
    fix.devs[0].rep = &links[1];
    fix.pf.uplink = &links[0];
    fix.world.pfs = &fix.pf;
    fix.observed.class_[VDPAD_LINK].picture.rows = links;
    fix.observed.class_[VDPAD_LINK].picture.n = 4;
    ifaces[0].name = "bond0";
    ports[0].name = "bond0";
    for (size_t i = 0; i < N_ELEMS(qdiscs); i++) {
        qdiscs[i] = (struct vdpad_qdisc){ .ifindex = links[i].ifindex,
                                          .ingress_block = 30 };
    }
    qdiscs[1].ingress_block = 0; /* The representor. */
    FIXTURE_ROWS(VDPAD_QDISC, qdiscs);
    fix.devs[0].qdisc = &qdiscs[1];
}

static void
bond_checks(void **state)
{
    struct result r;

    (void) state;
    make_bond();
    assert_int_equal(run("lag", &r), 0);
    assert_string_equal(r.seen, "2 ports of one e-switch in bond0");
    assert_int_equal(run("bond-mode", &r), 0);
    assert_string_equal(r.seen, "bond0 is of mode 802.3ad");
    WITH(links[3].bond_mode, 0,
         assert_fails("bond-mode", "bond0 is of mode balance-rr",
                      "ip link set dev bond0 type bond mode"));
    strcpy(links[3].kind, "team");
    assert_fails("bond-mode", "bond0 is a team device", "make a bond");
    strcpy(links[3].kind, "bond");
    WITH(fix.features[2].active, false,
         assert_fails("bond-hw-tc-offload", "of p1, a port of bond0 is off",
                      "ethtool -K p1 hw-tc-offload on"));
    WITH(links[2].switch_id[0], 0x99,
         assert_fails("lag", "p0 and p1, both in bond0, share no e-switch",
                      "one card"));
    WITH(links[2].switch_id_len, 0,
         assert_fails("lag", "p1, a port of bond0, is no port of an e-switch",
                      "devlink dev eswitch set pci/0000:65:00.1 mode "
                      "switchdev"));

    struct vdpad_picture *host = &fix.observed.class_[VDPAD_HOST].picture;
    fix.host[host->n++] = (struct vdpad_host){ "lag/0000:65:00.0",
                                               "disabled" };
    assert_int_equal(vdpad_picture_sort(host), 0);
    assert_fails("lag", "the LAG of p0 is disabled in hardware", "bonded");
    strcpy(fact("lag/0000:65:00.0"), "active");
    assert_int_equal(run("lag", &r), 0);

    WITH(ports[0].n_ifaces, 2,
         assert_fails("uplink-port", "a bond of Open vSwitch", "del-port"));
    ifaces[0].name = ports[0].name = "p0";
    assert_fails("uplink-port", "p0, which is in bond0, is in bridge br-int",
                 "del-port p0");
}

/* A port of the bond that Open vSwitch has not put into the bond's block. */
static void
bond_block(void **state)
{
    struct vdpad_observed_class *c = &fix.observed.class_[VDPAD_QDISC];
    struct result r;

    (void) state;
    make_bond();
    assert_int_equal(run("lag", &r), 0);
    assert_string_equal(r.result, "ok");
    WITH(qdiscs[2].ingress_block, 0,
         assert_fails("lag",
                      "p1, a port of bond0, has no ingress block, but the "
                      "filters of bond0 are in block 30: what arrives on p1 "
                      "stays in software",
                      "ip link set dev p1 nomaster && ip link set dev p1 down "
                      "&& ip link set dev p1 master bond0"));
    WITH(qdiscs[0].ingress_block, 31,
         assert_fails("lag", "p0, a port of bond0, has ingress block 31",
                      "ip link set dev p0 nomaster"));
    WITH(qdiscs[2].ifindex, 13,
         assert_fails("lag", "p1, a port of bond0, has no ingress qdisc",
                      "master bond0"));

    /* Nobody has put it there, or would. */
    qdiscs[2].ingress_block = 0;
    WITH(qdiscs[3].ingress_block, 0, assert_int_equal(run("lag", &r), 0));
    assert_string_equal(r.result, "ok");
    WITH(qdiscs[3].ifindex, 31, assert_int_equal(run("lag", &r), 0));
    assert_string_equal(r.result, "ok");
    WITH(ifaces[0].name, "gre0", (void) run("lag", &r));
    assert_string_equal(r.result, "ok");
    WITH(ctl.effect.effect, VDPAD_EFFECT_UNKNOWN, (void) run("lag", &r));
    assert_string_equal(r.result, "ok");

    c->known = false;
    c->error = -ETIMEDOUT;
    assert_unknown("lag", "qdisc cannot be observed");
}

static void
uplink_port(void **state)
{
    struct result r;

    (void) state;
    ifaces[0].name = "gre0";
    assert_fails("uplink-port",
                 "uplink p0 is in no bridge, and there is no tunnel",
                 "ovs-vsctl add-port BRIDGE p0");
    ifaces[0].type = "geneve";
    assert_unknown("uplink-port",
                   "uplink p0 is in no bridge, and has no address, nor has a "
                   "VLAN's device on it: whether tunnel gre0 leaves through "
                   "it is not known");
    struct vdpad_host row = fix.host[0];
    fix.host[0] = (struct vdpad_host){ "address/p0", "192.0.2.1" };
    WITH(fix.observed.class_[VDPAD_HOST].picture.n, 1,
         (void) run("uplink-port", &r));
    assert_string_equal(r.result, "ok");
    assert_contains(r.seen, "may leave through p0, which has 192.0.2.1");

    /* On a VLAN of a VLAN on it. */
    memcpy(links, fix.links, sizeof fix.links);
    links[2] = (struct vdpad_link){ 12, "v12", .kind = "vlan", .lower = 13 };
    links[3] = (struct vdpad_link){ 13, "v13", .kind = "vlan", .lower = 10 };
    fix.observed.class_[VDPAD_LINK].picture.rows = links;
    fix.observed.class_[VDPAD_LINK].picture.n = 4;
    fix.devs[1].rep = NULL;
    strcpy(fix.host[0].name, "address/v12");
    WITH(fix.observed.class_[VDPAD_HOST].picture.n, 1,
         (void) run("uplink-port", &r));
    assert_string_equal(r.result, "ok");
    assert_contains(r.seen, "may leave through v12, which has 192.0.2.1");
    links[3].lower = 11;
    WITH(fix.observed.class_[VDPAD_HOST].picture.n, 1,
         (void) run("uplink-port", &r));
    assert_string_equal(r.result, "unknown");
    links[2].lower = 12; /* No end of it. */
    WITH(fix.observed.class_[VDPAD_HOST].picture.n, 1,
         (void) run("uplink-port", &r));
    assert_string_equal(r.result, "unknown");
    fix.host[0] = row;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        why_test(bond_checks),
        why_test(bond_block),
        why_test(uplink_port),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
