/* SPDX-License-Identifier: Apache-2.0 */
/* The objects of a file, and the command that sets their policies. */
#include "import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config-parse.h"
#include "import-policy.h"
#include "table.h"
#include "util.h"

#define MESSAGES_MAX 20

/* Says something of 'field' (NULL: of the object or file as a whole). */
static void __attribute__((format(printf, 5, 0)))
say(struct vdpad_import *im, size_t line, const char *field, bool is_note,
    const char *format, va_list args)
{
    char raw[1024], shown[1024], file[VDPAD_KEY_TEXT];

    if (!is_note && im->n_errors++ >= MESSAGES_MAX) {
        return;
    }
    if (!is_note && im->n_errors == MESSAGES_MAX) {
        snprintf(raw, sizeof raw,
                 "there are more mistakes than are shown; "
                 "mend these first");
        field = NULL;
    } else {
        vsnprintf(raw, sizeof raw, format, args);
    }
    vdpad_printable(raw, sizeof raw, shown, sizeof shown);
    vdpad_printable(im->file, VDPAD_CONFIG_ID_MAX, file, sizeof file);
    fprintf(is_note ? im->notes.stream : im->errors.stream,
            "%s:%zu: %s%s%s%s\n", file, line, is_note ? "note: " : "",
            field ? field : "", field ? ": " : "", shown);
}

void
vdpad_import_refuse(struct vdpad_import *im, size_t line, const char *field,
                    const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(im, line, field, false, format, args);
    va_end(args);
}

void
vdpad_import_note(struct vdpad_import *im, size_t line, const char *field,
                  const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(im, line, field, true, format, args);
    va_end(args);
}

const char *
vdpad_import_field(char buf[VDPAD_FIELD_SIZE], const char *parent,
                   const char *name)
{
    char shown[VDPAD_WORD_TEXT];

    vdpad_printable(name, 64, shown, sizeof shown);
    snprintf(buf, VDPAD_FIELD_SIZE, "%s%s%s", parent, parent[0] ? "." : "",
             shown);
    return buf;
}

/* Reads one object, or a list of them as "kubectl get -o yaml" prints it. */
static void
read_object(struct vdpad_import *im, const struct vdpad_yaml *object,
            const char *prefix, bool may_be_list)
{
    const struct vdpad_yaml *kind = vdpad_yaml_member(object, "kind");
    const struct vdpad_yaml *items = vdpad_yaml_member(object, "items");
    char field[VDPAD_FIELD_SIZE];

    if (object->kind != VDPAD_YAML_MAP) {
        vdpad_import_refuse(im, object->line, prefix[0] ? prefix : NULL,
                            "is %s, where a SriovNetworkNodePolicy has to be",
                            vdpad_yaml_what(object));
        return;
    }
    bool is_list = kind && kind->kind == VDPAD_YAML_SCALAR
                   && (!strcmp(kind->text, "List")
                       || !strcmp(kind->text, "SriovNetworkNodePolicyList"));
    if (!is_list || !may_be_list) {
        vdpad_import_policy(im, object, prefix);
        return;
    }
    if (!items || items->kind != VDPAD_YAML_LIST) {
        vdpad_import_refuse(im, items ? items->line : object->line, "items",
                            "is %s, has to be the list of policies",
                            items ? vdpad_yaml_what(items) : "missing");
        return;
    }
    size_t i = 0;
    for (const struct vdpad_yaml *m = items->first; m; m = m->next) {
        snprintf(field, sizeof field, "items[%zu]", i++);
        read_object(im, m, field, false);
    }
}

/* The line of field 'path' ("spec.mtu") of 'object', or of the innermost one
 * around it that is there. */
static size_t
line_of(const struct vdpad_yaml *object, const char *path)
{
    char name[64];

    for (;;) {
        size_t len = strcspn(path, ".");

        snprintf(name, sizeof name, "%.*s", (int) len, path);
        const struct vdpad_yaml *member = vdpad_yaml_member(object, name);
        if (!member) {
            return object->line;
        }
        object = member;
        if (!path[len]) {
            return object->line;
        }
        path += len + 1;
    }
}

/* What the parser of the keys says of word 'word' of a policy is said of the
 * field that it came from. */
static void
refuse_word(struct vdpad_import *im, const struct vdpad_import_policy *policy,
            const struct vdpad_config_error *e)
{
    static const char *const fields[][2] = {
        { "pf", "spec.nicSelector" },
        { "vendor", "spec.nicSelector.vendor" },
        { "device-id", "spec.nicSelector.deviceID" },
        { "num-vfs", "spec.numVfs" },
        { "mtu", "spec.mtu" },
        { "eswitch-mode", "spec.eSwitchMode" },
        { "device-type", "spec.deviceType" },
        { "vdpa-type", "spec.vdpaType" },
        { "priority", "spec.priority" },
        { "externally-managed", "spec.externallyManaged" },
    };
    size_t len = strcspn(e->word, "=");
    char field[VDPAD_FIELD_SIZE];

    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (len == strlen(fields[i][0])
            && !strncmp(e->word, fields[i][0], len)) {
            vdpad_import_field(field, policy->prefix, fields[i][1]);
            vdpad_import_refuse(im, line_of(policy->object, fields[i][1]),
                                field, "as %s: %s", e->word, e->reason);
            return;
        }
    }
    vdpad_import_field(field, policy->prefix, "metadata.name");
    vdpad_import_refuse(im, line_of(policy->object, "metadata.name"), field,
                        "as %s: %s", e->key, e->reason);
}

static int
compare_kv(const void *a_, const void *b_)
{
    const struct vdpad_kv *a = a_, *b = b_;

    return strcmp(a->key, b->key);
}

/* Has the parser of the keys judge all policies together. */
static void
check_words(struct vdpad_import *im)
{
    struct vdpad_kv *kv = vdpad_xcalloc(im->n + 1, sizeof *kv);
    struct vdpad_map map = { im->n, kv };

    for (size_t i = 0; i < im->n; i++) {
        kv[i] = (struct vdpad_kv){ im->policies[i].key,
                                   im->policies[i].words };
    }
    qsort(kv, im->n, sizeof *kv, compare_kv);
    struct vdpad_config *config = vdpad_config_parse(&map);
    for (size_t i = 0; i < config->n_errors; i++) {
        const struct vdpad_config_error *e = &config->errors[i];

        for (size_t j = 0; j < im->n; j++) {
            if (!strcmp(im->policies[j].key, e->key)) {
                refuse_word(im, &im->policies[j], e);
            }
        }
    }
    vdpad_config_free(config);
    free(kv);
}

/* 'text' in the single quotes of a shell. */
static void
print_quoted(FILE *stream, const char *text)
{
    fputc('\'', stream);
    for (; *text; text++) {
        if (*text == '\'') {
            fputs("'\\''", stream);
        } else {
            fputc(*text, stream);
        }
    }
    fputc('\'', stream);
}

static char *
command(const struct vdpad_import *im)
{
    struct vdpad_text_stream out;

    vdpad_text_open(&out);
    fputs("ovs-vsctl set Open_vSwitch .", out.stream);
    for (size_t i = 0; i < im->n; i++) {
        fprintf(out.stream, " \\\n    external_ids:%s=", im->policies[i].key);
        print_quoted(out.stream, im->policies[i].words);
    }
    fputc('\n', out.stream);
    return vdpad_text_close(&out);
}

static void
read_file(struct vdpad_import *im, const char *text, size_t len)
{
    struct vdpad_yaml_error error;
    struct vdpad_yaml *root;

    if (vdpad_yaml_parse(text, len, &root, &error)) {
        vdpad_import_refuse(im, error.line, NULL, "%s", error.text);
        return;
    }
    bool any = false;
    for (const struct vdpad_yaml *d = root->first; d; d = d->next) {
        if (!vdpad_yaml_is_null(d)) { /* "---" at the end makes one. */
            read_object(im, d, "", true);
            any = true;
        }
    }
    if (!im->n_errors) {
        check_words(im);
    }
    if (!im->n_errors && !im->n) {
        vdpad_import_refuse(im, 1, NULL,
                            any ? "the list is empty"
                                : "the file is empty; there has "
                                  "to be a "
                                  "SriovNetworkNodePolicy");
    }
    vdpad_yaml_free(root);
}

bool
vdpad_import(const char *file, const char *text, size_t len,
             char **ret_command, char **ret_messages)
{
    struct vdpad_import im = { .file = file };

    vdpad_text_open(&im.errors);
    vdpad_text_open(&im.notes);
    read_file(&im, text, len);
    bool ok = !im.n_errors;
    *ret_command = ok ? command(&im) : NULL;
    for (size_t i = 0; i < im.n; i++) {
        free(im.policies[i].key);
        free(im.policies[i].words);
    }
    free(im.policies);
    char *errors = vdpad_text_close(&im.errors);
    char *notes = vdpad_text_close(&im.notes);
    *ret_messages = ok ? notes : errors;
    free(ok ? errors : notes);
    return ok;
}
