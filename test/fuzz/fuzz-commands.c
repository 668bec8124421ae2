/* SPDX-License-Identifier: Apache-2.0 */
/* Arguments of the commands.  The input is a byte that says what the daemon
 * sees, then lines "COMMAND ARGUMENT...", words separated by blanks; one whose
 * first word is no command is of the command that its first byte chooses.
 * Whatever is asked, each command has one answer, which a terminal can show,
 * and which is JSON where that was asked for and there is no error. */
#include "cmd-fixture.h"
#include "fuzz.h"

#define MAX_WORDS 8
#define MAX_LINES 6
#define SEC_NS INT64_C(1000000000)

/* Bits of the first byte. */
enum {
    NO_DEVICES = 1 << 0,
    NO_DATABASE = 1 << 1,
    NO_REPRESENTORS = 1 << 2,
    UNKNOWN = 1 << 3, /* Not all could be observed. */
    FAILING = 1 << 4, /* What is asked for fails. */
    HOSTILE = 1 << 5, /* Names from outside steer terminals. */
    STUCK = 1 << 6,
    NO_WORLD = 1 << 7,
};

static void
set_scene(uint8_t scene)
{
    static char hostile[] = "\x1b]0;x\a%n%s\n\xc2\x9b";

    if (scene & NO_DEVICES) {
        fix.world.n_devs = 0;
    }
    if (scene & NO_DATABASE) {
        fix.world.db_connected = ctl.store.connected = false;
    }
    if (scene & NO_REPRESENTORS) {
        for (int i = 0; i < 2; i++) {
            fix.devs[i].rep = NULL;
            fix.devs[i].rep_feature = NULL;
            fix.devs[i].flow = NULL;
            fix.devs[i].qdisc = NULL;
            fix.devs[i].iface = NULL;
        }
    }
    if (scene & UNKNOWN) {
        for (int i = 0; i < VDPAD_N_CLASSES; i += 2) {
            fix.observed.class_[i].error = -ETIMEDOUT;
            fix.observed.class_[i].fresh = false;
        }
    }
    if (scene & HOSTILE) {
        (void) snprintf(fix.devs[0].reason, sizeof fix.devs[0].reason, "%s",
                        hostile);
        fix.ifaces[0].error = hostile;
        fix.external_ids[0].value = hostile;
        fix.policy.text = hostile;
        fix.port.iface_id = hostile;
        fix.devs[0].policy_name = hostile;
        (void) snprintf(fix.holders[0].command, sizeof fix.holders[0].command,
                        "%s", hostile);
        (void) snprintf(fix.eswitch.fw_version, sizeof fix.eswitch.fw_version,
                        "%s", hostile);
    }
    if (scene & STUCK) {
        ctl.kernel.n_stuck = 1;
        ctl.kernel.stuck[0].pid = 7;
        strcpy(ctl.kernel.stuck[0].what, "vdpa-del vdpa:0000:65:00.2");
    }
    if (scene & NO_WORLD) {
        ctl.world = NULL;
    }
}

static void
answer_query(bool is_failing)
{
    static struct vdpad_flow_detail flows[2];
    vdpad_flow_query_cb *cb = ctl.query_cb;
    struct vdpad_error why = { .code = 0 };

    memset(flows, 0, sizeof flows);
    for (int i = 0; i < 2; i++) {
        flows[i].where = ctl.query.kind == VDPAD_QUERY_DATAPATH
                             ? VDPAD_FLOW_IN_KERNEL
                             : i;
        flows[i].pos.ifindex = flows[i].ifindex = 11;
        flows[i].pos.prio = 1;
        flows[i].pos.handle = (uint32_t) i + 1;
        flows[i].used_ms = flows[i].age_ms = -1;
        strcpy(flows[i].match, "in_port(p0vf0),eth_type(0x0800)");
        strcpy(flows[i].actions, "p0");
    }
    ctl.query_cb = NULL;
    if (is_failing || ctl.query.kind == VDPAD_QUERY_PROBE) {
        int error = vdpad_error_set(&why, is_failing ? -EIO : -EOPNOTSUPP,
                                    "mlx5_core: no offload");

        cb(ctl.query_aux, error, NULL, 0, false, &why);
    } else {
        cb(ctl.query_aux, 0, flows, 2, !ctl.query.has_at, &why);
    }
}

/* What the controller does next for those who wait; false: nothing. */
static bool
go_on(bool is_failing, int64_t *now_ns)
{
    struct vdpad_error why = { .code = 0 };

    if (ctl.n_refreshes) {
        fixture_refreshed(ctl.refreshes[0].compare ? &fix.observed : NULL);
    } else if (ctl.query_cb) {
        answer_query(is_failing);
    } else if (ctl.suspended_cb) {
        int error = is_failing ? vdpad_error_set(&why, -EIO, "refused") : 0;

        fixture_suspended(error, &why);
    } else if (ctl.ready_cb) {
        vdpad_ready_cb *cb = ctl.ready_cb;

        ctl.ready_cb = NULL;
        cb(ctl.ready_aux, is_failing ? "not ready yet" : NULL);
    } else {
        *now_ns += SEC_NS;
        vdpad_commands_run(*now_ns);
    }
    return true;
}

static void
check_answer(const struct vdpad_request *request, bool is_json)
{
    for (const char *p = request->text; *p; p++) {
        CHECK(((unsigned char) *p >= ' ' && *p != 0x7f) || *p == '\n');
        /* Control characters of the second half: U+0080 to U+009F. */
        CHECK((unsigned char) *p != 0xc2 || (unsigned char) p[1] >= 0xa0);
    }
    if (is_json && !request->is_error) {
        json_error_t error;
        json_t *tree = json_loads(request->text,
                                  JSON_REJECT_DUPLICATES | JSON_DECODE_ANY,
                                  &error);

        CHECK(tree);
        json_decref(tree);
    }
}

static void
run_line(char *line, bool is_failing, int64_t *now_ns)
{
    const struct fixture_command *command = NULL;
    struct vdpad_request request = { .is_done = false };
    const char *argv[MAX_WORDS + 1];
    json_t *words = json_string(line);
    int argc = 0;

    /* What comes over the socket is JSON, hence UTF-8. */
    if (!words) {
        return;
    }
    json_decref(words);
    for (char *word; argc < MAX_WORDS && (word = strsep(&line, " "));) {
        argv[argc++] = word;
    }
    argv[argc] = NULL;
    for (size_t i = 0; i < fixture_n_commands; i++) {
        if (!strcmp(fixture_commands[i].name, argv[0])) {
            command = &fixture_commands[i];
        }
    }
    if (!command) {
        command =
            &fixture_commands[(unsigned char) argv[0][0] % fixture_n_commands];
        argv[0] = command->name;
    }
    /* unixctl itself refuses others. */
    if (argc - 1 < command->min || argc - 1 > command->max) {
        return;
    }
    command->cb(&request, argc, argv, command->aux);
    for (int i = 0; i < 100 && !request.is_done; i++) {
        go_on(is_failing, now_ns);
    }
    CHECK(request.is_done);
    check_answer(&request, argc > 1 && !strcmp(argv[argc - 1], "--json"));
    free(request.text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text, *rest;
    int64_t now_ns = 1000 * SEC_NS;
    uint8_t scene;

    if (!size) {
        return 0;
    }
    scene = data[0];
    text = malloc(size);
    CHECK(text);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    (void) fixture_set_up(NULL);
    fixture_look();
    set_scene(scene);
    rest = text;
    for (int i = 0; i < MAX_LINES && rest; i++) {
        run_line(strsep(&rest, "\n"), scene & FAILING, &now_ns);
    }
    /* What nobody waits for any more. */
    while (ctl.n_refreshes || ctl.suspended_cb) {
        go_on(scene & FAILING, &now_ns);
    }
    vdpad_commands_done();
    (void) fixture_tear_down(NULL);
    free(text);
    return 0;
}
