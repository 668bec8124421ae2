/* SPDX-License-Identifier: Apache-2.0 */
/* The knobs as text: for tests that see the daemon from outside. */
#include "fake-private.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MS INT64_C(1000000)

/* What follows the fixed arguments: "name=value" words. */
struct words {
    const char *object, *word, *text, *mac, *to, *error;
    long number, nth, times;
    uint16_t mtu, max_vqp;
    unsigned long hw, sw, packets, uses;
    unsigned long sw_packets, rx, hit, epoch;
    bool has_hit;
};

static int
parse_errno(const char *text)
{
    static const struct {
        const char *name;
        int value;
    } names[] = {
        { "EPERM", EPERM },
        { "ENOENT", ENOENT },
        { "EIO", EIO },
        { "EAGAIN", EAGAIN },
        { "ENOMEM", ENOMEM },
        { "EACCES", EACCES },
        { "EBUSY", EBUSY },
        { "EEXIST", EEXIST },
        { "ENODEV", ENODEV },
        { "EINVAL", EINVAL },
        { "ENOSPC", ENOSPC },
        { "ERANGE", ERANGE },
        { "ENOBUFS", ENOBUFS },
        { "EOPNOTSUPP", EOPNOTSUPP },
        { "ETIMEDOUT", ETIMEDOUT },
        { "ESTALE", ESTALE },
    };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!strcmp(text, names[i].name)) {
            return -names[i].value;
        }
    }
    return 0;
}

static int32_t
parse_kind(const char *text)
{
    for (int i = 0; i < VDPAD_ACT_N; i++) {
        if (!strcmp(text, vdpad_act_name(i))) {
            return i;
        }
    }
    return -1;
}

static int32_t
parse_class(const char *text)
{
    for (int i = 0; i < VDPAD_N_CLASSES; i++) {
        if (!strcmp(text, vdpad_class_name(i))) {
            return i;
        }
    }
    return -1;
}

static long
parse_number(const char *text)
{
    return strtol(text, NULL, 0);
}

static int
parse_words(int argc, const char *argv[], struct words *w)
{
    *w = (struct words){ .nth = 1, .times = 1 };
    for (int i = 0; i < argc; i++) {
        const char *value = strchr(argv[i], '=');
        size_t len = value ? (size_t) (value++ - argv[i]) : 0;

#define IS(NAME) (len == strlen(NAME) && !strncmp(argv[i], NAME, len))
        if (IS("object")) {
            w->object = value;
        } else if (IS("word")) {
            w->word = value;
        } else if (IS("text")) {
            w->text = value;
        } else if (IS("mac")) {
            w->mac = value;
        } else if (IS("number")) {
            w->number = parse_number(value);
        } else if (IS("nth")) {
            w->nth = parse_number(value);
        } else if (IS("times")) {
            w->times = parse_number(value);
        } else if (IS("mtu")) {
            w->mtu = (uint16_t) parse_number(value);
        } else if (IS("max-vqp")) {
            w->max_vqp = (uint16_t) parse_number(value);
        } else if (IS("hw")) {
            w->hw = (unsigned long) parse_number(value);
        } else if (IS("sw")) {
            w->sw = (unsigned long) parse_number(value);
        } else if (IS("to")) {
            w->to = value;
        } else if (IS("error")) {
            w->error = value;
        } else if (IS("uses")) {
            w->uses = (unsigned long) parse_number(value);
        } else if (IS("sw-packets")) {
            w->sw_packets = (unsigned long) parse_number(value);
        } else if (IS("rx")) {
            w->rx = (unsigned long) parse_number(value);
        } else if (IS("hit")) {
            w->hit = (unsigned long) parse_number(value);
            w->has_hit = true;
        } else if (IS("epoch")) {
            w->epoch = (unsigned long) parse_number(value);
        } else if (IS("packets")) {
            w->packets = (unsigned long) parse_number(value);
        } else {
            return -EINVAL;
        }
#undef IS
    }
    return 0;
}

typedef int command_fn(struct fake_kernel *, const char *argv[],
                       const struct words *);

static int
cmd_add_pf(struct fake_kernel *k, const char *argv[], const struct words *w)
{
    (void) w;
    return sim_add_pf(k->sim, argv[1], (int32_t) parse_number(argv[2]),
                      argv[3]);
}

static int
cmd_add_mgmtdev(struct fake_kernel *k, const char *argv[],
                const struct words *w)
{
    (void) w;
    return sim_add_mgmtdev(k->sim, argv[1]);
}

static int
cmd_module(struct fake_kernel *k, const char *argv[], const struct words *w)
{
    (void) w;
    return sim_set_module(k->sim, argv[1],
                          !strcmp(argv[2], "loaded") ? VDPAD_MODULE_LOADED
                          : !strcmp(argv[2], "loadable")
                              ? VDPAD_MODULE_LOADABLE
                              : VDPAD_MODULE_MISSING);
}

static int
cmd_order(struct fake_kernel *k, const char *argv[], const struct words *w)
{
    (void) w;
    k->sim->order = !strcmp(argv[1], "vfs-first")    ? SIM_ORDER_VFS_FIRST
                    : !strcmp(argv[1], "mode-first") ? SIM_ORDER_MODE_FIRST
                                                     : SIM_ORDER_ANY;
    return 0;
}

static int
cmd_set(struct fake_kernel *k, const char *argv[], const struct words *w)
{
    int64_t value = parse_number(argv[2]);
    const struct {
        const char *name;
        int64_t *ms;
    } times[] = {
        { "vf-delay", &k->sim->vf_delay_ns },
        { "rep-delay", &k->sim->rep_delay_ns },
        { "rename-delay", &k->sim->rename_delay_ns },
        { "event-delay", &k->knobs.event_delay_ns },
        { "repeat-delay", &k->knobs.repeat_delay_ns },
        { "read-deadline", &k->knobs.read_deadline_ns },
        { "step-deadline", &k->knobs.step_deadline_ns },
        { "slow-deadline", &k->knobs.slow_deadline_ns },
    };

    (void) w;
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        if (!strcmp(argv[1], times[i].name)) {
            *times[i].ms = value * MS;
            return 0;
        }
    }
    if (!strcmp(argv[1], "drop-events")) {
        k->knobs.drop_events = (unsigned int) value;
    } else if (!strcmp(argv[1], "reversed")) {
        k->knobs.is_reversed = value;
    } else if (!strcmp(argv[1], "no-config")) {
        k->sim->has_no_config = value;
    } else if (!strcmp(argv[1], "max-vqs")) {
        k->sim->max_vqs = (uint32_t) value;
    } else if (parse_kind(argv[1]) >= 0) {
        k->knobs.step_delay_ns[parse_kind(argv[1])] = value * MS;
    } else if (parse_class(argv[1]) >= 0) {
        k->knobs.observe_delay_ns[parse_class(argv[1])] = value * MS;
    } else {
        return -EINVAL;
    }
    return 0;
}

/* Somebody else does a step, without asking who uses the device. */
static int
cmd_do(struct fake_kernel *k, const char *argv[], const struct words *w)
{
    struct vdpad_act act = {
        .kind = parse_kind(argv[1]),
        .number = w->number,
        .mtu = w->mtu,
        .max_vqp = w->max_vqp,
    };
    const struct sim_netdev *dev = sim_find_netdev(k->sim, argv[2]);
    int block = -1, error;

    if (act.kind < 0) {
        return -EINVAL;
    }
    act.ifindex = dev ? dev->link.ifindex : 0;
    sim_text(act.object, sizeof act.object, "%s", argv[2]);
    sim_text(act.word, sizeof act.word, "%s", w->word ? w->word : "");
    if (w->mac) {
        unsigned int m[6];

        if (sscanf(w->mac, "%x:%x:%x:%x:%x:%x", &m[0], &m[1], &m[2], &m[3],
                   &m[4], &m[5])
            != 6) {
            return -EINVAL;
        }
        act.has_mac = true;
        for (int i = 0; i < 6; i++) {
            act.mac[i] = (uint8_t) m[i];
        }
    }
    error = sim_apply(k->sim, &act, false, &block, NULL);
    if (error == SIM_BLOCKED) {
        k->sim->blocks[block].is_orphan = true;
        error = 0;
    }
    return error;
}

static int
cmd_hold(struct fake_kernel *k, const char *argv[], const struct words *w)
{
    (void) w;
    return sim_hold(k->sim, argv[1], (int32_t) parse_number(argv[2]), argv[3]);
}

static int
cmd_release(struct fake_kernel *k, const char *argv[], const struct words *w)
{
    (void) w;
    return sim_release(k->sim, argv[1]);
}

static int
add_fault(struct fake_kernel *k, enum fake_fault fault, const char *kind,
          int error, int64_t delay_ns, const struct words *w)
{
    if (parse_kind(kind) < 0) {
        return -EINVAL;
    }
    return fake_kernel_fault(&k->up, fault, parse_kind(kind), w->object,
                             (unsigned int) w->nth, (unsigned int) w->times,
                             error, w->text, delay_ns);
}

static int
cmd_fail(struct fake_kernel *k, const char *argv[], const struct words *w)
{
    int error = parse_errno(argv[2]);

    return error ? add_fault(k, FAKE_FAIL, argv[1], error, 0, w) : -EINVAL;
}

static int
cmd_delay(struct fake_kernel *k, const char *argv[], const struct words *w)
{
    return add_fault(k, FAKE_DELAY, argv[1], 0, parse_number(argv[2]) * MS, w);
}

static int
cmd_lose(struct fake_kernel *k, const char *argv[], const struct words *w)
{
    return add_fault(k, FAKE_LOSE, argv[1], 0, 0, w);
}

static int
cmd_fail_observe(struct fake_kernel *k, const char *argv[],
                 const struct words *w)
{
    int32_t class_ = parse_class(argv[1]);
    int error = parse_errno(argv[2]);

    if (class_ < 0 || !error) {
        return -EINVAL;
    }
    fake_kernel_fail_observe(&k->up, class_, error, (unsigned int) w->times);
    return 0;
}

static int
cmd_lose_events(struct fake_kernel *k, const char *argv[],
                const struct words *w)
{
    (void) argv;
    (void) w;
    fake_kernel_lose_events(&k->up);
    return 0;
}

static int
cmd_rename(struct fake_kernel *k, const char *argv[], const struct words *w)
{
    (void) w;
    return sim_rename(k->sim, argv[1], argv[2]);
}

static int
cmd_reset(struct fake_kernel *k, const char *argv[], const struct words *w)
{
    (void) w;
    return sim_reset_pf(k->sim, argv[1],
                        k->sim->now_ns + parse_number(argv[2]) * MS);
}

static int
cmd_vanish(struct fake_kernel *k, const char *argv[], const struct words *w)
{
    (void) w;
    return sim_vanish(k->sim, argv[1]);
}

static int
cmd_qdisc(struct fake_kernel *k, const char *argv[], const struct words *w)
{
    (void) w;
    return sim_set_qdisc(k->sim, argv[1], !strcmp(argv[2], "on"));
}

static int
cmd_flow(struct fake_kernel *k, const char *argv[], const struct words *w)
{
    struct vdpad_flow flow = {
        .hw_flows = (uint32_t) w->hw,
        .sw_flows = (uint32_t) w->sw,
        .hw_packets = w->packets,
        .hw_bytes = w->packets * 100,
        .sw_packets = w->sw_packets,
        .sw_bytes = w->sw_packets * 100,
        .rx_packets = w->rx,
        .cpu_hit_packets = w->hit,
        .has_cpu_hit = w->has_hit,
        .epoch = (uint32_t) w->epoch,
    };

    return sim_set_flow(k->sim, argv[1], &flow);
}

static int
cmd_kflow(struct fake_kernel *k, const char *argv[], const struct words *w)
{
    struct vdpad_kflow kflow = {
        .flows = (uint32_t) w->number,
        .packets = w->packets,
        .bytes = w->packets * 100,
    };

    return sim_set_kflow(k->sim, argv[1], &kflow);
}

static int
cmd_add_flow(struct fake_kernel *k, const char *argv[], const struct words *w)
{
    const struct sim_netdev *to = w->to ? sim_find_netdev(k->sim, w->to)
                                        : NULL;
    struct vdpad_flow_detail detail = {
        .where = !strcmp(argv[2], "hw")   ? VDPAD_FLOW_IN_HW
                 : !strcmp(argv[2], "sw") ? VDPAD_FLOW_IN_TC
                                          : VDPAD_FLOW_IN_KERNEL,
        .uses = (uint32_t) w->uses,
        .used_ms = w->packets ? 100 : -1,
        .age_ms = 1000,
    };

    if (w->to && !to) {
        return -ENODEV;
    }
    if (detail.where == VDPAD_FLOW_IN_HW) {
        detail.hw_packets = w->packets;
        detail.hw_bytes = w->packets * 100;
    } else {
        detail.sw_packets = w->packets;
        detail.sw_bytes = w->packets * 100;
    }
    detail.outputs[0] = to ? to->link.ifindex : 0;
    sim_text(detail.match, sizeof detail.match,
             "recirc_id(0),in_port(%s),eth_type(0x0800)%s%s", argv[1],
             w->word ? "," : "", w->word ? w->word : "");
    sim_text(detail.actions, sizeof detail.actions, "%s",
             to ? to->link.name : "drop");
    return sim_add_flow(k->sim, argv[1], &detail,
                        w->error ? parse_errno(w->error) : 0,
                        w->text ? w->text : "");
}

static int
cmd_away(struct fake_kernel *k, const char *argv[], const struct words *w)
{
    (void) w;
    return sim_set_away(k->sim, argv[1], !strcmp(argv[2], "on"));
}

/* config NAME: the kernel's configuration lacks that option; "none": lacks
 * nothing. */
static int
cmd_config(struct fake_kernel *k, const char *argv[], const struct words *w)
{
    (void) w;
    sim_text(k->sim->unset_config, sizeof k->sim->unset_config, "%s", argv[1]);
    return 0;
}

static int
cmd_vswitchd(struct fake_kernel *k, const char *argv[], const struct words *w)
{
    (void) w;
    k->sim->vswitchd = (int32_t) parse_number(argv[1]);
    return 0;
}

static const struct command {
    const char *name, *usage;
    int n_args; /* Fixed ones; words may follow. */
    command_fn *fn;
} commands[] = {
    { "add-flow",
      "NETDEV hw|sw|kernel [to=NETDEV] [packets=N] [uses=N] [word=MATCH] "
      "[error=ERRNO] [text=T]",
      2, cmd_add_flow },
    { "add-mgmtdev", "NAME", 1, cmd_add_mgmtdev },
    { "add-pf", "BDF TOTALVFS UPLINK", 3, cmd_add_pf },
    { "away", "VDPA on|off", 2, cmd_away },
    { "config", "OPTION|none", 1, cmd_config },
    { "delay", "STEP MS [nth=N] [times=N] [object=O]", 2, cmd_delay },
    { "do", "STEP OBJECT [word=W] [number=N] [mac=M] [mtu=N] [max-vqp=N]", 2,
      cmd_do },
    { "fail", "STEP ERRNO [text=T] [nth=N] [times=N] [object=O]", 2,
      cmd_fail },
    { "fail-observe", "CLASS ERRNO [times=N]", 2, cmd_fail_observe },
    { "flow",
      "NETDEV|* [hw=N] [sw=N] [packets=N] [sw-packets=N] [rx=N] [hit=N] "
      "[epoch=N]",
      1, cmd_flow },
    { "hold", "VDPA PID COMMAND", 3, cmd_hold },
    { "kflow", "NETDEV [number=N] [packets=N]", 1, cmd_kflow },
    { "lose", "STEP [nth=N] [times=N] [object=O]", 1, cmd_lose },
    { "lose-events", "", 0, cmd_lose_events },
    { "module", "NAME missing|loadable|loaded", 2, cmd_module },
    { "order", "any|vfs-first|mode-first", 1, cmd_order },
    { "qdisc", "NETDEV on|off", 2, cmd_qdisc },
    { "release", "VDPA", 1, cmd_release },
    { "rename", "NETDEV NAME", 2, cmd_rename },
    { "reset", "PF MS", 2, cmd_reset },
    { "set",
      "vf-delay|rep-delay|rename-delay|event-delay|repeat-delay|"
      "read-deadline|step-deadline|slow-deadline|drop-events|reversed|"
      "no-config|max-vqs|STEP|CLASS NUMBER",
      2, cmd_set },
    { "vanish", "OBJECT", 1, cmd_vanish },
    { "vswitchd", "PID|0", 1, cmd_vswitchd },
};

const char *const fake_kernel_commands[] = {
    "add-flow",    "add-mgmtdev", "add-pf", "away",   "config",
    "delay",       "do",          "dump",   "fail",   "fail-observe",
    "flow",        "help",        "hold",   "kflow",  "lose",
    "lose-events", "module",      "order",  "qdisc",  "release",
    "rename",      "reset",       "set",    "vanish", "vswitchd",
};
const size_t fake_kernel_n_commands = sizeof fake_kernel_commands
                                      / sizeof fake_kernel_commands[0];

static char *
help(void)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    assert(f);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        (void) fprintf(f, "%s %s\n", commands[i].name, commands[i].usage);
    }
    (void) fclose(f);
    return text;
}

int
fake_kernel_command(struct vdpad_kernel *kernel, int argc, const char *argv[],
                    char **ret_reply)
{
    struct fake_kernel *k = fake_kernel_cast(kernel);

    if (ret_reply) {
        *ret_reply = NULL;
        if (argc == 1 && !strcmp(argv[0], "dump")) {
            *ret_reply = fake_kernel_dump(kernel);
            return 0;
        } else if (argc == 1 && !strcmp(argv[0], "help")) {
            *ret_reply = help();
            return 0;
        }
    }
    k->sim->now_ns = fake_now_ns(k);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        const struct command *c = &commands[i];
        struct words words;
        int error;

        if (argc < 1 || strcmp(argv[0], c->name)) {
            continue;
        }
        if (argc <= c->n_args
            || parse_words(argc - 1 - c->n_args, argv + 1 + c->n_args,
                           &words)) {
            return -EINVAL;
        }
        error = c->fn(k, argv, &words);
        fake_kernel_poke(kernel);
        return error;
    }
    return -EINVAL;
}

int
fake_kernel_script(struct vdpad_kernel *kernel, const char *script,
                   struct vdpad_error *why)
{
    char *copy = strdup(script), *line, *save = NULL;
    int error = 0;

    assert(copy);
    for (line = strtok_r(copy, ";\n", &save); line && !error;
         line = strtok_r(NULL, ";\n", &save)) {
        const char *argv[16];
        char *save_word = NULL;
        int argc = 0;

        for (char *word = strtok_r(line, " \t", &save_word); word && argc < 16;
             word = strtok_r(NULL, " \t", &save_word)) {
            argv[argc++] = word;
        }
        if (argc) {
            error = fake_kernel_command(kernel, argc, argv, NULL);
            if (error) {
                (void) vdpad_error_set(why, error, "%s: %s", argv[0],
                                       strerror(-error));
            }
        }
    }
    free(copy);
    return error;
}
