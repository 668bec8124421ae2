/* SPDX-License-Identifier: Apache-2.0 */

/* The statements of the world builder. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world-builder.h"
#include "world-words.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/util.h"

static void
set_rest(struct wb_map *map, const char *prefix, const char *name,
         struct statement *s, size_t i)
{
    char key[VDPAD_NAME_SIZE];
    char *value = words_rest(s, i);

    vdpad_text(key, sizeof key, "%s%s", prefix, name);
    wb_set(map, key, value[0] ? value : NULL);
    free(value);
}

static void
parse_mac(const char *text, uint8_t mac[6])
{
    if (vdpad_mac_parse(text, mac)) {
        fail_msg("not a MAC address: %s", text);
    }
}

static int32_t
parse_mode(const char *text)
{
    return !strcmp(text, "switchdev") ? VDPAD_ESWITCH_SWITCHDEV
           : !strcmp(text, "legacy")  ? VDPAD_ESWITCH_LEGACY
                                      : VDPAD_ESWITCH_NONE;
}

static enum vdpad_class
parse_class(const char *name)
{
    for (int i = 0; i < VDPAD_N_CLASSES; i++) {
        if (!strcmp(vdpad_class_name((enum vdpad_class) i), name)) {
            return (enum vdpad_class) i;
        }
    }
    fail_msg("no class %s", name);
    return VDPAD_N_CLASSES;
}

static void
say_uplink(struct wb *b, struct statement *s, const char *bdf)
{
    char name[VDPAD_IFNAME_SIZE];
    const char *tc = words_option(s, "tc", "off");

    vdpad_text(name, sizeof name, "up%.2s", bdf + 5);

    const char *chosen = words_option(s, "uplink", name);
    int32_t mtu = words_number(words_option(s, "mtu", "1500"));

    if (!strcmp(chosen, "-")) {
        return;
    }

    struct vdpad_link *link = wb_add_row(b, VDPAD_LINK);

    link->ifindex = ++b->last_ifindex;
    link->flags = IFF_UP;
    link->mtu = (uint32_t) mtu;
    vdpad_copy(link->name, sizeof link->name, chosen);
    vdpad_copy(link->port_name, sizeof link->port_name, "p0");
    vdpad_copy(link->parent_bus, sizeof link->parent_bus, "pci");
    vdpad_copy(link->parent_dev, sizeof link->parent_dev, bdf);
    if (strcmp(tc, "-")) {
        struct vdpad_feature *feature = wb_add_row(b, VDPAD_FEATURE);

        feature->ifindex = link->ifindex;
        vdpad_copy(feature->name, sizeof feature->name, chosen);
        feature->supported = true;
        feature->active = !strcmp(tc, "on");
    }
}

static void
say_pf(struct wb *b, struct statement *s)
{
    struct vdpad_pci *pci = wb_add_row(b, VDPAD_PCI);
    const char *bdf = words_arg(s, 1);
    const char *mode = words_option(s, "mode", "legacy");

    vdpad_copy(pci->bdf, sizeof pci->bdf, bdf);
    pci->vf_index = -1;
    pci->vendor = 0x15b3;
    pci->device = 0x101d;
    pci->totalvfs = words_number(words_option(s, "totalvfs", "8"));
    pci->numvfs = words_number(words_option(s, "numvfs", "0"));
    pci->autoprobe = words_number(words_option(s, "autoprobe", "1"));
    vdpad_copy(pci->driver, sizeof pci->driver,
               words_option(s, "driver", "mlx5_core"));
    pci->iommu_group = 1;
    if (strcmp(mode, "-")) {
        struct vdpad_eswitch *e = wb_add_row(b, VDPAD_ESWITCH);

        vdpad_copy(e->bus, sizeof e->bus, "pci");
        vdpad_copy(e->dev, sizeof e->dev, bdf);
        e->mode = parse_mode(mode);
    }
    say_uplink(b, s, bdf);
}

static void
say_representor(struct wb *b, struct statement *s, const struct vdpad_pci *vf)
{
    const char *name = words_option(s, "rep", NULL);
    const char *tc = words_option(s, "tc", "on");
    const char *mac = words_option(s, "hw-addr", NULL);
    int32_t mtu = words_number(words_option(s, "rep-mtu", "1500"));
    bool is_up = words_flag(s, "up");
    const struct vdpad_eswitch *e = wb_find_eswitch(b, vf->pf);

    if (!e || e->mode != VDPAD_ESWITCH_SWITCHDEV
        || (name && !strcmp(name, "-"))) {
        return;
    }

    struct vdpad_link *link = wb_new_representor(b, vf);
    struct vdpad_feature *feature = wb_find_feature(b, link->name);

    feature->active = !strcmp(tc, "on");
    if (name) {
        vdpad_copy(link->name, sizeof link->name, name);
        vdpad_copy(feature->name, sizeof feature->name, name);
    }
    link->mtu = (uint32_t) mtu;
    link->flags = is_up ? IFF_UP : 0;
    if (mac) {
        struct vdpad_picture *p = &b->observed.class_[VDPAD_DLPORT].picture;
        struct vdpad_dlport *port = &(
            (struct vdpad_dlport *) p->rows)[p->n - 1];

        port->has_hw_addr = true;
        parse_mac(mac, port->hw_addr);
    }
}

static void
say_vf(struct wb *b, struct statement *s)
{
    const char *bdf = words_arg(s, 1);
    const char *driver = words_option(s, "driver", "mlx5_core");
    int32_t queues = words_number(words_option(s, "max-vqs", "17"));
    bool has_mgmtdev = strcmp(words_option(s, "mgmtdev", ""), "-") != 0;
    unsigned int dev, fn;
    char pf[VDPAD_BDF_SIZE];

    assert_int_equal(sscanf(bdf + strlen(bdf) - 4, "%x.%x", &dev, &fn), 2);
    vdpad_text(pf, sizeof pf, "%.*s00.0", (int) strlen(bdf) - 4, bdf);

    struct vdpad_pci *pci = wb_find_text(b, VDPAD_PCI, pf);
    int32_t index = (int32_t) (dev * 8 + fn) - 2;

    assert_non_null(pci);
    pci->numvfs = pci->numvfs > index ? pci->numvfs : index + 1;

    struct vdpad_pci *vf = wb_new_vf(b, pf, index);

    assert_string_equal(vf->bdf, bdf);
    say_representor(b, s, vf);
    wb_set_vf_driver(b, bdf, strcmp(driver, "-") ? driver : "");

    struct vdpad_mgmtdev *mgmtdev = wb_find_mgmtdev(b, bdf);

    if (mgmtdev) {
        mgmtdev->max_vqs = (uint32_t) queues;
        if (!has_mgmtdev) {
            wb_del_row(b, VDPAD_MGMTDEV, mgmtdev);
        }
    }
}

static void
say_vdpa(struct wb *b, struct statement *s)
{
    const char *vf = words_arg(s, 1);
    char standard[VDPAD_NAME_SIZE];

    vdpad_text(standard, sizeof standard, "vdpa:%s", vf);

    const char *name = words_option(s, "name", standard);
    const char *driver = words_option(s, "driver", "vhost_vdpa");
    const char *mac = words_option(s, "mac", NULL);
    const char *queues = words_option(s, "max-vqp", NULL);
    const char *netdev = words_option(s, "netdev", NULL);

    wb_new_vdpa(b, strcmp(vf, "-") ? vf : "", name);
    if (strcmp(driver, "-")) {
        wb_bind_vdpa(b, name, driver);
    }

    struct vdpad_vdpa *vdpa = wb_find_text(b, VDPAD_VDPA, name);
    struct vdpad_vbus *vbus = wb_find_text(b, VDPAD_VBUS, name);

    vdpa->mtu = (uint16_t) words_number(words_option(s, "mtu", "1500"));
    vdpa->has_config = strcmp(words_option(s, "config", ""), "-") != 0;
    if (mac) {
        vdpa->has_mac = true;
        parse_mac(mac, vdpa->mac);
    }
    if (queues) {
        vdpa->has_max_vqp = true;
        vdpa->max_vqp = (uint16_t) words_number(queues);
    }
    if (!strcmp(words_option(s, "chardev", ""), "-")) {
        vdpad_copy(vbus->chardev, sizeof vbus->chardev, "");
    }
    if (netdev) {
        vdpad_copy(vbus->netdev, sizeof vbus->netdev,
                   strcmp(netdev, "-") ? netdev : "");
    }
    if (words_flag(s, "away")) {
        vbus->netdev_away = true;
        vdpad_copy(vbus->netdev, sizeof vbus->netdev, "");
    }
}

static void
say_holder(struct wb *b, struct statement *s)
{
    const struct vdpad_vbus *vbus = wb_find_text(b, VDPAD_VBUS,
                                                 words_arg(s, 1));
    struct vdpad_holder *holder = wb_add_row(b, VDPAD_HOLDER);

    assert_non_null(vbus);
    vdpad_copy(holder->chardev, sizeof holder->chardev, vbus->chardev);
    holder->pid = words_number(words_arg(s, 2));
    vdpad_copy(holder->command, sizeof holder->command, words_arg(s, 3));
}

static void
say_module(struct wb *b, struct statement *s)
{
    struct vdpad_module *m = wb_find_text(b, VDPAD_MODULE, words_arg(s, 1));
    const char *state = words_arg(s, 2);

    assert_non_null(m);
    m->state = !strcmp(state, "missing")    ? VDPAD_MODULE_MISSING
               : !strcmp(state, "loadable") ? VDPAD_MODULE_LOADABLE
                                            : VDPAD_MODULE_LOADED;
}

static void
say_qdisc(struct wb *b, struct statement *s)
{
    const struct vdpad_link *link = wb_find_link(b, words_arg(s, 1));
    struct vdpad_qdisc *qdisc = wb_add_row(b, VDPAD_QDISC);

    assert_non_null(link);
    qdisc->ifindex = link->ifindex;
    qdisc->clsact = words_flag(s, "clsact");
}

static void
del_pf(struct wb *b, const char *pf)
{
    const struct vdpad_picture *pci = &b->observed.class_[VDPAD_PCI].picture;
    const struct vdpad_picture *links =
        &b->observed.class_[VDPAD_LINK].picture;

    for (size_t i = pci->n; i-- > 0;) {
        const struct vdpad_pci *rows = pci->rows;

        if (!strcmp(rows[i].pf, pf)) {
            wb_del_vf(b, rows[i].bdf);
        }
    }
    for (size_t i = links->n; i-- > 0;) {
        const struct vdpad_link *rows = links->rows;

        if (!strcmp(rows[i].parent_dev, pf)) {
            wb_del_link(b, rows[i].name);
        }
    }
    if (wb_find_eswitch(b, pf)) {
        wb_del_row(b, VDPAD_ESWITCH, wb_find_eswitch(b, pf));
    }
    wb_del_row(b, VDPAD_PCI, wb_find_text(b, VDPAD_PCI, pf));
}

static void
say_gone(struct wb *b, struct statement *s)
{
    const char *what = words_arg(s, 1);
    const char *name = words_arg(s, 2);

    if (!strcmp(what, "vf")) {
        wb_del_vf(b, name);
    } else if (!strcmp(what, "vdpa")) {
        wb_del_vdpa(b, name);
    } else if (!strcmp(what, "link")) {
        wb_del_link(b, name);
    } else if (!strcmp(what, "pf")) {
        del_pf(b, name);
    } else {
        fail_msg("what is %s?", what);
    }
}

static void
say_class(struct wb *b, struct statement *s)
{
    const char *what = words_arg(s, 0);
    struct vdpad_observed_class *c =
        &b->observed.class_[parse_class(words_arg(s, 1))];

    c->fresh = false;
    if (strcmp(what, "stale")) {
        char *text = words_rest(s, 2);

        c->error = -ETIMEDOUT;
        vdpad_text(c->why.text, sizeof c->why.text, "%s", text);
        free(text);
    }
    if (!strcmp(what, "unseen")) {
        c->known = false;
        c->picture.n = 0;
    }
}

static void
say_port(struct wb *b, struct statement *s)
{
    const char *name = words_arg(s, 1);
    struct wb_port *port = wb_new_port(b, name, words_arg(s, 2));
    const char *ofport = words_option(s, "ofport", "1");
    char *trunks = vdpad_xstrdup(words_option(s, "trunks", ""));
    char *more = NULL;

    port->ofport = strcmp(ofport, "-") ? words_number(ofport)
                                       : VDPAD_OFPORT_NONE;
    port->tag = words_number(words_option(s, "tag", "-1"));
    vdpad_copy(port->error, sizeof port->error, words_option(s, "error", ""));
    vdpad_copy(port->type, sizeof port->type, words_option(s, "type", ""));
    for (char *t = strtok_r(trunks, ",", &more); t;
         t = strtok_r(NULL, ",", &more)) {
        port->trunks[port->n_trunks++] = words_number(t);
    }
    free(trunks);
    for (size_t i = 3; i < s->n; i++) {
        char *equals = strchr(s->words[i], '=');

        if (s->used[i]) {
            continue;
        }
        s->used[i] = true;
        if (!strcmp(s->words[i], "ours")) {
            const char *vf = words_arg(s, ++i);

            wb_set(&port->ids, VDPAD_OWNER_KEY, VDPAD_OWNER_VALUE);
            wb_set(&port->ids, "vdpa-vf", strcmp(vf, "-") ? vf : NULL);
        } else if (equals) {
            *equals = '\0';
            wb_set(&port->ids, s->words[i], equals + 1);
        } else {
            s->used[i] = false;
        }
    }
}

static void
say_db(struct wb *b, struct statement *s)
{
    const char *what = words_arg(s, 1);

    b->has_db = strcmp(what, "none") != 0;
    b->db_connected = b->has_db && strcmp(what, "disconnected") != 0;
    if (!strcmp(what, "other")) {
        vdpad_copy(b->db_uuid, sizeof b->db_uuid,
                   "99999999-0000-0000-0000-000000000000");
    }
}

static void
say_record(struct wb *b, struct statement *s)
{
    const char *what = words_arg(s, 1);
    const char *name = words_arg(s, 2);

    if (!strcmp(what, "pf")) {
        struct vdpad_record_pf *pf = vdpad_record_add_pf(b->record, name);

        pf->numvfs = words_number(words_option(s, "numvfs", "-1"));
        pf->mode = words_number(words_option(s, "mode", "-1"));
        pf->autoprobe = words_number(words_option(s, "autoprobe", "-1"));
        pf->mtu = words_number(words_option(s, "mtu", "-1"));
        pf->tc_offload = words_number(words_option(s, "tc", "-1"));
    } else if (!strcmp(what, "dev")) {
        struct vdpad_record_dev *dev = vdpad_record_add_dev(b->record, name);

        vdpad_copy(dev->policy, sizeof dev->policy, words_arg(s, 3));
        vdpad_copy(dev->name, sizeof dev->name, words_optional(s, 4));
    } else if (!strcmp(what, "port")) {
        struct vdpad_record_dev *dev = vdpad_record_add_dev(b->record, name);

        vdpad_copy(dev->port, sizeof dev->port, words_arg(s, 3));
    } else if (!strcmp(what, "vf")) {
        vdpad_record_add_vf(b->record, name);
    } else {
        const char *db = words_optional(s, 3);

        assert_string_equal(what, "policy");
        vdpad_copy(vdpad_record_add_policy(b->record, name)->db,
                   VDPAD_UUID_SIZE, db[0] ? db : b->db_uuid);
    }
}

/* vfs PF NUMBER: so many has it had by us. */
static void
say_vfs(struct wb *b, struct statement *s)
{
    vdpad_memory_vfs_right(b->memory, words_arg(s, 1),
                           words_number(words_arg(s, 2)));
}

static void
say_memory(struct wb *b, struct statement *s)
{
    char key[VDPAD_NAME_SIZE + 32];
    struct vdpad_error why;
    const char *what = words_arg(s, 0);

    vdpad_memory_key(key, words_arg(s, 1), words_arg(s, 2));
    vdpad_memory_started(b->memory, key);
    if (!strcmp(what, "failed")) {
        int error = -words_number(words_arg(s, 4));
        int64_t due_ns = b->now_ns + words_number(words_arg(s, 5)) * WB_SEC;

        vdpad_error_set(&why, error, "%s", strerror(-error));
        for (int32_t i = words_number(words_arg(s, 3)); i > 0; i--) {
            vdpad_memory_ended(b->memory, key, error, &why, b->now_ns);
        }
        for (size_t i = 0; i < b->memory->n; i++) {
            if (!strcmp(b->memory->entries[i].key, key)) {
                b->memory->entries[i].next_ns = due_ns;
            }
        }
    } else if (!strcmp(what, "stuck")) {
        char *text = words_rest(s, 3);

        vdpad_error_set(&why, -ETIMEDOUT, "%s", text);
        vdpad_memory_ended(b->memory, key, -ETIMEDOUT, &why, b->now_ns);
        free(text);
    }
}

static void
say_map(struct wb *b, struct statement *s)
{
    const char *what = words_arg(s, 0);

    if (!strcmp(what, "policy")) {
        set_rest(&b->keys, VDPAD_KEY_POLICY, words_arg(s, 1), s, 2);
    } else if (!strcmp(what, "want")) {
        set_rest(&b->keys, VDPAD_KEY_PORT, words_arg(s, 1), s, 2);
    } else if (!strcmp(what, "key")) {
        set_rest(&b->keys, "", words_arg(s, 1), s, 2);
    } else if (!strcmp(what, "other-config")) {
        set_rest(&b->other_config, "", words_arg(s, 1), s, 2);
    } else {
        fail_msg("what is '%s'?", s->line);
    }
}

static void
say_no_bridge(struct wb *b, struct statement *s)
{
    const char *name = words_arg(s, 1);

    for (size_t i = 0; i < b->n_bridges; i++) {
        if (!strcmp(b->bridges[i].name, name)) {
            b->n_bridges--;
            memmove(&b->bridges[i], &b->bridges[i + 1],
                    (b->n_bridges - i) * sizeof b->bridges[0]);
        }
    }
}

static void
say_other(struct wb *b, struct statement *s)
{
    const char *what = words_arg(s, 0);

    if (!strcmp(what, "bridge")) {
        wb_new_bridge(b, words_arg(s, 1));
    } else if (!strcmp(what, "no-port")) {
        wb_del_port(b, words_arg(s, 1));
    } else if (!strcmp(what, "force")) {
        vdpad_memory_force(b->memory, words_arg(s, 1), true);
    } else if (!strcmp(what, "vfs")) {
        say_vfs(b, s);
    } else if (!strcmp(what, "grace")) {
        b->memory->grace_until_ns = b->now_ns
                                    + words_number(words_arg(s, 1)) * WB_SEC;
    } else {
        say_map(b, s);
    }
}

static void
say(struct wb *b, struct statement *s)
{
    static const struct {
        const char *what;
        void (*say)(struct wb *, struct statement *);
    } table[] = {
        { "pf", say_pf },
        { "vf", say_vf },
        { "vdpa", say_vdpa },
        { "holder", say_holder },
        { "module", say_module },
        { "qdisc", say_qdisc },
        { "gone", say_gone },
        { "stale", say_class },
        { "fails", say_class },
        { "unseen", say_class },
        { "no-bridge", say_no_bridge },
        { "port", say_port },
        { "db", say_db },
        { "record", say_record },
        { "failed", say_memory },
        { "flying", say_memory },
        { "stuck", say_memory },
    };

    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (!strcmp(s->words[0], table[i].what)) {
            table[i].say(b, s);
            return;
        }
    }
    say_other(b, s);
}

void
given(struct wb *b, const char *text)
{
    while (*text) {
        size_t len = strcspn(text, "\n");
        struct statement s;

        words_split(&s, text, len);
        if (s.n) {
            say(b, &s);
        }
        for (size_t i = 0; i < s.n; i++) {
            if (!s.used[i]) {
                fail_msg("'%s' is not understood: %s", s.words[i], text);
            }
        }
        text += len + (text[len] == '\n');
    }
}
