/* SPDX-License-Identifier: Apache-2.0 */
/* config/show, config/check: the configuration as it is understood. */
#include <stdlib.h>
#include <string.h>

#include "cmd-call.h"
#include "util.h"
#include "json-rows.h"

#define SET(OBJECT, KEY, VALUE) vdpad_json_set(OBJECT, KEY, VALUE)
#define N_ELEMS(ARRAY) (sizeof(ARRAY) / sizeof(ARRAY)[0])

static const char *const general_keys[] = {
    VDPAD_KEY_BRIDGE,    VDPAD_KEY_HW_OFFLOAD, VDPAD_KEY_ATTACH,
    VDPAD_KEY_SUSPENDED, VDPAD_KEY_METRICS,
};

static const char *
attach_name(enum vdpad_attach attach)
{
    switch (attach) {
    case VDPAD_ATTACH_DECLARED:
        return "declared";
    case VDPAD_ATTACH_NONE:
        return "none";
    case VDPAD_ATTACH_AUTO:
    default:
        return "auto";
    }
}

/* What 'key', one of general_keys[], means in 'config'. */
static json_t *
general_value(const struct vdpad_config *config, const char *key)
{
    if (!strcmp(key, VDPAD_KEY_BRIDGE)) {
        return vdpad_json_text(config->bridge_refused ? NULL : config->bridge);
    } else if (!strcmp(key, VDPAD_KEY_HW_OFFLOAD)) {
        return vdpad_json_text(config->hw_offload_refused ? NULL
                               : config->hw_offload       ? "true"
                                                          : "false");
    } else if (!strcmp(key, VDPAD_KEY_ATTACH)) {
        return vdpad_json_text(
            config->attach_refused ? NULL : attach_name(config->attach));
    } else if (!strcmp(key, VDPAD_KEY_METRICS)) {
        return vdpad_json_text(config->metrics_refused ? NULL
                               : config->metrics       ? config->metrics
                                                       : "off");
    }
    json_t *names = json_array();

    if (config->suspend_all) {
        vdpad_json_add(names, vdpad_json_text("*"));
    }
    for (size_t i = 0; i < config->n_suspended; i++) {
        if (strcmp(config->suspended[i], "*") != 0) {
            vdpad_json_add(names, vdpad_json_text(config->suspended[i]));
        }
    }
    return names;
}

static json_t *
settings(const struct vdpad_world *world)
{
    json_t *rows = json_array();

    for (size_t i = 0; i < N_ELEMS(general_keys); i++) {
        json_t *row = json_object();
        bool is_set = world->db
                      && vdpad_map_get(&world->db->external_ids,
                                       general_keys[i]);

        SET(row, "key", vdpad_json_text(general_keys[i]));
        SET(row, "value", general_value(world->config, general_keys[i]));
        SET(row, "set", vdpad_json_bool(is_set));
        vdpad_json_add(rows, row);
    }
    return rows;
}

static json_t *
error_row(const char *key, const char *word, const char *reason)
{
    json_t *row = json_object();

    SET(row, "key", vdpad_json_text(key));
    SET(row, "word", vdpad_json_text(word));
    SET(row, "reason", vdpad_json_text(reason));
    return row;
}

/* The refusals of the keys, and what is wrong in the world because of
 * them. */
static json_t *
errors(const struct vdpad_world *world)
{
    json_t *rows = json_array();

    for (size_t i = 0; i < world->config->n_errors; i++) {
        const struct vdpad_config_error *e = &world->config->errors[i];
        vdpad_json_add(rows, error_row(e->key, e->word, e->reason));
    }
    for (size_t i = 0; i < world->n_problems; i++) {
        const struct vdpad_problem *p = &world->problems[i];
        vdpad_json_add(rows, error_row(p->key, p->word, p->text));
    }
    return rows;
}

/* Prints each of 'objects' as a block below its 'prefix' and 'name'. */
static void
print_blocks(FILE *stream, json_t *objects, const char *prefix,
             const char *name)
{
    for (size_t i = 0; i < json_array_size(objects); i++) {
        json_t *object = json_array_get(objects, i);
        char *title = vdpad_json_human(json_object_get(object, name));

        fprintf(stream, "\n%s%s\n", prefix, title);
        vdpad_sheet_print(stream, object, "  ");
        free(title);
    }
}

static char *
config_text(json_t *config)
{
    static const struct vdpad_column setting_columns[] = {
        { "KEY", "key" },
        { "SET", "set" },
        { "VALUE", "value" },
    };
    static const struct vdpad_column error_columns[] = {
        { "ERROR IN KEY", "key" },
        { "WORD", "word" },
        { "REASON", "reason" },
    };
    struct vdpad_text_stream out;

    vdpad_text_open(&out);
    vdpad_table_print(out.stream, json_object_get(config, "settings"),
                      setting_columns, N_ELEMS(setting_columns));
    print_blocks(out.stream, json_object_get(config, "policies"),
                 VDPAD_KEY_POLICY, "name");
    print_blocks(out.stream, json_object_get(config, "ports"), VDPAD_KEY_PORT,
                 "iface-id");
    fputs("\n", out.stream);
    vdpad_table_print(out.stream, json_object_get(config, "errors"),
                      error_columns, N_ELEMS(error_columns));
    return vdpad_text_close(&out);
}

static void
config_show(struct vdpad_call *call)
{
    const struct vdpad_world *world = vdpad_call_world(call);
    json_t *o = json_object();
    json_t *policies = json_array(), *ports = json_array();

    for (size_t i = 0; i < world->config->n_policies; i++) {
        vdpad_json_add(policies,
                       vdpad_json_policy(&world->config->policies[i]));
    }
    for (size_t i = 0; i < world->config->n_ports; i++) {
        vdpad_json_add(ports, vdpad_json_port_spec(&world->config->ports[i]));
    }
    SET(o, "settings", settings(world));
    SET(o, "policies", policies);
    SET(o, "ports", ports);
    SET(o, "errors", errors(world));
    vdpad_call_reply(call, o, call->json ? NULL : config_text(o));
}

/* What 'key' is understood as in 'config', which has no error for it. */
static json_t *
understood(const struct vdpad_config *config, const char *key)
{
    size_t policy_len = strlen(VDPAD_KEY_POLICY);
    size_t port_len = strlen(VDPAD_KEY_PORT);
    json_t *value = NULL;

    if (!strncmp(key, VDPAD_KEY_POLICY, policy_len)) {
        for (size_t i = 0; i < config->n_policies && !value; i++) {
            if (!strcmp(config->policies[i].name, key + policy_len)) {
                value = vdpad_json_policy(&config->policies[i]);
            }
        }
    } else if (!strncmp(key, VDPAD_KEY_PORT, port_len)) {
        for (size_t i = 0; i < config->n_ports && !value; i++) {
            if (!strcmp(config->ports[i].iface_id, key + port_len)) {
                value = vdpad_json_port_spec(&config->ports[i]);
            }
        }
    } else {
        value = general_value(config, key);
    }
    return value ? value : json_null();
}

/* The refusals in 'config' in one line; the caller frees it. */
static char *
refusals(const struct vdpad_config *config)
{
    struct vdpad_text_stream out;

    vdpad_text_open(&out);
    for (size_t i = 0; i < config->n_errors; i++) {
        const struct vdpad_config_error *e = &config->errors[i];
        const char *word = vdpad_unless_first(e->word, e->reason);

        fprintf(out.stream, "%s%s%s%s", i ? "; " : "", word,
                word[0] ? ": " : "", e->reason);
    }
    return vdpad_text_close(&out);
}

static bool
is_refused_in(const struct vdpad_world *world, const char *key)
{
    for (size_t i = 0; i < world->n_problems; i++) {
        if (world->problems[i].is_refusal
            && !strcmp(world->problems[i].key, key)) {
            return true;
        }
    }
    return false;
}

/* What is no refusal, but would be wrong with 'key' in the world 'then'. */
static json_t *
problems_here(const struct vdpad_world *then, const char *key)
{
    json_t *rows = json_array();

    for (size_t i = 0; i < then->n_problems; i++) {
        const struct vdpad_problem *p = &then->problems[i];

        if (!p->is_refusal && !strcmp(p->key, key)) {
            vdpad_json_add(rows, error_row(p->key, p->word, p->text));
        }
    }
    return rows;
}

/* What this host would refuse with the configuration of 'then' and has not
 * refused up to now, in one line that the caller frees; NULL: nothing. */
static char *
refusals_here(const struct vdpad_world *world, const struct vdpad_world *then,
              const char *key)
{
    struct vdpad_text_stream out;
    bool any = false;

    vdpad_text_open(&out);
    for (size_t i = 0; i < then->n_problems; i++) {
        const struct vdpad_problem *p = &then->problems[i];
        bool other = strcmp(p->key, key) != 0;

        if (p->is_refusal && !(other && is_refused_in(world, p->key))) {
            fprintf(out.stream, "%s%s%s%s: %s", any ? "; " : "",
                    other ? p->key : "", other ? " would be: " : "", p->word,
                    p->text);
            any = true;
        }
    }
    char *text = vdpad_text_close(&out);
    if (!any) {
        free(text);
        text = NULL;
    }
    return text;
}

static bool
is_key_of_ours(const char *key)
{
    for (size_t i = 0; i < N_ELEMS(general_keys); i++) {
        if (!strcmp(key, general_keys[i])) {
            return true;
        }
    }
    return !strncmp(key, VDPAD_KEY_POLICY, strlen(VDPAD_KEY_POLICY))
           || !strncmp(key, VDPAD_KEY_PORT, strlen(VDPAD_KEY_PORT));
}

static void
reply_understood(struct vdpad_call *call, json_t *value, json_t *problems)
{
    static const struct vdpad_column columns[] = {
        { "PROBLEM WITH KEY", "key" },
        { "WORD", "word" },
        { "REASON", "reason" },
    };
    const char *key = call->argv[0];
    struct vdpad_text_stream out;
    json_t *o = json_object();

    vdpad_text_open(&out);
    if (json_is_object(value)) {
        char *name = vdpad_json_printable(key);
        fprintf(out.stream, "%s is valid:\n", name);
        vdpad_sheet_print(out.stream, value, "  ");
        free(name);
    } else {
        char *text = vdpad_json_human(value);
        fprintf(out.stream, "%s=%s is valid\n", key, text);
        free(text);
    }
    if (json_array_size(problems)) {
        fputs("\n", out.stream);
        vdpad_table_print(out.stream, problems, columns, N_ELEMS(columns));
    }
    SET(o, "key", vdpad_json_text(key));
    SET(o, "valid", json_true());
    SET(o, "understood", value);
    SET(o, "problems", problems);
    vdpad_call_reply(call, o, vdpad_text_close(&out));
}

static void
config_check(struct vdpad_call *call)
{
    const struct vdpad_world *world = vdpad_call_world(call);
    const struct vdpad_map none = { 0, NULL };
    const char *key = call->argv[0], *value = call->argv[1];

    if (!is_key_of_ours(key)) {
        static const char *const all[] = {
            VDPAD_KEY_BRIDGE,         VDPAD_KEY_HW_OFFLOAD,
            VDPAD_KEY_ATTACH,         VDPAD_KEY_SUSPENDED,
            VDPAD_KEY_METRICS,        VDPAD_KEY_POLICY "NAME",
            VDPAD_KEY_PORT "IFACEID",
        };
        vdpad_call_error_unknown(call, "key", key, all, N_ELEMS(all));
        return;
    }
    struct vdpad_config *config = vdpad_config_check(
        world->db ? &world->db->external_ids : &none, key, value);
    struct vdpad_world *then = vdpad_world_new(world->observed, world->db,
                                               world->db_connected, config,
                                               world->record, "");
    char *text = config->n_errors ? refusals(config)
                                  : refusals_here(world, then, key);
    if (text) {
        vdpad_call_error(call, "%s is refused: %s", key, text);
        free(text);
    } else {
        reply_understood(call, understood(config, key),
                         problems_here(then, key));
    }
    vdpad_world_free(then);
    vdpad_config_free(config);
}

const struct vdpad_command vdpad_commands_config[] = {
    { "config/show", "[--json]", 0, 0, VDPAD_MASK_DB, config_show },
    { "config/check", "KEY VALUE [--json]", 2, 2, 0, config_check },
    { .name = NULL },
};
