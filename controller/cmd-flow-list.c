/* SPDX-License-Identifier: Apache-2.0 */
/* flow/list: single flows, of TC and of the kernel datapath.
 *
 * The kernel is asked for a page at a time; what came is printed in slices,
 * one a turn, since there may be many thousands. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vdpad/loop.h>

#include "cmd-call.h"
#include "config-parse.h"
#include "flow-cursor.h"
#include "lookup.h"
#include "util.h"

#define SET(OBJECT, KEY, VALUE) vdpad_json_set(OBJECT, KEY, VALUE)
#define N_ELEMS(ARRAY) (sizeof(ARRAY) / sizeof(ARRAY)[0])

#define MAX_LIMIT 10000 /* Of one answer, and the default. */

/* What the kernel is asked for at a time.  A larger page needs fewer dumps of
 * all filters, but its 1.4 KB a flow have to be copied in one turn. */
#define PAGE 5000

/* Listings that are under way; each may hold some megabytes. */
#define MAX_LISTINGS 4

struct listing {
    struct vdpad_call *call;
    struct vdpad_flow_query query;
    bool wants_tc, wants_kernel;
    bool only_kernel; /* That is all that was asked for. */
    uint32_t left;    /* Flows that may still be printed. */
    struct vdpad_text_stream out;
    bool has_printed;
    char unknown[VDPAD_ERROR_TEXT]; /* Why kernel flows are not known; "". */

    struct vdpad_flow_detail *flows; /* Being printed. */
    size_t n, i;
    bool more; /* Behind them. */
};

static size_t n_listings;

static void print_slice(void *listing_);
static void ask(struct listing *l);

static void
listing_free(struct listing *l)
{
    n_listings--;
    if (l->out.stream) {
        free(vdpad_text_close(&l->out));
    }
    free(l->flows);
    free(l);
}

/* Ends 'l' with its text and where it goes on, if anywhere. */
static void
finish(struct listing *l, const struct vdpad_flow_cursor *next)
{
    struct vdpad_call *call = l->call;
    char cursor[VDPAD_CURSOR_SIZE] = "";
    FILE *out = l->out.stream;
    char *text;

    if (next) {
        vdpad_flow_cursor_text(next, cursor);
    }
    if (call->json) {
        json_t *why = vdpad_json_text(l->unknown[0] ? l->unknown : NULL);
        char *unknown = json_dumps(why, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);

        fprintf(out, "%s],\n \"kernel_flows_unknown\": %s,\n \"next\": ",
                l->has_printed ? "\n" : "", unknown ? unknown : "null");
        fprintf(out, next ? "\"%s\"}\n" : "null}\n", cursor);
        free(unknown);
        json_decref(why);
    } else {
        if (!l->has_printed && !l->unknown[0]) {
            fputs("none\n", out);
        }
        if (l->unknown[0]) {
            char *shown = vdpad_json_printable(l->unknown);

            fprintf(out, "flows of the kernel datapath are not known: %s\n",
                    shown);
            free(shown);
        }
        if (next) {
            fprintf(out, "there are more: say --after=%s\n", cursor);
        }
    }
    text = vdpad_text_close(&l->out);
    l->out.stream = NULL;
    listing_free(l);
    vdpad_call_reply_text(call, text);
}

/* The netdev's name, or NULL. */
static const char *
netdev_name(const struct vdpad_world *world, int32_t ifindex)
{
    const struct vdpad_link *link = ifindex > 0
                                        ? vdpad_find_link(world->observed,
                                                          ifindex)
                                        : NULL;

    return link ? link->name : NULL;
}

/* The device whose representor has 'ifindex', or NULL. */
static const char *
device_name(const struct vdpad_world *world, int32_t ifindex)
{
    for (size_t i = 0; i < world->n_devs && ifindex > 0; i++) {
        const struct vdpad_dev *dev = &world->devs[i];

        if (dev->rep && dev->rep->ifindex == ifindex) {
            return dev->name;
        }
    }
    return NULL;
}

static const char *
class_name(int32_t where)
{
    return where == VDPAD_FLOW_IN_HW   ? "hw"
           : where == VDPAD_FLOW_IN_TC ? "sw"
                                       : "kernel";
}

static json_t *
uses_json(uint32_t uses)
{
    static const char *const names[32] = {
        "ct-state",     "recirc-id",    "tunnel-key", "vlan-key",
        "mpls-key",     "fragment-key", "dp-hash",    "pkt-mark",
        "priority",     "other-key",    NULL,         NULL,
        NULL,           NULL,           NULL,         NULL,
        "ct",           "goto",         "tunnel-set", "tunnel-unset",
        "vlan",         "mpls",         "pedit",      "meter",
        "mirror",       "sample",       "userspace",  "hash",
        "other-action",
    };
    json_t *array = json_array();

    for (int i = 0; i < 32; i++) {
        if (uses & 1u << i && names[i]) {
            vdpad_json_add(array, json_string(names[i]));
        }
    }
    return array;
}

static void
print_json(struct listing *l, const struct vdpad_world *world,
           const struct vdpad_flow_detail *f)
{
    json_t *row = json_object(), *outputs = json_array();
    char ufid[VDPAD_UFID_SIZE];
    bool is_kernel = f->where == VDPAD_FLOW_IN_KERNEL;

    vdpad_ufid_text(f->ufid, ufid);
    SET(row, "class", json_string(class_name(f->where)));
    SET(row, "ufid", vdpad_json_text(f->has_ufid ? ufid : NULL));
    SET(row, "port", vdpad_json_text(netdev_name(world, f->ifindex)));
    SET(row, "device", vdpad_json_text(device_name(world, f->ifindex)));
    SET(row, "match", vdpad_json_text(f->match));
    SET(row, "actions", vdpad_json_text(f->actions));
    SET(row, "packets", vdpad_json_u64(f->hw_packets + f->sw_packets));
    SET(row, "bytes", vdpad_json_u64(f->hw_bytes + f->sw_bytes));
    SET(row, "hw_packets", vdpad_json_u64(f->hw_packets));
    SET(row, "hw_bytes", vdpad_json_u64(f->hw_bytes));
    SET(row, "used_ms", vdpad_json_optional(f->used_ms, -1));
    SET(row, "age_ms", vdpad_json_optional(f->age_ms, -1));
    SET(row, "offloaded", vdpad_json_bool(f->where == VDPAD_FLOW_IN_HW));
    SET(row, "dp", json_string(is_kernel ? "ovs" : "tc"));
    SET(row, "block", vdpad_json_optional(f->pos.block, 0));
    SET(row, "chain", is_kernel ? json_null() : vdpad_json_int(f->pos.chain));
    SET(row, "priority",
        is_kernel ? json_null() : vdpad_json_int(f->pos.prio));
    for (int i = 0; i < VDPAD_FLOW_OUTPUTS && f->outputs[i]; i++) {
        json_t *output = json_object();

        SET(output, "port",
            vdpad_json_text(netdev_name(world, f->outputs[i])));
        SET(output, "device",
            vdpad_json_text(device_name(world, f->outputs[i])));
        vdpad_json_add(outputs, output);
    }
    SET(row, "outputs", outputs);
    SET(row, "uses", uses_json(f->uses));
    fputs(l->has_printed ? ",\n  " : "\n  ", l->out.stream);
    if (json_dumpf(row, l->out.stream, JSON_COMPACT | JSON_ENSURE_ASCII)) {
        abort();
    }
    json_decref(row);
}

static void
put_printable(FILE *out, const char *text)
{
    char *shown = vdpad_json_printable(text);

    fputs(shown, out);
    free(shown);
}

static void
put_devices(FILE *out, const struct vdpad_world *world,
            const struct vdpad_flow_detail *f)
{
    const char *from = device_name(world, f->ifindex);
    bool has_to = false;

    if (from) {
        fputs(", device:", out);
        put_printable(out, from);
    }
    for (int i = 0; i < VDPAD_FLOW_OUTPUTS && f->outputs[i]; i++) {
        const char *to = device_name(world, f->outputs[i]);

        if (to) {
            fputs(has_to ? "+" : ", to:", out);
            put_printable(out, to);
            has_to = true;
        }
    }
}

/* As `ovs-appctl dpctl/dump-flows` writes them. */
static void
print_text(struct listing *l, const struct vdpad_world *world,
           const struct vdpad_flow_detail *f)
{
    FILE *out = l->out.stream;
    char ufid[VDPAD_UFID_SIZE];

    if (f->has_ufid) {
        vdpad_ufid_text(f->ufid, ufid);
        fprintf(out, "ufid:%s, ", ufid);
    }
    put_printable(out, f->match);
    fprintf(out, ", packets:%" PRIu64 ", bytes:%" PRIu64,
            f->hw_packets + f->sw_packets, f->hw_bytes + f->sw_bytes);
    if (f->used_ms >= 0) {
        fprintf(out, ", used:%lld.%03llds", (long long) f->used_ms / 1000,
                (long long) f->used_ms % 1000);
    } else {
        fputs(", used:never", out);
    }
    if (f->age_ms >= 0) {
        fprintf(out, ", age:%lld.%03llds", (long long) f->age_ms / 1000,
                (long long) f->age_ms % 1000);
    }
    fprintf(out, ", offloaded:%s, dp:%s",
            f->where == VDPAD_FLOW_IN_HW ? "yes" : "no",
            f->where == VDPAD_FLOW_IN_KERNEL ? "ovs" : "tc");
    put_devices(out, world, f);
    fputs(", actions:", out);
    put_printable(out, f->actions);
    fputc('\n', out);
}

/* The page is printed: what comes next. */
static void
go_on(struct listing *l)
{
    struct vdpad_flow_cursor next = { .is_kernel = !l->wants_tc };

    if (l->more && l->n) {
        next.pos = l->query.at = l->flows[l->n - 1].pos;
        l->query.has_at = true;
    } else if (l->wants_tc) {
        l->wants_tc = false;
        /* Before the first one. */
        memset(&l->query.at, 0, sizeof l->query.at);
        l->query.has_at = false;
        next.is_kernel = true;
    } else {
        l->wants_kernel = false;
    }
    free(l->flows);
    l->flows = NULL;
    l->n = l->i = 0;
    if (!l->wants_tc && !l->wants_kernel) {
        finish(l, NULL);
    } else if (!l->left) {
        finish(l, &next);
    } else {
        ask(l);
    }
}

static void
print_slice(void *listing_)
{
    struct listing *l = listing_;
    const struct vdpad_world *world = vdpad_call_world(l->call);
    int64_t end = vdpad_loop_clock_ns() + VDPAD_SLICE_NS;

    while (l->i < l->n && vdpad_loop_clock_ns() < end) {
        const struct vdpad_flow_detail *f = &l->flows[l->i++];

        if (l->call->json) {
            print_json(l, world, f);
        } else {
            print_text(l, world, f);
        }
        l->has_printed = true;
        l->left--;
    }
    if (l->i < l->n) {
        vdpad_call_later(print_slice, l);
    } else {
        go_on(l);
    }
}

static void
on_page(void *listing_, int error, const struct vdpad_flow_detail *flows,
        size_t n, bool more, const struct vdpad_error *why)
{
    struct listing *l = listing_;

    if (error && (l->wants_tc || l->only_kernel)) {
        struct vdpad_call *call = l->call;

        vdpad_call_error(call, "the kernel's flows cannot be listed: %s",
                         why && why->text[0] ? why->text : strerror(-error));
        listing_free(l);
        return;
    }
    if (error) {
        vdpad_copy(l->unknown, sizeof l->unknown,
                   why && why->text[0] ? why->text : strerror(-error));
        l->wants_kernel = false;
        finish(l, NULL);
        return;
    }
    if (n > l->left) {
        n = l->left;
        more = true;
    }
    l->flows = vdpad_xcalloc(n + 1, sizeof *flows);
    if (n) {
        memcpy(l->flows, flows, n * sizeof *flows);
    }
    l->n = n;
    l->i = 0;
    l->more = more;
    vdpad_call_later(print_slice, l);
}

static void
ask(struct listing *l)
{
    int error;

    l->query.kind = l->wants_tc ? VDPAD_QUERY_TC : VDPAD_QUERY_DATAPATH;
    l->query.limit = l->left < PAGE ? l->left : PAGE;
    error = vdpad_ctl_query(l->call->ctl, &l->query, on_page, l);
    if (error) {
        on_page(l, error, NULL, 0, false, NULL);
    }
}

/* What the words of the command say. */
struct wish {
    const char *device, *class_, *port, *ufid, *limit, *after;
};

/* Not one that is given for the second time. */
static bool
take_word(const char *word, const char *option, const char **value)
{
    size_t len = strlen(option);

    if (strncmp(word, option, len) || *value) {
        return false;
    }
    *value = word + len;
    return true;
}

/* Returns false when 'call' has been answered. */
static bool
parse_words(struct vdpad_call *call, struct wish *wish)
{
    memset(wish, 0, sizeof *wish);
    for (int i = 0; i < call->argc; i++) {
        const char *word = call->argv[i];

        if (take_word(word, "--class=", &wish->class_)
            || take_word(word, "--port=", &wish->port)
            || take_word(word, "--ufid=", &wish->ufid)
            || take_word(word, "--limit=", &wish->limit)
            || take_word(word, "--after=", &wish->after)) {
            continue;
        }
        if (word[0] == '-' || wish->device) {
            char shown[VDPAD_WORD_TEXT];

            vdpad_printable(word, 64, shown, sizeof shown);
            vdpad_call_error(
                call,
                "\"%s\": unknown argument, or one given twice; usage: %s %s",
                shown, call->command->name, call->command->usage);
            return false;
        }
        wish->device = word;
    }
    return true;
}

static bool
refuse(struct vdpad_call *call, const char *option, const char *value,
       const char *expected)
{
    char shown[VDPAD_WORD_TEXT];

    vdpad_printable(value, 64, shown, sizeof shown);
    vdpad_call_error(call, "%s=%s: %s", option, shown, expected);
    return false;
}

static bool
take_class(struct listing *l, const char *name)
{
    l->wants_tc = !name || strcmp(name, "kernel") != 0;
    l->wants_kernel = !name || !strcmp(name, "kernel");
    l->only_kernel = !l->wants_tc;
    if (!name || !strcmp(name, "kernel")) {
        return true;
    }
    if (strcmp(name, "hw") && strcmp(name, "sw")) {
        return refuse(l->call, "--class", name, "one of hw, sw, kernel");
    }
    l->query.where = 1u << (!strcmp(name, "hw") ? VDPAD_FLOW_IN_HW
                                                : VDPAD_FLOW_IN_TC);
    return true;
}

static bool
take_port(struct listing *l, const char *name)
{
    const struct vdpad_world *world = vdpad_call_world(l->call);
    const struct vdpad_picture *p =
        &world->observed->class_[VDPAD_LINK].picture;
    const char **names;

    for (size_t i = 0; i < p->n; i++) {
        const struct vdpad_link *link = &VDPAD_ROWS(p, vdpad_link)[i];

        if (!strcmp(link->name, name)) {
            l->query.ifindex = link->ifindex;
            return true;
        }
    }
    names = vdpad_xcalloc(p->n + 1, sizeof *names);
    for (size_t i = 0; i < p->n; i++) {
        names[i] = VDPAD_ROWS(p, vdpad_link)[i].name;
    }
    vdpad_call_error_unknown(l->call, "network device", name, names, p->n);
    free(names);
    return false;
}

static bool
take_device(struct listing *l, const char *name)
{
    const struct vdpad_dev *dev = vdpad_call_device(l->call, name);

    if (!dev) {
        return false;
    }
    if (!dev->rep) {
        vdpad_call_error(l->call,
                         "%s has no representor now, through which its flows "
                         "would come: see why %s",
                         dev->name, dev->name);
        return false;
    }
    l->query.ifindex = dev->rep->ifindex;
    return true;
}

static bool
take_limit(struct listing *l, const char *value)
{
    uint32_t number;
    const char *rest = value;

    if (!vdpad_scan_number(&rest, MAX_LIMIT, &number) || *rest || !number) {
        return refuse(l->call, "--limit", value, "a number from 1 to 10000");
    }
    l->left = number;
    return true;
}

static bool
take_cursor(struct listing *l, const char *value)
{
    struct vdpad_flow_cursor cursor;

    if (!vdpad_flow_cursor_parse(value, &cursor)) {
        return refuse(l->call, "--after", value,
                      "none of flow/list's; take it as it was printed");
    }
    if (cursor.is_kernel ? !l->wants_kernel : !l->wants_tc) {
        return refuse(l->call, "--after", value,
                      "it belongs to another --class");
    }
    if (cursor.is_kernel) {
        l->wants_tc = false;
    }
    l->query.at = cursor.pos;
    l->query.has_at = true;
    return true;
}

/* Returns false when the call has been answered. */
static bool
take_wish(struct listing *l, const struct wish *wish)
{
    if (wish->device && wish->port) {
        return refuse(l->call, "--port", wish->port,
                      "a device's name says which port already");
    }
    l->query.has_ufid = wish->ufid != NULL;
    if (wish->ufid && !vdpad_ufid_parse(wish->ufid, l->query.ufid)) {
        return refuse(l->call, "--ufid", wish->ufid,
                      "no identifier like "
                      "01234567-89ab-cdef-0123-456789abcdef");
    }
    return take_class(l, wish->class_)
           && (!wish->limit || take_limit(l, wish->limit))
           && (!wish->after || take_cursor(l, wish->after))
           && (!wish->port || take_port(l, wish->port))
           && (!wish->device || take_device(l, wish->device));
}

static void
flow_list(struct vdpad_call *call)
{
    struct wish wish;
    struct listing *l;

    if (!parse_words(call, &wish)) {
        return;
    }
    if (n_listings >= MAX_LISTINGS) {
        vdpad_call_error(call,
                         "%d listings of flows are under way: try again "
                         "in a moment",
                         MAX_LISTINGS);
        return;
    }
    l = vdpad_xcalloc(1, sizeof *l);
    n_listings++;
    l->call = call;
    l->left = MAX_LIMIT;
    if (!take_wish(l, &wish)) {
        listing_free(l);
        return;
    }
    vdpad_text_open(&l->out);
    if (call->json) {
        fputs("{\"flows\": [", l->out.stream);
    }
    ask(l);
}

const struct vdpad_command vdpad_commands_flow_list[] = {
    { "flow/list",
      "[NAME] [--class=hw|sw|kernel] [--port=IFNAME] [--ufid=UUID] "
      "[--limit=N] [--after=CURSOR] [--json]",
      0, 6, VDPAD_MASK(VDPAD_LINK), flow_list },
    { .name = NULL },
};
